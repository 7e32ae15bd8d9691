/*
 * submit: the table of the dialogue with queued, and its client.
 *
 * The client knows the order that makes an answer true: written out, linked, synced, answered. It
 * does not know what is in a message.
 */
#include "lib/wire/submit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/mail/reply.h"
#include "lib/sys/file.h"
#include "lib/sys/listen.h"

#define SAY_WAIT_MS 30000
#define COUNT_WAIT_MS 2000
#define LINKED_WAIT_MS 60000
#define ENVELOPE_IN_PACKET 16384
#define SYNCFS_FROM 8 /* messages */

// clang-format off
const struct wire_msg submit_messages[] = {
	/* who    verb       fds  said in          leads to         words */
	{ CLIENT, "OPEN",    0,   SUBMIT_IDLE,     SUBMIT_OPENING,  "service" },
	{ SERVER, "FILES",   2,   SUBMIT_OPENING,  SUBMIT_FILLING,  "id" },
	{ CLIENT, "COMMIT",  0,   SUBMIT_FILLING,  SUBMIT_DECIDING, "octets rcpts +" },
	{ CLIENT, "ABORT",   0,   SUBMIT_FILLING,  SUBMIT_IDLE,     "" },
	{ SERVER, "COPY",    2,   SUBMIT_DECIDING, SUBMIT_FILLING,  "" },
	{ SERVER, "LINKED",  0,   SUBMIT_DECIDING, SUBMIT_IDLE,     "id how sync" },
	{ SERVER, "REFUSED", 0,   SUBMIT_OPENING | SUBMIT_DECIDING | SUBMIT_LOOKING, SUBMIT_IDLE, "code enhanced text" },
	{ CLIENT, "COUNT",   0,   SUBMIT_IDLE,     SUBMIT_COUNTING, "" },
	{ SERVER, "WAITING", 0,   SUBMIT_COUNTING, SUBMIT_IDLE,    "messages link" },
	{ CLIENT, "RETRY",   0,   SUBMIT_IDLE,     SUBMIT_LOOKING,  "domain below" },
	{ SERVER, "RETRYING", 0,  SUBMIT_LOOKING,  SUBMIT_IDLE,     "messages" },
	{ CLIENT, "SYNCED",  0,   WIRE_ANY,        WIRE_SAME,       "id" },
	{ CLIENT, "FAILED",  0,   WIRE_ANY,        WIRE_SAME,       "id" },
	{ 0 },
};
// clang-format on

void
submit_init(struct submit *s, const char *socket_path)
{
	memset(s, 0, sizeof *s);
	wire_open(&s->wire, -1, CLIENT, submit_messages, SUBMIT_IDLE);
	s->path = socket_path;
	s->service = getprogname();
	s->msg_fd = s->env_fd = -1;
	buf_init(&s->envelope, LIMIT_ENVELOPE);
}

static void
close_files(struct submit *s)
{
	file_close(s->msg_fd);
	file_close(s->env_fd);
	s->msg_fd = s->env_fd = -1;
}

void
submit_close(struct submit *s)
{
	s->asked = false;
	close_files(s);
	buf_free(&s->envelope);
	buf_init(&s->envelope, LIMIT_ENVELOPE);
	wire_close(&s->wire);
}

static int
answer(struct submit *s, struct reply *reply, int code, const char *enhanced, const char *text)
{
	strlcpy(s->text, text, sizeof s->text);
	*reply = (struct reply){ .code = code, .text = s->text };
	strlcpy(reply->enhanced, enhanced, sizeof reply->enhanced);
	return -1;
}

/* The transaction is over, and so is the dialogue: nobody knows where it stands. */
static int
lost(struct submit *s, struct reply *reply, const char *text)
{
	submit_close(s);
	return answer(s, reply, 451, "4.3.0", text);
}

static int
refused(struct submit *s, const struct wire_packet *p, struct reply *reply)
{
	uint64_t code;

	if (num_parse(span_of(p->word[0]), 599, &code) == -1 || code < 400)
		return lost(s, reply, "The queue answers in riddles");
	close_files(s);
	return answer(s, reply, (int)code, p->word[1], p->word[2]);
}

