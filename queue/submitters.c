/*
 * submitters: the submit socket: two files out, an envelope in, LINKED (lib/wire/submit.h).
 *
 * What comes in is hostile: anybody on the host may connect, and a program of ours may have been taken over. An envelope is
 * parsed strictly and compared with the file it speaks of; nothing of it becomes a path, the
 * ID is ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/sys/file.h"
#include "lib/wire/submit.h"
#include "queue/queued.h"

#define CONNECTIONS_MAX 4000       /* in all */
#define CONNECTIONS_OF_STRANGER 20 /* of one uid that is no service of ours */
#define SYNC_MAX_S 600             /* a submitter that says nothing for so long has forgotten */
#define CLOCKS_APART_S 3600        /* an arrival in the future, or long ago, is a lie */

struct submitter {
	struct wire wire;
	struct queued *q;
	struct event *ev;
	uid_t uid;
	bool ours;
	bool out_of_reach; /* a stranger's: the files were copied, it holds them to read only */
	char service[32];
	char id[LIMIT_ID];
	int msg_fd, env_fd;
	bool env_used;     /* something may have been written into env_fd */
	struct message *deciding;
	TAILQ_HEAD(, message) syncing; /* LINKED was said, SYNCED not yet */
	bool in_handler, over;
	TAILQ_ENTRY(submitter) link;
};

/* --- answers ------------------------------------------------------------- */

static void
hang_up(struct submitter *s)
{
	s->over = true; /* the end comes when nobody further down the stack needs it */
	if (!s->in_handler)
		event_active(s->ev, EV_READ, 0);
}

static void
say(struct submitter *s, const char *verb, const int *fds, const char *const *words, size_t n)
{
	if (wire_send(&s->wire, NEVER, fds, (struct span){ "", 0 }, verb, words, n) == -1)
		hang_up(s);
}

static void
refuse(struct submitter *s, const char *code, const char *enhanced, const char *text)
{
	const char *const words[] = { code, enhanced, text };

	say(s, "REFUSED", NULL, words, COUNT(words));
}

void
submitter_linked(struct submitter *s, const struct message *m, const char *how)
{
	const char *const words[] = { m->env.id, how, s->q->sync_names ? "names" : "file" };

	say(s, "LINKED", NULL, words, COUNT(words));
}

/* --- OPEN ---------------------------------------------------------------- */

/* A file that has no name yet; group phmail may link it (protected_hardlinks asks for reading and writing). */
static int
unnamed(const struct queued *q)
{
	bool linkable;
	int fd = file_unnamed_at(q->spool.tmp_fd, 0660, &linkable);

	if (fd != -1 && !linkable) {
		file_close(fd);
		errno = EOPNOTSUPP;
		return -1;
	}
	return fd;
}

/* The envelope of a message that needed no name is used again, by the same client. */
static int
envelope_file(struct submitter *s)
{
	if (s->env_fd != -1 && s->env_used && ftruncate(s->env_fd, 0) == -1) {
		file_close(s->env_fd);
		s->env_fd = -1;
	}
	if (s->env_fd == -1)
		s->env_fd = unnamed(s->q);
	s->env_used = false;
	return s->env_fd;
}

static void
on_open(struct submitter *s, struct wire_packet *p)
{
	const char *const words[] = { s->id };

	strlcpy(s->service, p->word[0], sizeof s->service);
	if (full_space_low(s->q)) {
		refuse(s, "452", "4.3.1", "No space for more messages, try later");
		return;
	}
	if (envelope_file(s) == -1 || (s->msg_fd = unnamed(s->q)) == -1) {
		log_error(EV_WARNING, LS("text", "cannot make files in the spool"),
		    LS("reason", strerror(errno)));
		refuse(s, "451", "4.3.0", "The queue cannot make files");
		return;
	}
	spool_id(s->id);
	s->out_of_reach = false;
	say(s, "FILES", (const int[]){ s->msg_fd, s->env_fd }, words, 1);
}

static void
on_count(struct submitter *s, struct wire_packet *p)
{
	char number[24];
	const char *const words[] = { number, s->ours && s->q->link_down ? "down" : "up" };

	(void)p;
	snprintf(number, sizeof number, "%zu", s->ours ? s->q->working + s->q->records.heap_count : 0);
	say(s, "WAITING", NULL, words, COUNT(words));
}

