/*
 * messages: a message while it is being worked on, from its first attempt to its end.
 *
 * An attempt: every recipient is routed by the current maps and waits at its site; when agents have
 * answered for all of them, what they said is written into the envelope, the sender is told of what
 * failed for good, and what is left waits for the next attempt. The envelope is the only memory: a crash between
 * any two lines repeats work, it loses none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/mail/xtext.h"
#include "lib/sys/file.h"
#include "queue/queued.h"

/* So many messages are held in memory as a whole because they are due; the others wait a little longer. */
#define WORKING_MAX 2000
#define BOUNCE_SITE "bounce"
#define NEXTHOP_MAX 4096

struct message *
message_new(struct queued *q)
{
	struct message *m = q->spare;

	if (m != NULL)
		q->spare = m->spare;
	else {
		m = mem_alloc(1, sizeof *m);
		m->arena = arena_new();
	}
	m->msg_fd = m->env_fd = -1;
	SLIST_INIT(&m->parts);
	q->working++;
	return m;
}

/* Nothing came of it: its key may come again. */
static void
key_undecided(struct queued *q, const struct message *m)
{
	const struct key *k = keys_find(&q->keys, m->env.key);

	if (k != NULL && !k->taken && strcmp(k->id, m->env.id) == 0)
		keys_forget(&q->keys, m->env.id);
}

void
message_free(struct queued *q, struct message *m)
{
	struct arena *arena = m->arena;
	struct part *p;

	SLIST_FOREACH(p, &m->parts, sibling)
		site_take_back(&q->sites, p);
	if (m->record != NULL)
		m->record->work = NULL;
	else if (m->env.key[0] != '\0')
		key_undecided(q, m);
	if (event_initialized(&m->timer))
		event_del(&m->timer);
	file_close(m->msg_fd);
	file_close(m->env_fd);
	arena_reset(arena);
	memset(m, 0, sizeof *m);
	m->arena = arena;
	m->spare = q->spare;
	q->spare = m;
	q->working--;
}

size_t
rcpts_in(const struct message *m, enum rcpt_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < m->env.rcpt_count; i++)
		n += m->rcpt[i].state == state;
	return n;
}

void
message_wait(struct queued *q, struct message *m, struct site *site, const size_t *rcpt, size_t n)
{
	struct part *p = arena_alloc(m->arena, sizeof *p);

	p->message = m;
	p->site = site;
	p->rcpt = arena_alloc(m->arena, n * sizeof *rcpt);
	memcpy(p->rcpt, rcpt, n * sizeof *rcpt);
	p->count = n;
	SLIST_INSERT_HEAD(&m->parts, p, sibling);
	site_add(&q->sites, p);
}

/* --- the start of an attempt --------------------------------------------- */

static struct part *
part_for(struct message *m, struct site *site)
{
	struct part *p;

	SLIST_FOREACH(p, &m->parts, sibling)
		if (p->site == site)
			return p;
	p = arena_alloc(m->arena, sizeof *p);
	p->message = m;
	p->site = site;
	p->rcpt = arena_alloc(m->arena, m->env.rcpt_count * sizeof *p->rcpt);
	SLIST_INSERT_HEAD(&m->parts, p, sibling);
	return p;
}

void
message_settle(struct message *m, size_t i, enum rcpt_state state, const char *reply)
{
	m->rcpt[i].state = state;
	m->rcpt[i].reply = arena_dupn(m->arena, reply, strlen(reply));
}

/* By the current maps. A fault of our own is a deferral and an alarm, never a bounce. */
static struct site *
route(struct queued *q, struct message *m, size_t i)
{
	const struct env_rcpt *r = &m->env.rcpts[i];
	struct buf why = BUF_INIT(1024), reply = BUF_INIT(1100);
	struct nexthop hop;
	struct site *site = NULL;

	int rv = router_nexthop(&q->router, m->env.sender, r->address, r->action, m->arena, &hop, NULL, &why);

	if (rv == 0 && strlen(hop.text) > NEXTHOP_MAX) {
		buf_adds(&why, "the list of hosts in routes is too long");
		rv = -1;
	}
	if (rv == 0) {
		bool local = hop.kind == NEXTHOP_LOCAL;

		site = sites_get(&q->sites, local ? KIND_LOCAL : KIND_REMOTE, hop.text,
		    local ? UINT32_MAX : (unsigned)q->conf.site_concurrency);
		site->on_link = hop.on_link;
		site_shut(&q->sites, site, site->on_link && q->link_down);
		if (site->on_link && m->record != NULL)
			m->record->flags |= ON_LINK;
	} else {
		log_error(EV_QUEUE_ALARM, LS("what", buf_str(&why)), LS("id", m->env.id));
		buf_addf(&reply, "451 4.3.5 %s", buf_str(&why));
		message_settle(m, i, WAS_DEFERRED, buf_str(&reply));
	}
	buf_free(&why);
	buf_free(&reply);
	return site;
}

