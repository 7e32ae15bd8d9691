/*
 * dnsbl: what DNS lists say of a client.
 *
 * Knows answers, scores and the lists' health; on any doubt a list has no opinion. An address is asked about once,
 * however many connections it has; what is asked at once and what is remembered is bounded.
 */
#include "lib/net/dnsbl.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/net/dns_loop.h"

#define ASKED_MAX 1000   /* questions on their way at once */
#define KNOWN_MAX 10000  /* opinions remembered */
#define TTL_MIN_S 60
#define TTL_MAX_S 3600
#define TTL_NONE_S 600   /* nobody has it */
#define FRESH_MS 5000    /* so long after a good probe a list is believed that somebody is listed */
#define SILENT_MAX 5     /* unanswered questions in a row: the list, or the resolver, is dead */

enum health { UNPROBED, GOOD, SUSPENDED };
struct list {
	struct dnsbl *d;
	const struct dnsbl_rule *rule;
	enum health health;
	unsigned silent;
	unsigned probing;       /* answers to the probe that are not there yet */
	const char *wrong;      /* what the probe found so far */
	deadline_ms fresh;      /* the last good probe is not old until then */
	bool doubted;           /* it is to be probed now */
};
enum stage { BACKLOG, ASKED, KNOWN };
struct opinion {
	LIST_ENTRY(opinion) next;
	TAILQ_ENTRY(opinion) age; /* in backlog, asked or known */
	struct ip ip;
	enum stage state;
	uint8_t pending;          /* answers that are not there yet */
	bool doubt;               /* one did not come */
	uint16_t asked, listed;   /* which lists were asked, by which it is listed: a bit each */
	unsigned ttl_s;
	deadline_ms until;
	LIST_HEAD(, dnsbl_asker) askers;
};
TAILQ_HEAD(opinions, opinion);
LIST_HEAD(opinion_bucket, opinion);
struct dnsbl {
	struct event_base *base;
	struct dns_loop *dns;
	struct dnsbl_settings settings;
	struct list lists[DNSBL_MAX];
	struct event *probe, *kick;
	unsigned asked, known_count;
	struct opinion_bucket table[4096];
	struct opinions backlog, asking, known;
	bool walking;             /* next_of_backlog is at work */
};
struct question {
	struct list *list;
	struct opinion *opinion;  /* NULL: a probe */
	bool must_be_listed;      /* of a probe */
};

/* --- the score -------------------------------------------------------------------- */

static uint8_t
verdict(const struct dnsbl *d, const struct opinion *o)
{
	int score = 0, heaviest = 0;
	uint8_t listed = 0;

	for (size_t i = 0; i < d->settings.rules->n; i++) {
		int weight = d->lists[i].rule->weight;

		if ((o->listed >> i & 1) == 0 || d->lists[i].health != GOOD)
			continue;
		score += weight;
		if (weight > heaviest) {
			heaviest = weight;
			listed = (uint8_t)(i + 1);
		}
	}
	return score >= d->settings.rules->threshold ? listed : 0;
}

/* --- opinions ----------------------------------------------------------------------- */

static struct opinion_bucket *
bucket(struct dnsbl *d, const struct ip *ip)
{
	uint32_t hash = 2166136261u;

	for (int i = 0; i < 16; i++)
		hash = (hash ^ ip->octets[i]) * 16777619u;
	return &d->table[hash % COUNT(d->table)];
}

static struct opinion *
opinion_find(struct dnsbl *d, const struct ip *ip)
{
	struct opinion_bucket *at = bucket(d, ip);
	struct opinion *o;

	LIST_FOREACH(o, at, next)
		if (ip_eq(&o->ip, ip))
			return o;
	return NULL;
}

