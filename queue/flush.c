/*
 * flush: what waits for one domain is tried now (ETRN, RFC 1985).
 *
 * A record knows hardly more than its ID, so envelopes are read, a few milliseconds at a time between other work; and
 * not those whose record says already that they are for somebody else.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/sys/file.h"
#include "queue/queued.h"

#define SEARCHES_MAX 16
#define SLICE_MS 5     /* of reading before other work has its turn */
#define ANSWER_MS 1000 /* then whoever asked is told that the search goes on */

enum { LOOK = 0, NOWHERE = 1, HASHED = 2 };

struct search {
	struct queued *q;
	struct submitter *asked; /* awaits the number; NULL: no more */
	char domain[LIMIT_DOMAIN + 1];
	bool below;
	uint32_t hash;
	size_t bucket;           /* the next of the records' */
	size_t found;
	int64_t began;
	struct event *turn;
	struct arena *arena;
	LIST_ENTRY(search) link;
};

/* --- domains ------------------------------------------------------------- */

static const char *
domain_of(const char *address)
{
	const char *at = strrchr(address, '@');

	return at == NULL ? "" : at + 1;
}

static uint32_t
hash(const char *domain)
{
	uint32_t h = 2166136261u;

	for (; *domain != '\0'; domain++)
		h = (h ^ (uint32_t)ascii_lower((unsigned char)*domain)) * 16777619u;
	return h | HASHED;
}

uint32_t
flush_domain(const struct envelope *e)
{
	uint32_t only = NOWHERE;

	for (size_t i = 0; i < e->rcpt_count; i++) {
		uint32_t h = e->rcpts[i].action == RCPT_RELAY ? hash(domain_of(e->rcpts[i].address)) : only;

		if (only != NOWHERE && h != only)
			return LOOK;
		only = h;
	}
	return only;
}

static bool
is_meant(const struct search *s, const struct env_rcpt *r)
{
	const char *domain = domain_of(r->address);
	size_t n = strlen(domain), wanted = strlen(s->domain);

	if (r->action != RCPT_RELAY || !rcpt_is_open(r))
		return false;
	if (strcasecmp(domain, s->domain) == 0)
		return true;
	return s->below && n > wanted + 1 && domain[n - wanted - 1] == '.' &&
	    strcasecmp(domain + n - wanted, s->domain) == 0;
}

/* --- one message --------------------------------------------------------- */

/* Where it goes is not left alone any longer. */
static void
open_site(struct search *s, const struct envelope *e, const struct env_rcpt *r)
{
	struct buf why = BUF_INIT(512);
	struct nexthop hop;

	if (router_nexthop(&s->q->router, e->sender, r->address, r->action, s->arena, &hop, NULL, &why) == 0 &&
	    hop.kind != NEXTHOP_LOCAL)
		sites_get(&s->q->sites, KIND_REMOTE, hop.text, (unsigned)s->q->conf.site_concurrency)->down_until = 0;
	buf_free(&why);
}

static bool
may_be_meant(const struct search *s, const struct record *r)
{
	if ((r->flags & HELD) != 0 || r->domain == NOWHERE)
		return false;
	return s->below || r->domain == LOOK || r->domain == s->hash;
}

/* Sites first: a message that is tried while they are down would wait again. */
static void
look(struct search *s, struct record *r)
{
	int fd = files_open_envelope(&s->q->spool, r, O_RDONLY);
	struct buf why = BUF_INIT(512);
	struct envelope e;
	bool meant = false;

	arena_reset(s->arena);
	if (fd != -1 && envelope_read(fd, s->arena, &e, &why) == 0) {
		r->domain = flush_domain(&e);
		for (size_t i = 0; i < e.rcpt_count; i++) {
			if (!is_meant(s, &e.rcpts[i]))
				continue;
			open_site(s, &e, &e.rcpts[i]);
			meant = true;
		}
	}
	s->found += meant;
	if (meant && r->work == NULL)
		records_schedule(&s->q->records, r, 0);
	buf_free(&why);
	file_close(fd);
}

/* --- all of them --------------------------------------------------------- */

static void
tell(struct search *s, int64_t messages)
{
	struct submitter *asked = s->asked;

	s->asked = NULL;
	if (asked != NULL)
		submitter_retrying(asked, messages);
}

static void
finish(struct search *s)
{
	log_event(EV_QUEUE_FLUSH, LS("domain", s->domain), LS("below", s->below ? "yes" : ""), LN("messages", s->found),
	    LN("ms", clock_mono_ms() - s->began));
	tell(s, (int64_t)s->found);
	LIST_REMOVE(s, link);
	event_free(s->turn);
	arena_free(s->arena);
	free(s);
}

/* Buckets that split meanwhile are seen twice at worst, none is missed. */
static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval at_once = { 0, 0 };
	struct search *s = arg;
	struct queued *q = s->q;
	int64_t until = clock_mono_ms() + SLICE_MS;

	(void)fd, (void)what;
	for (; s->bucket < q->records.buckets && clock_mono_ms() < until; s->bucket++)
		for (struct record *r = q->records.bucket[s->bucket]; r != NULL; r = r->next)
			if (may_be_meant(s, r))
				look(s, r);
	if (s->bucket >= q->records.buckets) {
		finish(s);
	} else {
		if (clock_mono_ms() - s->began > ANSWER_MS)
			tell(s, -1);
		evtimer_add(s->turn, &at_once);
	}
	messages_due(q);
}

bool
flush_begin(struct queued *q, struct submitter *asked, const char *domain, bool below)
{
	struct search *s;
	size_t n = 0;

	LIST_FOREACH(s, &q->searches, link)
		n++;
	if (n >= SEARCHES_MAX)
		return false;
	s = mem_alloc(1, sizeof *s);
	s->q = q;
	s->asked = asked;
	strlcpy(s->domain, domain, sizeof s->domain);
	s->below = below;
	s->hash = hash(s->domain);
	s->began = clock_mono_ms();
	s->arena = arena_new();
	s->turn = evtimer_new(q->base, on_turn, s);
	LIST_INSERT_HEAD(&q->searches, s, link);
	router_refresh(&q->router);
	event_active(s->turn, EV_TIMEOUT, 0);
	return true;
}

void
flush_forget(struct queued *q, const struct submitter *asked)
{
	struct search *s;

	LIST_FOREACH(s, &q->searches, link)
		if (s->asked == asked)
			s->asked = NULL;
}
