/*
 * agents: the agents socket: those who deliver announce themselves, take jobs, report
 * (lib/wire/agents.h).
 *
 * A worker that is idle is a free slot. An agent knows nothing of the queue; what it says about a recipient that it was not
 * given is not believed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/sys/file.h"
#include "lib/wire/agents.h"
#include "queue/queued.h"

#define AGENTS_MAX 2000
#define JOB_RCPTS 100      /* RFC 5321, 4.5.3.1.8: what every server takes */
#define JOB_ROOM 2048      /* for the words of a JOB that are short */
#define STAY_MAX 20        /* jobs in a row to one site while others wait */
#define JOB_MAX_S 7200     /* longer than any dialogue may take */
#define REPLY_MAX 900

struct agent {
	struct wire wire;
	struct queued *q;
	struct event *ev;
	uid_t uid;
	bool known, idle;
	enum kind kind;
	struct message *message; /* the job's */
	struct site *site;       /* NULL: direct */
	size_t *rcpt, count;
	int64_t since_s;
	unsigned stay;
	char *connected;
	TAILQ_ENTRY(agent) link, rest;
};

const char *const kind_names[KIND_COUNT] = { "local", "remote", "bounce" };

size_t
agents_count(const struct queued *q, enum kind kind, bool idle)
{
	const struct agent *a;
	size_t n = 0;

	if (!idle)
		return q->agent_count[kind];
	TAILQ_FOREACH(a, &q->idle[kind], rest)
		n++;
	return n;
}

static void
set_idle(struct agent *a, bool idle)
{
	if (idle == a->idle)
		return;
	a->idle = idle;
	if (idle)
		TAILQ_INSERT_TAIL(&a->q->idle[a->kind], a, rest);
	else
		TAILQ_REMOVE(&a->q->idle[a->kind], a, rest);
}

/* --- jobs ---------------------------------------------------------------- */

/* A recipient's line, when the packet has room for it. */
static bool
add_rcpt(struct buf *body, const struct message *m, size_t i, enum kind kind)
{
	const struct env_rcpt *r = &m->env.rcpts[i];
	size_t whole = body->len;

	buf_addf(body, "%zu ", i);
	if (kind == KIND_BOUNCE) {
		buf_addf(body, "%s\n", agents_news[m->rcpt[i].news]);
	} else {
		word_encode(body, r->address, strlen(r->address), NULL);
		buf_addc(body, ' ');
		word_encode(body, r->orcpt, strlen(r->orcpt), NULL);
		buf_addc(body, ' ');
		notify_add(body, r->notify);
		buf_addc(body, '\n');
	}
	if (!buf_over(body))
		return true;
	body->len = whole;
	body->over = false;
	return false;
}

/* May an earlier attempt, or an earlier life, have put this copy into a mailbox already? */
static bool
may_be_there(const struct message *m)
{
	return m->env.key[0] != '\0' && (m->env.again || m->died || m->phase == TRYING);
}

static const char *
flags_of(const struct message *m, char out[LIMIT_KEY + 32])
{
	const struct envelope *e = &m->env;

	snprintf(out, LIMIT_KEY + 32, "%s%s%s%s%s%s", e->body_8bit ? ",8bit" : "", e->smtputf8 ? ",utf8" : "",
	    e->requiretls ? ",tls" : "", e->key[0] != '\0' ? ",key=" : "", e->key, may_be_there(m) ? ",again" : "");
	return out[0] == ',' ? out + 1 : "-";
}

struct decimal {
	char s[24];
};

static const char *
decimal(struct decimal *d, uint64_t n)
{
	char *p = d->s + sizeof d->s;

	*--p = '\0';
	do
		*--p = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	return p;
}

static int
send_job(struct agent *a, const struct message *m, const char *nexthop, struct span body, const int *fds)
{
	const struct envelope *e = &m->env;
	struct decimal arrived, octets, wire, head;
	char flags[LIMIT_KEY + 32];
	const char *const words[] = { e->id, e->sender, decimal(&arrived, (uint64_t)e->arrived_s),
		decimal(&octets, e->octets), decimal(&wire, e->wire_octets), decimal(&head, e->head_octets),
		flags_of(m, flags), nexthop, e->ret, e->envid };

	if (a->kind == KIND_BOUNCE)
		return wire_send(&a->wire, NEVER, fds, body, "BOUNCE",
		    (const char *const[]){ e->id, "failure" }, 2);
	return wire_send(&a->wire, NEVER, fds, body, "JOB", words, COUNT(words));
}