static struct opinion *
opinion_add(struct dnsbl *d, const struct ip *ip)
{
	struct opinion_bucket *at = bucket(d, ip);
	struct opinion *o = mem_alloc(1, sizeof(*o));

	o->ip = *ip;
	o->ttl_s = TTL_MAX_S;
	o->state = BACKLOG;
	LIST_INIT(&o->askers);
	LIST_INSERT_HEAD(at, o, next);
	TAILQ_INSERT_TAIL(&d->backlog, o, age);
	return o;
}

static struct opinions *
queue_of(struct dnsbl *d, const struct opinion *o)
{
	return o->state == BACKLOG ? &d->backlog : o->state == ASKED ? &d->asking : &d->known;
}

static void
opinion_move(struct dnsbl *d, struct opinion *o, enum stage state)
{
	TAILQ_REMOVE(queue_of(d, o), o, age);
	if (o->state == KNOWN)
		d->known_count--;
	o->state = state;
	if (o->state == KNOWN)
		d->known_count++;
	TAILQ_INSERT_TAIL(queue_of(d, o), o, age);
}

static void
opinion_free(struct dnsbl *d, struct opinion *o)
{
	TAILQ_REMOVE(queue_of(d, o), o, age);
	if (o->state == KNOWN)
		d->known_count--;
	LIST_REMOVE(o, next);
	free(o);
}

static bool
probes_are_out(const struct dnsbl *d)
{
	for (size_t i = 0; i < d->settings.rules->n; i++)
		if (d->lists[i].health == UNPROBED)
			return true;
	return false;
}

/* A list may have died, or been given away, since it was probed; then it lists everybody. Who is to be refused by it is
 * so only if it is sane now. True: that is being asked. */
static bool
look_again(struct dnsbl *d, const struct opinion *o)
{
	bool asking = false;

	if (verdict(d, o) == 0)
		return false;
	for (size_t i = 0; i < d->settings.rules->n; i++) {
		struct list *l = &d->lists[i];

		if ((o->listed >> i & 1) == 0 || l->health != GOOD || !deadline_over(l->fresh))
			continue;
		l->doubted = true;
		asking = true;
	}
	if (asking)
		event_active(d->kick, EV_TIMEOUT, 0);
	return asking;
}

/* All has been said that will be said: the askers hear it. Before the first probe nothing counts, so they wait. */
static void
opinion_settle(struct dnsbl *d, struct opinion *o)
{
	struct dnsbl_asker *a;
	uint8_t listed;

	if (o->state != ASKED || o->pending > 0 || probes_are_out(d) || look_again(d, o))
		return;
	if (o->doubt)
		o->ttl_s = TTL_MIN_S;
	else if (o->listed == 0)
		o->ttl_s = TTL_NONE_S;
	o->until = deadline_in((int64_t)(o->ttl_s < TTL_MIN_S ? TTL_MIN_S : o->ttl_s) * 1000);
	opinion_move(d, o, KNOWN);
	listed = verdict(d, o);
	while ((a = LIST_FIRST(&o->askers)) != NULL) {
		dnsbl_leave(a);
		a->heard(a->arg, listed);
	}
	if (d->known_count > KNOWN_MAX) /* one came: one goes */
		opinion_free(d, TAILQ_FIRST(&d->known));
}

/* --- the lists' health ------------------------------------------------------------------ */

static uint16_t
bit_of(const struct list *l)
{
	return (uint16_t)(1u << (l - l->d->lists));
}

/* What is known of clients is forgotten: where this list was asked, or not; where it listed them, or not. */
static void
forget(struct list *l, bool asked, bool listed)
{
	uint16_t bit = bit_of(l);
	struct opinion *o, *next;

	for (o = TAILQ_FIRST(&l->d->known); o != NULL; o = next) {
		next = TAILQ_NEXT(o, age);
		if (((o->asked & bit) != 0) == asked && ((o->listed & bit) != 0) == listed)
			opinion_free(l->d, o);
	}
}

static void
suspend(struct list *l, const char *reason)
{
	bool was = l->health == SUSPENDED;

	l->health = SUSPENDED;
	l->silent = 0;
	forget(l, true, true); /* nobody knows since when it is not itself */
	if (!was)
		log_event(EV_DNSBL_SUSPENDED, LS("list", l->rule->name), LS("reason", reason));
}