/* The kernel keeps the time of the answers: no poll(2) in front of each. */
static void
limit_answers(int fd)
{
	const struct timeval wait = { LINKED_WAIT_MS / 1000, 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
}

/* As wire_recv(). A signal does not end the wait: who has said COMMIT must hear the answer. */
static int
await_answer(struct submit *s, deadline_ms until, struct wire_packet *p)
{
	int n;

	do
		n = wire_recv(&s->wire, until, p);
	while (n == -1 && errno == EINTR);
	return n;
}

static int
call(struct submit *s)
{
	int fd = s->wire.fd == -1 ? connect_unix(s->path) : -1;

	if (s->wire.fd != -1)
		return 0;
	if (fd == -1)
		return -1;
	limit_answers(fd);
	wire_open(&s->wire, fd, CLIENT, submit_messages, SUBMIT_IDLE);
	return 0;
}

static int
ask_for_files(struct submit *s)
{
	if (call(s) == -1)
		return -1;
	return wire_say(&s->wire, deadline_in(SAY_WAIT_MS), "OPEN", s->service);
}

void
submit_ask(struct submit *s)
{
	s->asked = ask_for_files(s) == 0;
}

int
submit_open(struct submit *s, struct reply *reply)
{
	/* A connection kept from an earlier message may belong to a queued that is gone. */
	bool kept = s->wire.fd != -1;
	struct wire_packet p;

	if (kept && s->wire.state == SUBMIT_FILLING)
		submit_abort(s);
	for (;;) {
		if ((s->asked || ask_for_files(s) == 0) && await_answer(s, NEVER, &p) == 1)
			break;
		if (!kept)
			return lost(s, reply, "The queue does not answer");
		s->asked = false;
		wire_close(&s->wire);
		kept = false;
	}
	s->asked = false;
	if (wire_is(&p, "REFUSED"))
		return refused(s, &p, reply);
	s->msg_fd = wire_fd(&p, 0);
	s->env_fd = wire_fd(&p, 1);
	if (strlcpy(s->id, p.word[0], sizeof s->id) >= sizeof s->id)
		return lost(s, reply, "The queue answers in riddles");
	return 0;
}

/* From the file's start, wherever an earlier envelope in it ended. */
static int
write_at_start(int fd, const char *s, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t some = pwrite(fd, s + done, n - done, (off_t)done);

		if (some == -1 && errno == EINTR)
			continue;
		if (some <= 0) {
			errno = some == 0 ? EIO : errno;
			return -1;
		}
		done += (size_t)some;
	}
	return 0;
}

/* Into the file only when it is too long for a packet. */
static int
write_envelope(struct submit *s, struct envelope *env)
{
	int rv;

	strlcpy(env->id, s->id, sizeof env->id);
	buf_reset(&s->envelope);
	envelope_write(env, &s->envelope);
	if (buf_over(&s->envelope)) {
		errno = EFBIG;
		return -1;
	}
	if (s->envelope.len <= ENVELOPE_IN_PACKET)
		return 0;
	rv = write_at_start(s->env_fd, s->envelope.s, s->envelope.len);
	buf_reset(&s->envelope);
	return rv;
}

static int
cannot_write(struct submit *s, struct reply *reply)
{
	bool full = errno == ENOSPC || errno == EDQUOT;

	submit_abort(s);
	return full ? answer(s, reply, 452, "4.3.1", "No space for the message") :
	              answer(s, reply, 451, "4.3.0", "Cannot write the message");
}

static int
fill(struct submit *s, struct envelope *env, struct reply *reply)
{
	s->octets = env->octets;
	s->rcpts = env->rcpt_count;
	return write_envelope(s, env) == -1 ? cannot_write(s, reply) : 0;
}

int
submit_fill(struct submit *s, struct envelope *env, struct reply *reply)
{
	file_writeout_begin(s->msg_fd);
	return fill(s, env, reply);
}

int
submit_say(struct submit *s, struct reply *reply)
{
	char octets[24], rcpts[24];

	if (file_writeout(s->msg_fd) == -1)
		return cannot_write(s, reply);
	snprintf(octets, sizeof octets, "%llu", (unsigned long long)s->octets);
	snprintf(rcpts, sizeof rcpts, "%zu", s->rcpts);
	if (wire_send(&s->wire, deadline_in(LINKED_WAIT_MS), NULL, buf_span(&s->envelope), "COMMIT",
	        (const char *const[]){ octets, rcpts }, 2) == -1)
		return lost(s, reply, "The queue does not answer");
	return 0;
}

/* 1: COPY, the files are others now. */
static int
answered(struct submit *s, deadline_ms until, struct reply *reply)
{
	struct wire_packet p;

	if (await_answer(s, until, &p) != 1)
		return lost(s, reply, "The queue does not answer");
	if (wire_is(&p, "REFUSED"))
		return refused(s, &p, reply);
	if (wire_is(&p, "COPY")) {
		close_files(s);
		s->msg_fd = wire_fd(&p, 0);
		s->env_fd = wire_fd(&p, 1);
		return 1;
	}
	strlcpy(s->how, p.word[1], sizeof s->how);
	return 0;
}

int
submit_linked(struct submit *s, deadline_ms until, struct reply *reply)
{
	int rv = answered(s, until, reply);

	if (rv == 1) {
		rv = submit_say(s, reply);
		if (rv == 0)
			rv = answered(s, until, reply);
	}
	return rv == 1 ? lost(s, reply, "The queue answers in riddles") : rv;
}

int
submit_commit(struct submit *s, struct envelope *env, struct reply *reply)
{
	if (fill(s, env, reply) == -1 || submit_say(s, reply) == -1)
		return -1;
	return submit_linked(s, NEVER, reply);
}