static void agent_end(struct agent *);

/* The files of the job. -1: there is none to be had; the message has been set aside. */
static int
open_files(struct queued *q, const struct agent *a, struct message *m, int fds[2])
{
	fds[0] = m->msg_fd != -1 ? m->msg_fd : files_open_message(&q->spool, m->env.id);
	fds[1] = -1;
	if (fds[0] != -1 && a->kind == KIND_BOUNCE)
		fds[1] = files_open_envelope(&q->spool, m->record, O_RDONLY);
	return fds[0] == -1 || (a->kind == KIND_BOUNCE && fds[1] == -1) ? -1 : 0;
}

static void
close_files(const struct message *m, int fds[2])
{
	if (fds[0] != m->msg_fd)
		file_close(fds[0]);
	file_close(fds[1]);
}

/* Hand these recipients of the message to the agent: as many as fit. 0: the agent is gone. */
static size_t
give(struct agent *a, struct message *m, struct site *site, const size_t *rcpt, size_t n, const int *fds)
{
	const char *nexthop = site == NULL ? "local" : site->text;
	size_t words = 3 * (strlen(m->env.sender) + strlen(nexthop) + strlen(m->env.ret) +
	                       strlen(m->env.envid)) + JOB_ROOM, count = 0;
	struct buf body = BUF_INIT(words < LIMIT_PACKET ? LIMIT_PACKET - words : 1);

	if (n > JOB_RCPTS && a->kind != KIND_LOCAL)
		n = JOB_RCPTS;
	while (count < n && add_rcpt(&body, m, rcpt[count], a->kind))
		count++;
	if (count == 0 || send_job(a, m, nexthop, buf_span(&body), fds) == -1)
		count = 0;
	buf_free(&body);
	if (count == 0)
		return 0;
	a->message = m;
	a->site = site;
	a->rcpt = mem_grow(a->rcpt, count, sizeof *a->rcpt);
	memcpy(a->rcpt, rcpt, count * sizeof *rcpt);
	a->count = count;
	a->since_s = clock_mono_ms() / 1000;
	for (size_t i = 0; i < count; i++)
		m->rcpt[rcpt[i]].state = GIVEN;
	m->jobs++;
	set_idle(a, false);
	return count;
}

static void
give_direct(struct queued *q, struct agent *a, struct message *m)
{
	size_t n = 0, *rcpt = arena_alloc(m->arena, m->env.rcpt_count * sizeof *rcpt), given;
	const int fds[] = { m->msg_fd };

	for (size_t i = 0; i < m->env.rcpt_count; i++)
		if (m->rcpt[i].state == WAITING)
			rcpt[n++] = i;
	given = give(a, m, NULL, rcpt, n, fds);
	if (given == 0)
		agent_end(a);
	if (given == n) {
		TAILQ_REMOVE(&q->direct, m, wait);
		m->waits = false;
	}
}

/* The message's file is gone, or the disk is ill. */
static void
cannot_open(struct queued *q, struct message *m, struct part *p)
{
	struct record *r = m->record;
	bool gone = errno == ENOENT;

	log_error(EV_QUEUE_BAD, LS("id", m->env.id), LS("reason", strerror(errno)));
	for (size_t i = p->given; i < p->count; i++)
		message_settle(m, p->rcpt[i], WAS_DEFERRED, "451 4.3.0 Cannot open the message");
	site_take_back(&q->sites, p);
	if (!gone || m->jobs > 0) {
		message_check(q, m);
		return;
	}
	files_bad(&q->spool, r);
	message_free(q, m);
	records_remove(&q->records, r);
}

static void
give_part(struct queued *q, struct agent *a, struct site *site)
{
	struct part *p = TAILQ_FIRST(&site->parts);
	struct message *m = p->message;
	size_t given;
	int fds[2];

	if (open_files(q, a, m, fds) == -1) {
		int error = errno;

		close_files(m, fds);
		errno = error;
		cannot_open(q, m, p);
		return;
	}
	given = give(a, m, site, p->rcpt + p->given, p->count - p->given, fds);
	close_files(m, fds);
	if (given == 0) {
		agent_end(a);
		return;
	}
	p->given += given;
	site_given(&q->sites, site, p);
}