static void
settle_all(struct dnsbl *d)
{
	struct opinion *o, *next;

	for (o = TAILQ_FIRST(&d->asking); o != NULL; o = next) {
		next = TAILQ_NEXT(o, age);
		opinion_settle(d, o);
	}
}

static void
probe_over(struct list *l)
{
	if (l->wrong != NULL) {
		suspend(l, l->wrong);
	} else {
		if (l->health == SUSPENDED) {
			log_event(EV_DNSBL_RESUMED, LS("list", l->rule->name));
			forget(l, false, false);
		}
		l->health = GOOD;
		l->silent = 0;
		l->fresh = deadline_in(FRESH_MS);
	}
	settle_all(l->d);
}

/* What this answer to a probe is wrong in; NULL: it is as it should be. */
static const char *
probe_wrong(bool must_be_listed, enum dns_result result, const struct dns_a *a, int n)
{
	if (result == DNS_TRY_AGAIN)
		return "no-answer";
	for (int i = 0; i < n; i++)
		if (dnsbl_trouble(a[i].octets) != NULL)
			return dnsbl_trouble(a[i].octets);
	if (must_be_listed && n == 0)
		return "127.0.0.2-is-not-listed";
	return !must_be_listed && n > 0 ? "127.0.0.1-is-listed" : NULL;
}

static void
probe_heard(struct question *q, enum dns_result result, const struct dns_a *a, int n)
{
	const char *wrong = probe_wrong(q->must_be_listed, result, a, n);

	if (q->list->wrong == NULL)
		q->list->wrong = wrong;
	if (--q->list->probing == 0)
		probe_over(q->list);
}

/* --- questions ------------------------------------------------------------------------------ */

static void next_of_backlog(struct dnsbl *);

static void
answer_heard(struct question *q, enum dns_result result, const struct dns_a *a, int n)
{
	struct opinion *o = q->opinion;
	struct list *l = q->list;

	o->pending--;
	l->silent = result == DNS_TRY_AGAIN ? l->silent + 1 : 0;
	if (result == DNS_TRY_AGAIN)
		o->doubt = true;
	if (l->silent >= SILENT_MAX && l->health == GOOD)
		suspend(l, "no-answer");
	for (int i = 0; i < n; i++) {
		if (dnsbl_trouble(a[i].octets) != NULL && l->health == GOOD)
			suspend(l, dnsbl_trouble(a[i].octets));
		if (!dnsbl_counts(l->rule, a[i].octets))
			continue;
		o->listed |= bit_of(l);
		if (a[i].ttl_s < o->ttl_s)
			o->ttl_s = a[i].ttl_s;
	}
	opinion_settle(l->d, o);
}

static void
heard(void *arg, enum dns_result result, const struct dns_a *a, int n)
{
	struct question *q = arg;
	struct dnsbl *d = q->list->d;

	d->asked--;
	if (q->opinion == NULL)
		probe_heard(q, result, a, n);
	else
		answer_heard(q, result, a, n);
	free(q);
	next_of_backlog(d);
}

static void
ask(struct list *l, const struct ip *ip, struct opinion *o, bool must_be_listed)
{
	struct question *q = mem_alloc(1, sizeof(*q));
	struct buf name = BUF_INIT(512);

	*q = (struct question){ l, o, must_be_listed };
	dnsbl_query(&name, ip, l->rule->name);
	l->d->asked++;
	dns_loop_a(l->d->dns, buf_str(&name), heard, q);
	buf_free(&name);
}

static void
opinion_ask(struct dnsbl *d, struct opinion *o)
{
	opinion_move(d, o, ASKED);
	o->pending = 1; /* an answer may come while we ask */
	for (size_t i = 0; i < d->settings.rules->n; i++) {
		if (d->lists[i].health == SUSPENDED)
			continue;
		o->pending++;
		o->asked |= bit_of(&d->lists[i]);
		ask(&d->lists[i], &o->ip, o, false);
	}
	o->pending--;
}