/* Said by an administrator before the attempt began. */
static void
stop(struct queued *q, struct message *m)
{
	char by[sizeof m->by];

	strlcpy(by, m->by, sizeof by);
	if (m->delete_it)
		message_drop(q, m, by);
	else
		message_free(q, m);
}

/* What waits for an agent waits no longer. */
static void
take_back(struct queued *q, struct message *m)
{
	struct part *p;

	SLIST_FOREACH(p, &m->parts, sibling)
		site_take_back(&q->sites, p);
	for (size_t i = 0; i < m->env.rcpt_count; i++)
		if (m->rcpt[i].state == WAITING)
			m->rcpt[i].state = WAS_DEFERRED;
}

void
message_start(struct queued *q, struct message *m)
{
	int64_t now = now_s();
	struct part *p;

	if (m->delete_it || (m->hold_it && m->jobs == 0)) {
		stop(q, m);
		return;
	}
	m->phase = TRYING;
	if (m->record != NULL) {
		files_attempted(&q->spool, m->record);
		m->record->flags &= ~(unsigned)ON_LINK;
	}
	router_refresh(&q->router);
	for (size_t i = 0; i < m->env.rcpt_count; i++) {
		struct site *site = m->rcpt[i].state == WAITING ? route(q, m, i) : NULL;

		if (site == NULL)
			continue;
		if (site->shut || site->down_until > now) {
			message_settle(m, i, WAS_DEFERRED, site->shut ? link_deferral() : site->last);
			continue;
		}
		p = part_for(m, site);
		p->rcpt[p->count++] = i;
	}
	SLIST_FOREACH(p, &m->parts, sibling)
		site_add(&q->sites, p);
	message_check(q, m);
}

#define HELD_MAX 500

const char *
envelope_fault(const struct envelope *e)
{
	if (e->rcpt_count == 0)
		return "no recipients";
	if (strlen(e->sender) > LIMIT_ADDRESS)
		return "the sender is too long";
	if (strlen(e->envid) > LIMIT_ENVID ||
	    (e->ret[0] != '\0' && strcmp(e->ret, "FULL") != 0 && strcmp(e->ret, "HDRS") != 0))
		return "its ENVID or RET is none";
	if (strlen(e->held) > HELD_MAX)
		return "the reason for holding it is too long";
	for (size_t i = 0; i < e->rcpt_count; i++)
		if (e->rcpts[i].address[0] == '\0' || strlen(e->rcpts[i].address) > LIMIT_ADDRESS ||
		    strlen(e->rcpts[i].orcpt) > LIMIT_ORCPT)
			return "a recipient is too long";
	return NULL;
}

/* Read the envelope of a message that is due. NULL: it is not to be tried. */
static struct message *
load(struct queued *q, struct record *r)
{
	struct message *m = message_new(q);
	struct buf why = BUF_INIT(512);
	int fd = files_open_envelope(&q->spool, r, O_RDONLY);
	const char *fault;

	if (fd == -1)
		buf_addf(&why, "cannot open: %s", strerror(errno));
	if (fd == -1 || envelope_read(fd, m->arena, &m->env, &why) == -1)
		fault = buf_str(&why);
	else if (strcmp(m->env.id, r->id) != 0)
		fault = "it names another message";
	else
		fault = envelope_fault(&m->env);
	if (fault != NULL) {
		log_error(EV_QUEUE_BAD, LS("id", r->id), LS("reason", fault));
		files_bad(&q->spool, r);
		records_remove(&q->records, r);
		message_free(q, m);
		m = NULL;
	} else {
		m->record = r;
		r->work = m;
		r->domain = flush_domain(&m->env);
		m->rcpt = arena_alloc(m->arena, m->env.rcpt_count * sizeof *m->rcpt);
		for (size_t i = 0; i < m->env.rcpt_count; i++)
			if (m->env.rcpts[i].status == RCPT_OWED)
				m->rcpt[i].state = WAS_OWED;
			else if (!rcpt_is_open(&m->env.rcpts[i]))
				m->rcpt[i].state = SETTLED;
	}
	file_close(fd);
	buf_free(&why);
	return m;
}