/* Best the one that is there already, then one that is nowhere, then who has been idle longest. */
static struct agent *
choose(const struct queued *q, const struct site *site)
{
	struct agent *a, *free_one = NULL;

	TAILQ_FOREACH(a, &q->idle[site->kind], rest) {
		if (a->connected == NULL)
			free_one = free_one == NULL ? a : free_one;
		else if (strcmp(a->connected, site->text) == 0)
			return a;
	}
	return free_one != NULL ? free_one : TAILQ_FIRST(&q->idle[site->kind]);
}

void
agents_dispatch(struct queued *q)
{
	struct message *m;
	struct agent *a;
	struct site *site;

	while ((m = TAILQ_FIRST(&q->direct)) != NULL && (a = TAILQ_FIRST(&q->idle[KIND_LOCAL])) != NULL)
		give_direct(q, a, m); // NOLINT(clang-analyzer-unix.Malloc): an agent that ends leaves q->idle first
	for (enum kind kind = 0; kind < KIND_COUNT; kind++)
		while (!TAILQ_EMPTY(&q->idle[kind]) && (site = sites_next(&q->sites, kind)) != NULL)
			give_part(q, choose(q, site), site);
}

/* --- reports ------------------------------------------------------------- */

struct line {
	size_t rcpt;
	enum outcome outcome;
	bool relayed;  /* to a server that reports no success */
	char reply[REPLY_MAX + 128];
};

/* What others say is put on one line of printable text; UTF-8 stays. */
static void
tame(char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = ' ';
}

static bool
decode(struct span word, char *out, size_t size)
{
	return word.s != NULL && word.len < size && word_decode(out, word.s, word.len) != -1;
}

/* Is the sender to hear that this recipient has it (RFC 3461, 5.2.2)? Of a mailbox we tell ourselves, and of a
 * server that does not. */
static bool
owes_report(const struct agent *a, const struct line *line)
{
	const struct envelope *e = &a->message->env;

	return (a->kind == KIND_LOCAL || line->relayed) && e->sender[0] != '\0' &&
	    (e->rcpts[line->rcpt].notify & NOTIFY_SUCCESS) != 0;
}

/* "N outcome code enhanced text" */
static bool
parse_line(struct span text, const char *host, struct line *line)
{
	static const struct {
		const char *name;
		enum outcome outcome;
		const char *code;
	} outcomes[] = { { "sent", SENT, "250 2.0.0" }, { "relayed", SENT, "250 2.0.0" }, { "retry", RETRY, "451 4.3.0" },
		{ "failed", FAILED, "554 5.3.0" } };
	struct span n = span_cut(&text, ' '), outcome = span_cut(&text, ' '),
	            code = span_cut(&text, ' '), enhanced = span_cut(&text, ' ');
	char said[3 * LIMIT_SMTP_REPLY], status[16];
	uint64_t number, value;
	size_t i;

	for (i = 0; i < COUNT(outcomes); i++)
		if (outcome.s != NULL && span_is(outcome, outcomes[i].name))
			break;
	if (i == COUNT(outcomes) || num_parse(n, SIZE_MAX, &number) == -1 || code.s == NULL ||
	    num_parse(code, 599, &value) == -1 || !decode(enhanced, status, sizeof status))
		return false;
	if (text.s == NULL || text.len >= sizeof said || word_decode(said, text.s, text.len) == -1)
		strlcpy(said, "", sizeof said);
	tame(said);
	tame(status);
	line->rcpt = (size_t)number;
	line->outcome = outcomes[i].outcome;
	line->relayed = span_is(outcome, "relayed");
	if (value < 200 && status[0] == '\0')
		strlcpy(line->reply, outcomes[i].code, sizeof line->reply);
	else if (value < 200) /* the agent's own words, by kind */
		snprintf(line->reply, sizeof line->reply, "%.3s %s", outcomes[i].code, status);
	else
		snprintf(line->reply, sizeof line->reply, "%u%s%s", (unsigned)value,
		    status[0] == '\0' ? "" : " ", status);
	if (value >= 200 && strcmp(host, "-") != 0) {
		strlcat(line->reply, " host ", sizeof line->reply);
		strlcat(line->reply, host, sizeof line->reply);
		strlcat(line->reply, " said:", sizeof line->reply);
	}
	strlcat(line->reply, " ", sizeof line->reply);
	strlcat(line->reply, said, sizeof line->reply);
	return true;
}

static bool
has_rcpt(const struct agent *a, size_t rcpt)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->rcpt[i] == rcpt)
			return a->message->rcpt[rcpt].state == GIVEN;
	return false;
}