/* Who may ask so has been asked by smtpd, which goes by the map access. */
static void
on_retry(struct submitter *s, struct wire_packet *p)
{
	bool may = s->uid == 0 || s->uid == getuid() || s->uid == s->q->uids.smtpd;

	if (!may || strlen(p->word[0]) > LIMIT_DOMAIN)
		refuse(s, "459", "4.7.1", "Not allowed");
	else if (!flush_begin(s->q, s, p->word[0], strcmp(p->word[1], "yes") == 0))
		refuse(s, "458", "4.3.2", "Too much is asked for at once");
}

void
submitter_retrying(struct submitter *s, int64_t messages)
{
	char number[24];
	const char *const words[] = { messages < 0 ? "-" : number };

	snprintf(number, sizeof number, "%lld", (long long)messages);
	say(s, "RETRYING", NULL, words, COUNT(words));
}

static void
on_abort(struct submitter *s, struct wire_packet *p)
{
	(void)p;
	s->env_used = true;
	file_close(s->msg_fd);
	s->msg_fd = -1;
}

/* --- COMMIT -------------------------------------------------------------- */

static bool
is_number(const char *word, uint64_t n)
{
	uint64_t value;

	return num_parse(span_of(word), UINT64_MAX, &value) == 0 && value == n;
}

/* Only a program of ours knows what is the same copy. */
static bool
may_have_key(const struct submitter *s)
{
	return s->uid == 0 || s->uid == getuid() || s->uid == s->q->uids.collect;
}

static const char *
fault_of_rcpts(const struct envelope *e)
{
	for (size_t i = 0; i < e->rcpt_count; i++)
		if (e->rcpts[i].status != RCPT_TODO || e->rcpts[i].attempts != 0 ||
		    e->rcpts[i].last[0] != '\0')
			return "a recipient is not as new";
	return envelope_fault(e);
}

/* Does the envelope tell the truth, as far as we can know? NULL: it does. */
static const char *
fault_of(const struct submitter *s, const struct message *m, const struct wire_packet *p)
{
	const struct envelope *e = &m->env;
	struct stat st;
	int64_t age;

	if (strcmp(e->id, s->id) != 0)
		return "it names another message";
	if (fstat(m->msg_fd, &st) == -1 || (uint64_t)st.st_size != e->octets ||
	    !is_number(p->word[0], e->octets))
		return "octets are not as counted";
	if (e->head_octets > e->octets || e->wire_octets < e->octets ||
	    e->wire_octets / 2 > e->octets)
		return "sizes contradict each other";
	if (!is_number(p->word[1], e->rcpt_count))
		return "recipients are not as counted";
	age = now_s() - e->arrived_s;
	if (age < -CLOCKS_APART_S || age > 24 * CLOCKS_APART_S)
		return "it arrived at another time";
	if (e->key[0] != '\0' && !may_have_key(s))
		return "a delivery key is not for this submitter";
	return fault_of_rcpts(e);
}

/* Exactly n octets: whoever has the file may be writing to it at this moment. */
static int
copy_octets(int from, int to, uint64_t n)
{
	off_t at = 0;

	while ((uint64_t)at < n) {
		ssize_t got = copy_file_range(from, &at, to, NULL, n - (uint64_t)at, 0);

		if (got == 0)
			errno = EIO; /* it was made shorter */
		if (got <= 0)
			return -1;
	}
	return 0;
}

/* A file that *fd's other holders cannot write: a copy, which becomes *fd. A descriptor to read it. */
static int
take_away(struct queued *q, int *fd, uint64_t octets_max)
{
	int copy = unnamed(q), reader = -1;
	char *name = mem_fmt("/proc/self/fd/%d", copy);
	struct stat st;

	if (copy == -1 || fstat(*fd, &st) == -1)
		goto out;
	errno = EFBIG;
	if ((uint64_t)st.st_size > octets_max ||
	    copy_octets(*fd, copy, (uint64_t)st.st_size) == -1)
		goto out;
	reader = open(name, O_RDONLY | O_CLOEXEC);
out:
	free(name);
	if (reader == -1) {
		file_close(copy);
		return -1;
	}
	file_close(*fd);
	*fd = copy;
	return reader;
}

static uint64_t
octets_max(const struct queued *q)
{
	return q->conf.message_size_limit == 0 ? INT64_MAX : q->conf.message_size_limit;
}