static void
arm(struct queued *q)
{
	const struct record *r = records_first(&q->records);
	int64_t wait = r == NULL ? 0 : r->due - now_s();
	struct timeval tv = { wait < 0 ? 0 : wait > 3600 ? 3600 : wait, 1000 };

	if (wait <= 0 && q->working >= WORKING_MAX)
		tv.tv_sec = 1;
	if (r == NULL)
		evtimer_del(q->due_timer);
	else
		evtimer_add(q->due_timer, &tv);
}

void
messages_due(struct queued *q)
{
	struct record *r;
	int64_t now = now_s();

	while (q->working < WORKING_MAX && (r = records_first(&q->records)) != NULL && r->due <= now) {
		struct message *m;

		records_unschedule(&q->records, r);
		m = load(q, r);
		if (m != NULL)
			message_start(q, m);
	}
	arm(q);
	agents_dispatch(q);
}

/* --- the end of an attempt ----------------------------------------------- */

#define WAITS_MOST 64 /* attempts after which the wait grows no more */

/* Growing waits, a little apart from each other. */
static int64_t
wait_after(const struct queued *q, unsigned attempts)
{
	uint64_t wait = q->conf.retry_first;

	while (attempts-- > 1 && wait < q->conf.retry_last)
		wait *= 2;
	if (wait > q->conf.retry_last)
		wait = q->conf.retry_last;
	return (int64_t)(wait + arc4random_uniform((uint32_t)(wait / 10 + 1)));
}

static bool
is_expired(const struct queued *q, const struct message *m)
{
	uint64_t life = m->env.sender[0] == '\0' ? q->conf.bounce_lifetime : q->conf.queue_lifetime;

	return now_s() - m->env.arrived_s >= (int64_t)life;
}

/* Does the sender want to hear of this (RFC 3461, 4.1)? Who says nothing hears of failures and delays. */
static bool
wants_dsn(const struct message *m, size_t i, unsigned of)
{
	unsigned notify = m->env.rcpts[i].notify;

	return m->env.sender[0] != '\0' && !m->delete_it && (notify == 0 || (notify & of) != 0);
}

static void
cannot_write(const struct message *m)
{
	log_error(EV_WARNING, LS("text", "cannot write an envelope"), LS("id", m->env.id),
	    LS("reason", strerror(errno)));
}

/* A recipient's end. What cannot be written down will be done twice, not lost. */
void
message_end_rcpt(int fd, struct message *m, size_t i, enum rcpt_status status)
{
	m->env.rcpts[i].status = status;
	m->rcpt[i].state = SETTLED;
	if (envelope_mark(fd, &m->env.rcpts[i]) == -1)
		cannot_write(m);
}

static void
note(int fd, struct message *m, size_t i)
{
	struct env_rcpt *r = &m->env.rcpts[i];

	if (m->rcpt[i].tried)
		r->attempts++;
	if (envelope_mark(fd, r) == -1 ||
	    (m->rcpt[i].reply != NULL && strcmp(m->rcpt[i].reply, r->last) != 0 &&
	        envelope_note(fd, i, now_s(), m->rcpt[i].reply) == -1))
		cannot_write(m);
	if (m->rcpt[i].reply != NULL)
		r->last = m->rcpt[i].reply;
	m->rcpt[i].tried = false;
}

/* It has been delivered; what was said then is kept for the report. */
static void
sent(struct progress *p, struct env_rcpt *r)
{
	if (p->state == WAS_OWED) {
		r->status = RCPT_OWED;
		return;
	}
	r->status = RCPT_DONE;
	p->state = SETTLED;
	p->reply = NULL;
}

/* What the agents said, into the envelope. */
static void
write_down(const struct queued *q, struct message *m, int fd)
{
	for (size_t i = 0; i < m->env.rcpt_count; i++) {
		struct progress *p = &m->rcpt[i];
		struct env_rcpt *r = &m->env.rcpts[i];

		if (p->state == SETTLED || p->state == WAITING || r->status == RCPT_OWED)
			continue;
		if (p->state == WAS_SENT || p->state == WAS_OWED)
			sent(p, r);
		else if (p->state == WAS_DEFERRED && !m->hold_it && is_expired(q, m))
			p->state = WAS_EXPIRED;
		note(fd, m, i);
	}
}

void
message_mark_sent(struct queued *q, struct message *m)
{
	int fd = -1;

	if (m->record == NULL || rcpts_in(m, WAS_SENT) + rcpts_in(m, WAS_OWED) == 0)
		return;
	fd = files_open_envelope(&q->spool, m->record, O_RDWR);
	for (size_t i = 0; fd != -1 && i < m->env.rcpt_count; i++) {
		struct env_rcpt *r = &m->env.rcpts[i];

		if (m->rcpt[i].state != WAS_SENT && (m->rcpt[i].state != WAS_OWED || r->status == RCPT_OWED))
			continue;
		sent(&m->rcpt[i], r);
		note(fd, m, i);
	}
	file_close(fd);
}