static void
apply(struct agent *a, const char *host, const struct line *line)
{
	static const enum rcpt_state states[] = { [SENT] = WAS_SENT, [RETRY] = WAS_DEFERRED,
		[FAILED] = WAS_FAILED };
	struct message *m = a->message;

	if (!has_rcpt(a, line->rcpt))
		return;
	m->rcpt[line->rcpt].state = states[line->outcome];
	if (a->kind == KIND_BOUNCE)
		return;
	if (line->outcome == SENT && owes_report(a, line))
		m->rcpt[line->rcpt].state = WAS_OWED;
	m->rcpt[line->rcpt].tried = true;
	m->rcpt[line->rcpt].reply = arena_dupn(m->arena, line->reply, strlen(line->reply));
	if (line->outcome == SENT)
		log_event(EV_QUEUE_DELIVERED, LS("id", m->env.id),
		    LS("rcpt", m->env.rcpts[line->rcpt].address), LS("agent", kind_names[a->kind]),
		    LS("to", host), LS("reply", line->reply));
}

/* The report, into the message. Who was forgotten is tried again. */
static void
read_report(struct agent *a, const char *host, struct span body)
{
	struct line line;

	while (body.s != NULL && body.len > 0)
		if (parse_line(span_cut(&body, '\n'), host, &line))
			apply(a, host, &line);
	for (size_t i = 0; i < a->count; i++)
		if (a->message->rcpt[a->rcpt[i]].state == GIVEN) {
			message_settle(a->message, a->rcpt[i],
			    a->kind == KIND_BOUNCE ? WAS_FAILED : WAS_DEFERRED,
			    "451 4.3.0 The delivery agent said nothing about this recipient");
			a->message->rcpt[a->rcpt[i]].tried = a->kind != KIND_BOUNCE;
		}
}

/* No connection could be made. Others have one: then the site takes no more at once. Nobody has: it is down. */
static void
no_connection(struct queued *q, struct message *m, struct site *site, const struct agent *a)
{
	uint64_t wait = q->conf.retry_first;

	if (site->busy > 0 && !m->delete_it) {
		site->window = site->busy;
		for (size_t i = 0; i < a->count; i++)
			m->rcpt[a->rcpt[i]].state = WAITING;
		message_wait(q, m, site, a->rcpt, a->count);
		return;
	}
	for (unsigned i = 0; i < site->failures && wait < q->conf.retry_last; i++)
		wait *= 2;
	if (wait > q->conf.retry_last)
		wait = q->conf.retry_last;
	site_down(&q->sites, site, now_s(), (int64_t)wait, m->rcpt[a->rcpt[0]].reply);
	messages_put_off(q, site, site->last);
}

/* The agent is out of it: the message goes on. */
static void
job_over(struct queued *q, struct message *m)
{
	if (m->phase == DIRECT) {
		message_direct(q, m);
		return;
	}
	if (m->phase != BOUNCING && m->env.rcpt_count > 1)
		message_mark_sent(q, m);
	message_check(q, m);
}

static void
note_connection(struct agent *a, const char *connected)
{
	if (a->connected != NULL && strcmp(a->connected, connected) == 0) {
		a->stay++;
		return;
	}
	free(a->connected);
	a->connected = strcmp(connected, "-") == 0 || strcmp(connected, "!") == 0 ? NULL : mem_dup(connected);
	a->stay = 0;
}

/* One who stands at a door with work behind it goes in again, for a while. */
static void
stay(struct queued *q, struct agent *a, struct site *site)
{
	if (a->idle && site != NULL && site->in_turn && a->connected != NULL &&
	    strcmp(a->connected, site->text) == 0 && a->stay < STAY_MAX)
		give_part(q, a, site);
}

static void
on_report(struct agent *a, struct wire_packet *p)
{
	struct queued *q = a->q;
	struct message *m = a->message;
	struct site *site = a->site;
	bool down = a->kind == KIND_REMOTE && strcmp(p->word[2], "!") == 0;

	note_connection(a, p->word[2]);
	read_report(a, p->word[1], p->body);
	a->message = NULL;
	a->site = NULL;
	if (site != NULL) {
		site_free(&q->sites, site);
		if (down)
			no_connection(q, m, site, a);
		else
			site_well(&q->sites, site);
	}
	m->jobs--; /* only now may it be over */
	job_over(q, m);
	set_idle(a, true);
	if (a->kind == KIND_REMOTE)
		stay(q, a, site);
	agents_dispatch(q);
}