/* A stranger's first COMMIT: see lib/wire/submit.h. */
static void
put_out_of_reach(struct submitter *s)
{
	int fds[2] = { -1, -1 };

	fds[0] = take_away(s->q, &s->msg_fd, octets_max(s->q));
	if (fds[0] != -1)
		fds[1] = take_away(s->q, &s->env_fd, LIMIT_ENVELOPE);
	if (fds[1] != -1) {
		s->out_of_reach = true;
		say(s, "COPY", fds, NULL, 0);
	} else if (errno == EFBIG) {
		refuse(s, "552", "5.3.4", "The message is too big");
	} else if (errno == ENOSPC || errno == EDQUOT) {
		refuse(s, "452", "4.3.1", "No space for the message");
	} else {
		log_error(EV_WARNING, LS("text", "cannot copy a message"), LS("reason", strerror(errno)));
		refuse(s, "451", "4.3.0", "The queue cannot copy the message");
	}
	file_close(fds[0]);
	file_close(fds[1]);
}

/* Mailboxes only, and nobody is to be told afterwards. */
static bool
may_go_direct(const struct envelope *e)
{
	for (size_t i = 0; i < e->rcpt_count; i++)
		if (e->rcpts[i].action != RCPT_LOCAL || (e->rcpts[i].notify & NOTIFY_SUCCESS) != 0)
			return false;
	return true;
}

static void
log_accepted(const struct submitter *s, const struct message *m, const char *how)
{
	char from[64];

	/* smtpd's own event says the same of what is delivered already. */
	if (s->ours && strcmp(s->service, "smtpd") == 0 && strcmp(how, "delivered") == 0)
		return;
	if (s->ours)
		strlcpy(from, s->service, sizeof from);
	else
		snprintf(from, sizeof from, "uid %u", (unsigned)s->uid);
	log_event(EV_QUEUE_ACCEPTED, LS("id", m->env.id), LS("from", from), LS("sender", m->env.sender),
	    LN("rcpts", m->env.rcpt_count), LN("octets", m->env.octets), LS("how", how));
}

static void
direct_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct message *m = arg;

	(void)fd, (void)what;
	if (m->phase == DIRECT && m->from != NULL)
		message_queue(m->from->q, m);
}

static void
begin_direct(struct queued *q, struct message *m)
{
	struct timeval tv = { (time_t)(q->conf.direct_timeout_ms / 1000),
		(suseconds_t)(q->conf.direct_timeout_ms % 1000 * 1000) };

	m->phase = DIRECT;
	m->waits = true;
	TAILQ_INSERT_TAIL(&q->direct, m, wait);
	evtimer_assign(&m->timer, q->base, direct_timeout, m);
	evtimer_add(&m->timer, &tv);
	agents_dispatch(q);
}

/* The one that came again speaks for the one that was linked: SYNCED and FAILED name the new ID. */
static void
adopt(struct submitter *s, const struct message *again)
{
	struct message *m;

	TAILQ_FOREACH(m, &s->q->orphans, wait)
		if (strcmp(m->env.key, again->env.key) == 0) {
			TAILQ_REMOVE(&s->q->orphans, m, wait);
			strlcpy(m->synced_as, again->env.id, sizeof m->synced_as);
			m->from = s;
			TAILQ_INSERT_TAIL(&s->syncing, m, wait);
			return;
		}
}

/*
 * Have we had this copy before? A submitter was cut off before it heard so. True: it has its answer. What it
 * must make safe now is the earlier copy (lib/wire/submit.h).
 */
static bool
is_known(struct submitter *s, const struct message *m)
{
	struct key *k = m->env.key[0] != '\0' ? keys_find(&s->q->keys, m->env.key) : NULL;

	if (k == NULL)
		return false;
	if (!k->taken) {
		refuse(s, "451", "4.3.0", "This very copy is being delivered at this moment");
		return true;
	}
	strlcpy(k->id, m->env.id, sizeof k->id); /* FAILED names it */
	adopt(s, m);
	submitter_linked(s, m, "already");
	log_accepted(s, m, "already");
	return true;
}

/* Most come with the packet. */
static int
read_envelope(struct submitter *s, struct message *m, const struct wire_packet *p, struct buf *why)
{
	if (p->body.len > 0)
		return envelope_parse(p->body, m->arena, &m->env, &m->env_text, why);
	s->env_used = true;
	return envelope_read(s->env_fd, m->arena, &m->env, why);
}