void
message_remove(struct queued *q, struct record *r, const char *why)
{
	log_event(EV_QUEUE_REMOVED, LS("id", r->id), LS("why", why));
	files_unlink(&q->spool, r);
	if (r->work != NULL)
		message_free(q, r->work);
	records_remove(&q->records, r);
}

void
message_drop(struct queued *q, struct message *m, const char *why)
{
	if (m->jobs == 0 && !m->naming) {
		message_remove(q, m->record, why);
		return;
	}
	m->delete_it = true;
	if (why != m->by)
		strlcpy(m->by, why, sizeof m->by);
	take_back(q, m);
	if (m->phase == LINKED)
		m->phase = TRYING;
}

void
messages_put_off(struct queued *q, struct site *site, const char *reply)
{
	struct part *p;

	while ((p = TAILQ_FIRST(&site->parts)) != NULL) {
		for (size_t i = p->given; i < p->count; i++)
			message_settle(p->message, p->rcpt[i], WAS_DEFERRED, reply);
		site_take_back(&q->sites, p);
		message_check(q, p->message);
	}
}

static void
defer(struct queued *q, struct message *m, int fd)
{
	struct record *r = m->record;
	unsigned attempts = 1;
	int64_t next;

	if ((r->flags & HELD) != 0) {
		message_free(q, m);
		return;
	}
	for (size_t i = 0; i < m->env.rcpt_count; i++)
		if (rcpt_is_open(&m->env.rcpts[i]) && m->env.rcpts[i].attempts > attempts)
			attempts = m->env.rcpts[i].attempts;
	if (q->link_down && (r->flags & ON_LINK) != 0)
		attempts = WAITS_MOST; /* it is woken when the link comes up */
	next = now_s() + wait_after(q, attempts);
	for (size_t i = 0; i < m->env.rcpt_count; i++)
		if (rcpt_is_open(&m->env.rcpts[i]))
			log_event(EV_QUEUE_DEFERRED, LS("id", m->env.id), LS("rcpt", m->env.rcpts[i].address),
			    LS("reply", m->env.rcpts[i].last), LN("next_s", next - now_s()));
	futimens(fd, (const struct timespec[]){ { 0, UTIME_OMIT }, { next, 0 } });
	message_free(q, m);
	records_schedule(&q->records, r, next);
	arm(q);
}

/* Everybody has been tried and the sender knows what failed: wait, or go. */
static void
conclude(struct queued *q, struct message *m)
{
	struct record *r = m->record;
	char by[sizeof m->by];
	int fd;

	strlcpy(by, m->by, sizeof by);
	if (m->delete_it) {
		message_remove(q, r, by);
		return;
	}
	if (rcpts_in(m, SETTLED) == m->env.rcpt_count) {
		message_remove(q, r, "done");
		return;
	}
	fd = files_open_envelope(&q->spool, r, O_RDWR);
	defer(q, m, fd);
	file_close(fd);
}

/* A recipient that is given up. True: the sender must be told first. */
static bool
give_up(struct message *m, size_t i)
{
	const struct env_rcpt *r = &m->env.rcpts[i];

	log_event(EV_QUEUE_FAILED, LS("id", m->env.id), LS("rcpt", r->address),
	    LS("why", m->rcpt[i].state == WAS_EXPIRED ? "expired" : "refused"), LS("reply", r->last));
	return wants_dsn(m, i, NOTIFY_FAILURE);
}

/* Once for each recipient, when it has waited for long. */
static bool
is_delayed(const struct queued *q, const struct message *m, size_t i)
{
	return q->conf.delay_notice != 0 && m->env.rcpts[i].status == RCPT_TODO && !m->hold_it &&
	    now_s() - m->env.arrived_s >= (int64_t)q->conf.delay_notice && wants_dsn(m, i, NOTIFY_DELAY);
}

/* Is there something to tell the sender of this recipient, and what? */
static bool
has_news(const struct queued *q, struct message *m, size_t i, enum news *news)
{
	switch (m->rcpt[i].state) {
	case WAS_FAILED:
		*news = NEWS_FAILED;
		return give_up(m, i);
	case WAS_EXPIRED:
		*news = NEWS_EXPIRED;
		return give_up(m, i);
	case WAS_OWED:
		*news = m->env.rcpts[i].action == RCPT_LOCAL ? NEWS_DELIVERED : NEWS_RELAYED;
		return !m->delete_it;
	case WAS_DEFERRED:
		*news = NEWS_DELAYED;
		return is_delayed(q, m, i);
	default:
		return false;
	}
}