/* --- connections --------------------------------------------------------- */

/* What it had is given to another, once; a message over which agents die waits. */
static void
lose_job(struct agent *a)
{
	struct queued *q = a->q;
	struct message *m = a->message;

	bool again = !m->died && !m->delete_it && (m->phase != TRYING || a->site != NULL);

	a->message = NULL;
	for (size_t i = 0; i < a->count; i++) {
		struct progress *p = &m->rcpt[a->rcpt[i]];

		if (again) {
			p->state = WAITING;
			continue;
		}
		message_settle(m, a->rcpt[i], a->kind == KIND_BOUNCE ? WAS_FAILED : WAS_DEFERRED,
		    "451 4.3.0 The delivery agent died");
		p->tried = a->kind != KIND_BOUNCE;
	}
	if (a->site != NULL)
		site_free(&q->sites, a->site);
	if (a->site != NULL && again)
		message_wait(q, m, a->site, a->rcpt, a->count);
	if (m->phase == DIRECT && again && !m->waits && m->from != NULL) {
		TAILQ_INSERT_HEAD(&q->direct, m, wait);
		m->waits = true;
	}
	m->died = true;
	m->jobs--;
	job_over(q, m);
}

static void
agent_end(struct agent *a)
{
	struct queued *q = a->q;

	TAILQ_REMOVE(&q->agents, a, link);
	set_idle(a, false);
	if (a->known)
		q->agent_count[a->kind]--;
	event_free(a->ev);
	wire_close(&a->wire);
	if (a->message != NULL)
		lose_job(a);
	free(a->rcpt);
	free(a->connected);
	free(a);
}

/* Who runs as remote may not take letters for mailboxes, nor the other way round. */
static bool
may_be(const struct queued *q, uid_t uid, enum kind kind)
{
	const uid_t own[KIND_COUNT] = { q->uids.mail, q->uids.remote, q->uids.queue };

	return uid == 0 || uid == getuid() || uid == own[kind];
}

static bool
on_hello(struct agent *a, struct wire_packet *p)
{
	for (enum kind kind = 0; kind < KIND_COUNT; kind++) {
		if (strcmp(p->word[0], kind_names[kind]) != 0)
			continue;
		if (!may_be(a->q, a->uid, kind))
			return false;
		a->kind = kind;
		a->known = true;
		a->q->agent_count[kind]++;
		set_idle(a, true);
		return true;
	}
	return false;
}

static void
on_packet(evutil_socket_t fd, short what, void *arg)
{
	struct agent *a = arg;
	struct queued *q = a->q;
	struct wire_packet p;
	int rv = queued_recv(q, &a->wire, &p);

	(void)fd, (void)what;
	if (rv == -1 && errno == EAGAIN)
		return;
	if (rv == 1 && wire_is(&p, "REPORT"))
		on_report(a, &p);
	else if (rv != 1 || !on_hello(a, &p))
		agent_end(a);
	agents_dispatch(q);
}

static void
on_connect(evutil_socket_t listen_fd, short what, void *arg)
{
	struct queued *q = arg;
	struct agent *a;
	uid_t uid;
	int fd = queued_accept(listen_fd, &uid);

	(void)what;
	if (fd == -1)
		return;
	a = mem_alloc(1, sizeof *a);
	a->q = q;
	a->uid = uid;
	wire_open(&a->wire, fd, SERVER, agents_messages, AGENTS_NEW);
	a->ev = queued_watch(q, fd, on_packet, a);
	TAILQ_INSERT_TAIL(&q->agents, a, link);
	if (!may_be(q, uid, KIND_LOCAL) && !may_be(q, uid, KIND_REMOTE) && !may_be(q, uid, KIND_BOUNCE))
		agent_end(a);
}

void
agents_listen(struct queued *q, int fd)
{
	queued_watch(q, fd, on_connect, q);
}

/* A job that takes longer than any dialogue may: its agent hangs. */
void
agents_sweep(struct queued *q, int64_t now)
{
	struct agent *a, *next;

	for (a = TAILQ_FIRST(&q->agents); a != NULL; a = next) {
		next = TAILQ_NEXT(a, link);
		if (a->message != NULL && now - a->since_s > JOB_MAX_S) {
			log_error(EV_WARNING, LS("text", "an agent hangs"), LS("agent", kind_names[a->kind]),
			    LS("id", a->message->env.id));
			agent_end(a);
		}
	}
}