static void
on_commit(struct submitter *s, struct wire_packet *p)
{
	struct queued *q = s->q;
	struct buf why = BUF_INIT(512);
	struct message *m;
	const char *fault;

	if (!s->ours && !s->out_of_reach) {
		put_out_of_reach(s);
		return;
	}
	m = message_new(q);
	m->msg_fd = s->msg_fd;
	s->msg_fd = -1;
	fault = read_envelope(s, m, p, &why) == -1 ? buf_str(&why) : fault_of(s, m, p);
	if (fault == NULL && !s->ours && m->env.octets > octets_max(q)) {
		refuse(s, "552", "5.3.4", "The message is too big");
		message_free(q, m);
	} else if (fault != NULL) {
		log_error(EV_QUEUE_BAD, LS("id", s->id), LS("reason", fault), LS("from", s->service),
		    LN("uid", s->uid));
		refuse(s, "554", "5.6.0", "The queue does not understand the envelope");
		message_free(q, m);
	} else if (is_known(s, m)) {
		message_free(q, m);
	} else {
		if (m->env.key[0] != '\0')
			keys_add(&q->keys, m->env.key, m->env.id, false);
		m->env_fd = s->env_fd;
		s->env_fd = -1;
		m->rcpt = arena_alloc(m->arena, m->env.rcpt_count * sizeof *m->rcpt);
		m->from = s;
		s->deciding = m;
		if (m->env.held[0] == '\0' && may_go_direct(&m->env) && agents_count(q, KIND_LOCAL, false) > 0)
			begin_direct(q, m);
		else
			message_queue(q, m);
	}
	buf_free(&why);
}

/* Every mailbox has it: the envelope never needed a name. */
static void
delivered(struct queued *q, struct message *m)
{
	struct submitter *s = m->from;

	keys_taken(&q->keys, m->env.key);
	if (s != NULL) {
		submitter_linked(s, m, "delivered");
		log_accepted(s, m, "delivered");
		s->deciding = NULL;
		s->env_fd = m->env_fd;
		m->env_fd = -1;
	}
	message_free(q, m);
}

static void
queue_failed(struct queued *q, struct message *m, int error)
{
	struct submitter *s = m->from;
	bool full = error == ENOSPC || error == EDQUOT;

	log_error(EV_WARNING, LS("text", "cannot name a message in the spool"), LS("id", m->env.id),
	    LS("reason", strerror(error)));
	if (s != NULL) {
		s->deciding = NULL;
		if (full)
			refuse(s, "452", "4.3.1", "No space for the message");
		else
			refuse(s, "451", "4.3.0", "The queue cannot name the message");
	}
	if (m->jobs > 0)
		m->from = NULL; /* an agent still has it; its report ends it */
	else
		message_free(q, m);
}

/*
 * Its submitter was cut off before it could say SYNCED. It will come again with the same key; until it has, and has
 * written that down, nothing goes out: a power cut would leave no trace of it, neither here nor there.
 */
static void
orphan(struct queued *q, struct message *m)
{
	m->from = NULL;
	TAILQ_INSERT_TAIL(&q->orphans, m, wait);
}

/* Nobody was told that we have it. But a copy with a key may be in mailboxes by now, and its submitter, when it comes
 * again, will hear that we have it: then it is to be true. */
static void
gone(struct queued *q, struct message *m)
{
	if (m->env.key[0] == '\0')
		message_drop(q, m, "its submitter has gone");
	else
		orphan(q, m);
}

/* It has its names; on the disk, too, where names need help with that. */
static void
names_made(struct queued *q, void *arg, int error)
{
	struct message *m = arg;
	struct submitter *s = m->from;

	m->naming = false;
	if (s != NULL)
		s->deciding = NULL;
	if (error != 0) {
		if (s != NULL)
			refuse(s, "451", "4.3.0", "The disk did not take the message's name");
		keys_forget(&q->keys, m->env.id);
		message_drop(q, m, "its name could not be synced");
		return;
	}
	keys_taken(&q->keys, m->env.key);
	if (s == NULL) {
		gone(q, m);
		return;
	}
	submitter_linked(s, m, "queued");
	log_accepted(s, m, "queued");
	TAILQ_INSERT_TAIL(&s->syncing, m, wait);
}