/* Nobody waits any more for some of them: these are dropped. */
static void
next_of_backlog(struct dnsbl *d)
{
	struct opinion *o;

	if (d->walking)
		return;
	d->walking = true;
	while (d->asked < ASKED_MAX && (o = TAILQ_FIRST(&d->backlog)) != NULL) {
		if (LIST_EMPTY(&o->askers)) {
			opinion_free(d, o);
			continue;
		}
		opinion_ask(d, o);
		opinion_settle(d, o);
	}
	d->walking = false;
}

static void
probe(struct list *l)
{
	static const struct ip listed = { false, { 127, 0, 0, 2 } }, clean = { false, { 127, 0, 0, 1 } };

	l->doubted = false;
	if (l->probing > 0)
		return;
	l->probing = 2;
	l->wrong = NULL;
	ask(l, &listed, NULL, true);
	ask(l, &clean, NULL, false);
}

static void
probe_all(evutil_socket_t fd, short what, void *arg)
{
	struct dnsbl *d = arg;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < d->settings.rules->n; i++)
		probe(&d->lists[i]);
}

bool
dnsbl_ask(struct dnsbl *d, const struct ip *ip, struct dnsbl_asker *a, uint8_t *listed)
{
	struct opinion *o = opinion_find(d, ip);

	if (o != NULL && o->state == KNOWN && deadline_over(o->until)) {
		opinion_free(d, o);
		o = NULL;
	}
	if (o == NULL)
		o = opinion_add(d, ip);
	if (o->state == KNOWN) {
		*listed = verdict(d, o);
		return true;
	}
	a->opinion = o;
	LIST_INSERT_HEAD(&o->askers, a, next);
	if (o->state == BACKLOG)
		event_active(d->kick, EV_TIMEOUT, 0);
	return false;
}

void
dnsbl_leave(struct dnsbl_asker *a)
{
	if (a->opinion == NULL)
		return;
	LIST_REMOVE(a, next);
	a->opinion = NULL;
}

/* Questions are asked from the loop, so that nobody hears an answer while it asks. */
static void
kicked(evutil_socket_t fd, short what, void *arg)
{
	struct dnsbl *d = arg;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < d->settings.rules->n; i++)
		if (d->lists[i].doubted)
			probe(&d->lists[i]);
	next_of_backlog(d);
}

struct dnsbl *
dnsbl_open(struct event_base *base, const struct dnsbl_settings *s)
{
	struct timeval every = { s->probe_ms / 1000, s->probe_ms % 1000 * 1000 };
	struct dnsbl *d = mem_alloc(1, sizeof(*d));
	struct buf why = BUF_INIT(500);

	d->base = base;
	d->settings = *s;
	TAILQ_INIT(&d->backlog);
	TAILQ_INIT(&d->asking);
	TAILQ_INIT(&d->known);
	for (size_t i = 0; i < s->rules->n; i++)
		d->lists[i] = (struct list){ .d = d, .rule = &s->rules->list[i] };
	d->dns = dns_loop_open(base, s->resolver, s->answer_ms / 3 + 1, &why);
	d->probe = event_new(base, -1, EV_PERSIST, probe_all, d);
	if (d->dns == NULL)
		fatal(EX_CONFIG, "%s", buf_str(&why));
	d->kick = evtimer_new(base, kicked, d);
	if (d->probe == NULL || d->kick == NULL || event_add(d->probe, &every) == -1)
		fatal(EX_OSERR, "cannot make a timer");
	event_active(d->probe, EV_TIMEOUT, 0); /* the first one as soon as the loop runs: then we are in our sandbox */
	buf_free(&why);
	return d;
}

void
dnsbl_forget(struct dnsbl *d)
{
	dns_loop_forget(d->dns);
}
