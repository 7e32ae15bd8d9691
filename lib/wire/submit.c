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
#define LINKED_WAIT_MS 60000

// clang-format off
const struct wire_msg submit_messages[] = {
	/* who    verb       fds  said in          leads to         words */
	{ CLIENT, "OPEN",    0,   SUBMIT_IDLE,     SUBMIT_OPENING,  "service" },
	{ SERVER, "FILES",   2,   SUBMIT_OPENING,  SUBMIT_FILLING,  "id" },
	{ CLIENT, "COMMIT",  0,   SUBMIT_FILLING,  SUBMIT_DECIDING, "octets rcpts" },
	{ CLIENT, "ABORT",   0,   SUBMIT_FILLING,  SUBMIT_IDLE,     "" },
	{ SERVER, "COPY",    2,   SUBMIT_DECIDING, SUBMIT_FILLING,  "" },
	{ SERVER, "LINKED",  0,   SUBMIT_DECIDING, SUBMIT_IDLE,     "id how sync" },
	{ SERVER, "REFUSED", 0,   SUBMIT_OPENING | SUBMIT_DECIDING, SUBMIT_IDLE, "code enhanced text" },
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
	close_files(s);
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
await_answer(struct submit *s, struct wire_packet *p)
{
	int n;

	do
		n = wire_recv(&s->wire, NEVER, p);
	while (n == -1 && errno == EINTR);
	return n;
}

static int
ask_for_files(struct submit *s)
{
	if (s->wire.fd == -1) {
		int fd = connect_unix(s->path);

		if (fd == -1)
			return -1;
		limit_answers(fd);
		wire_open(&s->wire, fd, CLIENT, submit_messages, SUBMIT_IDLE);
	}
	return wire_say(&s->wire, deadline_in(SAY_WAIT_MS), "OPEN", s->service);
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
		if (ask_for_files(s) == 0 &&
		    await_answer(s, &p) == 1)
			break;
		if (!kept)
			return lost(s, reply, "The queue does not answer");
		wire_close(&s->wire);
		kept = false;
	}
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

static int
write_envelope(struct submit *s, struct envelope *env)
{
	struct buf text = BUF_INIT(LIMIT_ENVELOPE);
	int rv = -1;

	strlcpy(env->id, s->id, sizeof env->id);
	envelope_write(env, &text);
	if (buf_over(&text))
		errno = EFBIG;
	else
		rv = write_at_start(s->env_fd, text.s, text.len);
	buf_free(&text);
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
ask_to_commit(struct submit *s, const struct envelope *env, struct reply *reply, struct wire_packet *p)
{
	char octets[24], rcpts[24];

	if (file_writeout(s->msg_fd) == -1)
		return cannot_write(s, reply);
	snprintf(octets, sizeof octets, "%llu", (unsigned long long)env->octets);
	snprintf(rcpts, sizeof rcpts, "%zu", env->rcpt_count);
	if (wire_say(&s->wire, deadline_in(LINKED_WAIT_MS), "COMMIT", octets, rcpts) == -1 ||
	    await_answer(s, p) != 1)
		return lost(s, reply, "The queue does not answer");
	return wire_is(p, "REFUSED") ? refused(s, p, reply) : 0;
}

int
submit_commit(struct submit *s, struct envelope *env, struct reply *reply)
{
	struct wire_packet p;

	if (write_envelope(s, env) == -1)
		return cannot_write(s, reply);
	if (ask_to_commit(s, env, reply, &p) == -1)
		return -1;
	if (wire_is(&p, "COPY")) {
		close_files(s);
		s->msg_fd = wire_fd(&p, 0);
		s->env_fd = wire_fd(&p, 1);
		if (ask_to_commit(s, env, reply, &p) == -1)
			return -1;
		if (wire_is(&p, "COPY")) {
			wire_drop(&p);
			return lost(s, reply, "The queue answers in riddles");
		}
	}
	strlcpy(s->how, p.word[1], sizeof s->how);
	return 0;
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

int
submit_detach(struct submit *s, char id[LIMIT_ID], struct reply *reply)
{
	int fd = s->msg_fd;

	strlcpy(id, s->id, LIMIT_ID);
	if (sync_beside(s) == -1)
		fd = sync_failed(s, id, reply);
	else
		s->msg_fd = -1;
	close_files(s);
	return fd;
}

int
submit_sync_fd(struct submit *s, const char *id, int fd, struct reply *reply)
{
	int rv = fsync(fd);

	file_close(fd);
	if (rv == -1)
		return sync_failed(s, id, reply);
	tell(s, "SYNCED", id);
	return 0;
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