static int
write_envelope(struct message *m)
{
	ssize_t n = (ssize_t)m->env_text.len;

	if (n == 0)
		return 0;
	if (ftruncate(m->env_fd, 0) == -1)
		return -1;
	errno = ENOSPC; /* of a short write */
	return pwrite(m->env_fd, m->env_text.s, m->env_text.len, 0) == n ? 0 : -1;
}

/* A filter wants people to look at it first. */
static void
hold_from_the_beginning(struct queued *q, struct message *m)
{
	m->record->flags |= HELD;
	q->records.held++;
	if (q->sync_names)
		(void)!fsync(q->spool.hold_fd); /* what syncs names does not look there */
	log_event(EV_QUEUE_HELD, LS("id", m->env.id), LS("by", m->env.held));
}

void
message_queue(struct queued *q, struct message *m)
{
	if (m->waits)
		TAILQ_REMOVE(&q->direct, m, wait);
	m->waits = false;
	if (event_initialized(&m->timer))
		event_del(&m->timer);
	if (write_envelope(m) == -1) {
		queue_failed(q, m, errno);
		return;
	}
	for (size_t i = 0; i < m->env.rcpt_count; i++)
		if (m->rcpt[i].state == WAS_SENT)
			message_end_rcpt(m->env_fd, m, i, RCPT_DONE);
	m->hold_it = m->env.held[0] != '\0';
	if (files_link(&q->spool, m->msg_fd, m->env_fd, m->env.id, m->hold_it) == -1) {
		queue_failed(q, m, errno);
		return;
	}
	file_close(m->msg_fd);
	file_close(m->env_fd);
	m->msg_fd = m->env_fd = -1;
	m->phase = LINKED;
	m->record = records_add(&q->records, m->env.id);
	m->record->flags = IN_NEW;
	m->record->domain = flush_domain(&m->env);
	full_show(q); /* before its submitter hears of it: who is the last one knows so */
	if (m->hold_it)
		hold_from_the_beginning(q, m);
	m->record->work = m;
	m->naming = q->sync_names;
	if (m->naming)
		syncer_ask(q->syncer, names_made, m);
	else
		names_made(q, m, 0);
}

void
message_direct(struct queued *q, struct message *m)
{
	if (rcpts_in(m, WAS_SENT) == m->env.rcpt_count)
		delivered(q, m);
	else if (m->jobs > 0)
		return;
	else if (m->from == NULL && m->env.key[0] == '\0')
		message_free(q, m); /* nobody was told that we have it, and nobody waits to be */
	else if (m->from == NULL || rcpts_in(m, WAITING) == 0)
		message_queue(q, m);
}

/* --- SYNCED, FAILED, gone ------------------------------------------------ */

static struct message *
syncing(struct submitter *s, const char *id)
{
	struct message *m;

	TAILQ_FOREACH(m, &s->syncing, wait)
		if (strcmp(m->synced_as[0] != '\0' ? m->synced_as : m->env.id, id) == 0)
			break;
	return m;
}

static void
let_go(struct submitter *s, struct message *m)
{
	TAILQ_REMOVE(&s->syncing, m, wait);
	m->from = NULL;
	message_start(s->q, m);
}

static void
on_synced(struct submitter *s, struct wire_packet *p)
{
	struct message *m = syncing(s, p->word[0]);

	if (m == NULL)
		return; /* of an earlier connection, which ended: that counted as SYNCED */
	let_go(s, m);
	agents_dispatch(s->q);
}

static void
on_failed(struct submitter *s, struct wire_packet *p)
{
	struct message *m = syncing(s, p->word[0]);

	keys_forget(&s->q->keys, p->word[0]);
	if (m == NULL) {
		log_error(EV_WARNING, LS("text", "a delivered message may not be on the disk"),
		    LS("id", p->word[0]));
		return;
	}
	TAILQ_REMOVE(&s->syncing, m, wait);
	m->from = NULL;
	message_drop(s->q, m, "its submitter could not sync it");
}