/* Tells queued; that a connection is gone means SYNCED, so nothing is lost by silence. */
static void
tell(struct submit *s, const char *verb, const char *id)
{
	if (s->wire.fd != -1 && wire_say(&s->wire, deadline_in(SAY_WAIT_MS), verb, id) == -1)
		wire_close(&s->wire);
}

static int
sync_failed(struct submit *s, const char *id, struct reply *reply)
{
	bool full = errno == ENOSPC || errno == EDQUOT;

	tell(s, "FAILED", id);
	if (full)
		return answer(s, reply, 452, "4.3.1", "No space to store the message");
	return answer(s, reply, 451, "4.3.0", "The disk did not take the message");
}

static bool
is_queued(const struct submit *s)
{
	return strcmp(s->how, "queued") == 0;
}

/* What else must be on the disk than the message. */
static int
sync_beside(const struct submit *s)
{
	if (is_queued(s))
		return fsync(s->env_fd);
	return strcmp(s->how, "already") == 0 ? syncfs(s->msg_fd) : 0;
}

int
submit_sync(struct submit *s, struct reply *reply)
{
	int rv = 0;

	if (sync_beside(s) == -1 || fsync(s->msg_fd) == -1)
		rv = sync_failed(s, s->id, reply);
	else if (is_queued(s))
		tell(s, "SYNCED", s->id);
	close_files(s);
	return rv;
}

void
submit_keep(struct submit *s, struct submit_kept *kept)
{
	*kept = (struct submit_kept){ .submit = s, .msg_fd = s->msg_fd, .env_fd = -1,
		.already = strcmp(s->how, "already") == 0 };
	strlcpy(kept->id, s->id, sizeof kept->id);
	s->msg_fd = -1;
	if (is_queued(s)) {
		kept->env_fd = s->env_fd;
		s->env_fd = -1;
	}
	close_files(s);
}

static int
sync_one(const struct submit_kept *k)
{
	if (k->already)
		return syncfs(k->msg_fd);
	return k->env_fd != -1 && fsync(k->env_fd) == -1 ? -1 : fsync(k->msg_fd);
}

/*
 * All lie in the spool's file system, and their data has been written out without an error. Each fsync would have the disk
 * flush its cache once more: above a few, one syncfs is cheaper. It tells of errors since its
 * descriptor was opened; then each is asked.
 */
int
submit_sync_kept(struct submit_kept *v, size_t n, struct reply *reply)
{
	bool all = n >= SYNCFS_FROM && syncfs(v[0].msg_fd) == 0;
	int rv = 0;

	for (size_t i = 0; i < n; i++) {
		v[i].failed = !all && sync_one(&v[i]) == -1;
		if (v[i].failed)
			rv = sync_failed(v[i].submit, v[i].id, reply);
	}
	return rv;
}

void
submit_synced(struct submit_kept *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!v[i].failed && (v[i].env_fd != -1 || v[i].already))
			tell(v[i].submit, "SYNCED", v[i].id);
		file_close(v[i].msg_fd);
		file_close(v[i].env_fd);
	}
}

void
submit_abort(struct submit *s)
{
	close_files(s);
	if (s->wire.fd != -1 && s->wire.state == SUBMIT_FILLING &&
	    wire_send(&s->wire, deadline_in(SAY_WAIT_MS), NULL, (struct span){ "", 0 }, "ABORT",
	        NULL, 0) == -1)
		wire_close(&s->wire);
}

int
submit_retry(struct submit *s, const char *domain, bool below, int64_t *messages, struct reply *reply)
{
	struct wire_packet p;
	uint64_t n;

	/* As in submit_open(): a kept connection may lead to nobody. */
	for (bool kept = s->wire.fd != -1;; kept = false) {
		if (call(s) == 0 && wire_say(&s->wire, deadline_in(SAY_WAIT_MS), "RETRY", domain, below ? "yes" : "no") == 0 &&
		    await_answer(s, NEVER, &p) == 1)
			break;
		if (!kept)
			return lost(s, reply, "The queue does not answer");
		wire_close(&s->wire);
	}
	if (wire_is(&p, "REFUSED"))
		return refused(s, &p, reply);
	*messages = num_parse(span_of(p.word[0]), INT64_MAX, &n) == 0 ? (int64_t)n : -1;
	return 0;
}

int
submit_count(const char *socket_path, uint64_t *waiting, bool *link_down)
{
	struct wire w;
	struct wire_packet p = { 0 };
	int fd = connect_unix(socket_path), rv = -1;

	if (fd == -1)
		return -1;
	wire_open(&w, fd, CLIENT, submit_messages, SUBMIT_IDLE);
	if (wire_send(&w, deadline_in(COUNT_WAIT_MS), NULL, (struct span){ "", 0 }, "COUNT", NULL, 0) == 0 &&
	    wire_recv(&w, deadline_in(COUNT_WAIT_MS), &p) == 1) {
		*link_down = strcmp(p.word[1], "down") == 0;
		rv = num_parse(span_of(p.word[0]), UINT64_MAX, waiting);
	}
	wire_drop(&p);
	wire_close(&w);
	return rv;
}