/* Senders are told. What they do not want to hear of ends here. */
static void
bounce(struct queued *q, struct message *m, int fd)
{
	struct part *p = NULL;

	for (size_t i = 0; i < m->env.rcpt_count; i++) {
		enum rcpt_state state = m->rcpt[i].state;

		if (has_news(q, m, i, &m->rcpt[i].news)) {
			if (p == NULL)
				p = part_for(m, sites_get(&q->sites, KIND_BOUNCE, BOUNCE_SITE, UINT32_MAX));
			p->rcpt[p->count++] = i;
		} else if (state == WAS_FAILED || state == WAS_EXPIRED) {
			message_end_rcpt(fd, m, i, RCPT_BOUNCED);
		}
	}
	if (p != NULL)
		site_add(&q->sites, p);
}

static bool
parts_wait(const struct message *m)
{
	const struct part *p;

	SLIST_FOREACH(p, &m->parts, sibling)
		if (p->given < p->count)
			return true;
	return false;
}

/* The DSN about it is durable. */
static void
told(int fd, struct message *m, size_t i)
{
	if (m->rcpt[i].news == NEWS_DELAYED) {
		m->env.rcpts[i].status = RCPT_WARNED;
		m->rcpt[i].state = WAS_DEFERRED;
		m->rcpt[i].reply = NULL;
		note(fd, m, i);
	} else {
		message_end_rcpt(fd, m, i, m->env.rcpts[i].status == RCPT_OWED ? RCPT_DONE : RCPT_BOUNCED);
	}
}

/* The DSN is durable (WAS_SENT) or could not be made (WAS_FAILED): then all is tried again. */
static void
bounced(struct queued *q, struct message *m)
{
	int fd = files_open_envelope(&q->spool, m->record, O_RDWR);

	for (size_t i = 0; fd != -1 && i < m->env.rcpt_count; i++)
		if (m->rcpt[i].state == WAS_SENT)
			told(fd, m, i);
	file_close(fd);
	conclude(q, m);
}

void
message_check(struct queued *q, struct message *m)
{
	int fd;

	if ((m->phase != TRYING && m->phase != BOUNCING) || m->jobs > 0 || parts_wait(m))
		return;
	if (m->phase == BOUNCING) {
		bounced(q, m);
		return;
	}
	if (rcpts_in(m, WAS_SENT) + rcpts_in(m, SETTLED) == m->env.rcpt_count) {
		message_remove(q, m->record, "done");
		return;
	}
	fd = files_open_envelope(&q->spool, m->record, O_RDWR);
	write_down(q, m, fd);
	/* Parts of the attempt are used up; those of the bounce are new. */
	SLIST_INIT(&m->parts);
	m->phase = BOUNCING;
	bounce(q, m, fd);
	file_close(fd);
	if (!parts_wait(m))
		conclude(q, m);
	else
		agents_dispatch(q);
}

/* --- what administrators say --------------------------------------------- */

/* On disk at once, so that a crash does not undo it; what an agent has is finished. */
int
message_hold(struct queued *q, struct record *r, const char *by)
{
	struct message *m = r->work;

	if ((r->flags & HELD) != 0 || files_hold(&q->spool, r->id) == -1)
		return -1;
	records_unschedule(&q->records, r);
	q->records.held++;
	r->flags |= HELD;
	log_event(EV_QUEUE_HELD, LS("id", r->id), LS("by", by));
	if (m != NULL) {
		m->hold_it = true;
		if (m->phase == TRYING) {
			take_back(q, m);
			message_check(q, m);
		}
	}
	return 0;
}

int
message_release(struct queued *q, struct record *r)
{
	if ((r->flags & HELD) == 0 || files_release(&q->spool, r->id) == -1)
		return -1;
	q->records.held--;
	r->flags &= ~(unsigned)HELD;
	if (r->work != NULL)
		r->work->hold_it = false;
	else
		records_schedule(&q->records, r, 0);
	return 0;
}

void
message_delete(struct queued *q, struct record *r, const char *by)
{
	struct message *m = r->work;

	if (m == NULL)
		message_remove(q, r, by);
	else if (m->phase == LINKED) {
		/* Its submitter still speaks of it. */
		m->delete_it = true;
		strlcpy(m->by, by, sizeof m->by);
	} else
		message_drop(q, m, by);
}