/* A submitter that stays but never says SYNCED: as if it had gone. */
void
submitters_sweep(struct queued *q, int64_t now)
{
	struct submitter *s;
	struct message *m, *next;

	TAILQ_FOREACH(s, &q->submitters, link)
		for (m = TAILQ_FIRST(&s->syncing); m != NULL; m = next) {
			next = TAILQ_NEXT(m, wait);
			if (now - m->env.arrived_s > SYNC_MAX_S)
				let_go(s, m);
		}
	for (m = TAILQ_FIRST(&q->orphans); m != NULL; m = next) {
		next = TAILQ_NEXT(m, wait);
		if (now - m->env.arrived_s > SYNC_MAX_S) {
			TAILQ_REMOVE(&q->orphans, m, wait);
			message_start(q, m);
		}
	}
	agents_dispatch(q);
}

static void
forget(struct submitter *s)
{
	struct queued *q = s->q;
	struct message *m;

	TAILQ_REMOVE(&q->submitters, s, link);
	q->submitter_count--;
	flush_forget(q, s);
	if ((m = s->deciding) != NULL) {
		m->from = NULL;
		if (m->phase == DIRECT) {
			if (m->waits)
				TAILQ_REMOVE(&q->direct, m, wait);
			m->waits = false;
			if (m->jobs == 0)
				message_free(q, m);
		} /* else: names_made() will see */
	}
	while ((m = TAILQ_FIRST(&s->syncing)) != NULL)
		if (m->env.key[0] == '\0') {
			let_go(s, m); /* it may have answered its client */
		} else {
			TAILQ_REMOVE(&s->syncing, m, wait);
			orphan(q, m);
		}
	event_free(s->ev);
	wire_close(&s->wire);
	file_close(s->msg_fd);
	file_close(s->env_fd);
	free(s);
	agents_dispatch(q);
}

/* --- connections --------------------------------------------------------- */

static const struct {
	const char *verb;
	void (*fn)(struct submitter *, struct wire_packet *);
} handlers[] = {
	{ "OPEN", on_open },
	{ "COMMIT", on_commit },
	{ "ABORT", on_abort },
	{ "COUNT", on_count },
	{ "RETRY", on_retry },
	{ "SYNCED", on_synced },
	{ "FAILED", on_failed },
};

static void
on_packet(evutil_socket_t fd, short what, void *arg)
{
	struct submitter *s = arg;
	struct wire_packet p;
	int rv;

	(void)fd, (void)what;
	s->in_handler = true;
	rv = s->over ? 0 : queued_recv(s->q, &s->wire, &p);
	if (rv == -1 && errno == EAGAIN)
		rv = 1;
	else if (rv == 1)
		for (size_t i = 0; i < COUNT(handlers); i++)
			if (wire_is(&p, handlers[i].verb))
				handlers[i].fn(s, &p);
	s->in_handler = false;
	if (rv != 1 || s->over)
		forget(s);
}

static bool
may_connect(const struct queued *q, uid_t uid, bool ours)
{
	const struct submitter *s;
	size_t same = 0;

	if (q->submitter_count >= CONNECTIONS_MAX)
		return false;
	if (ours)
		return true;
	TAILQ_FOREACH(s, &q->submitters, link)
		same += s->uid == uid;
	return same < CONNECTIONS_OF_STRANGER;
}

static bool
is_ours(const struct queued *q, uid_t uid)
{
	return uid == 0 || uid == getuid() || uid == q->uids.smtpd || uid == q->uids.collect ||
	    uid == q->uids.queue || uid == q->uids.mail;
}

static void
on_connect(evutil_socket_t listen_fd, short what, void *arg)
{
	struct queued *q = arg;
	struct submitter *s;
	uid_t uid;
	int fd = queued_accept(listen_fd, &uid);
	bool ours = fd != -1 && is_ours(q, uid);

	(void)what;
	if (fd == -1)
		return;
	if (!may_connect(q, uid, ours)) {
		file_close(fd);
		return;
	}
	s = mem_alloc(1, sizeof *s);
	s->q = q;
	s->uid = uid;
	s->ours = ours;
	s->msg_fd = s->env_fd = -1;
	TAILQ_INIT(&s->syncing);
	wire_open(&s->wire, fd, SERVER, submit_messages, SUBMIT_IDLE);
	s->ev = queued_watch(q, fd, on_packet, s);
	TAILQ_INSERT_TAIL(&q->submitters, s, link);
	q->submitter_count++;
}

void
submitters_listen(struct queued *q, int fd)
{
	queued_watch(q, fd, on_connect, q);
}
