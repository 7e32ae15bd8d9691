/*
 * sites: the destinations that mail goes to, keyed by router_nexthop()'s text.
 *
 * Decides whose turn it is: sites take turns, and within a site messages do, a job at a time; so
 * neither a bulk mailing nor a slow site delays the rest. Knows nothing of agents or envelopes.
 */
#include <stdlib.h>
#include <string.h>

#include "queue/queued.h"

void
sites_init(struct sites *s)
{
	for (size_t i = 0; i < SITE_BUCKETS; i++)
		LIST_INIT(&s->bucket[i]);
	for (size_t i = 0; i < KIND_COUNT; i++)
		TAILQ_INIT(&s->turn[i]);
	s->count = s->down = 0;
}

static size_t
bucket_of(enum kind kind, const char *text)
{
	uint32_t h = 2166136261u ^ (uint32_t)kind;

	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	return (h ^ h >> 16) % SITE_BUCKETS;
}

struct site *
sites_get(struct sites *s, enum kind kind, const char *text, unsigned most)
{
	size_t at = bucket_of(kind, text);
	struct site *site;

	LIST_FOREACH(site, &s->bucket[at], same)
		if (site->kind == kind && strcmp(site->text, text) == 0)
			return site;
	site = mem_alloc(1, sizeof *site);
	site->text = mem_dup(text);
	site->kind = kind;
	site->window = site->most = most;
	TAILQ_INIT(&site->parts);
	LIST_INSERT_HEAD(&s->bucket[at], site, same);
	s->count++;
	return site;
}

/* A site stands in the round exactly while it has work and room for it. */
static void
take_place(struct sites *s, struct site *site)
{
	bool may = !TAILQ_EMPTY(&site->parts) && site->busy < site->window && !site->shut;

	if (may == site->in_turn)
		return;
	site->in_turn = may;
	if (may)
		TAILQ_INSERT_TAIL(&s->turn[site->kind], site, turn);
	else
		TAILQ_REMOVE(&s->turn[site->kind], site, turn);
}

void
site_add(struct sites *s, struct part *p)
{
	TAILQ_INSERT_TAIL(&p->site->parts, p, turn);
	take_place(s, p->site);
}

void
site_take_back(struct sites *s, struct part *p)
{
	if (p->given >= p->count)
		return;
	p->given = p->count;
	TAILQ_REMOVE(&p->site->parts, p, turn);
	take_place(s, p->site);
}

struct site *
sites_next(struct sites *s, enum kind kind)
{
	return TAILQ_FIRST(&s->turn[kind]);
}

void
site_given(struct sites *s, struct site *site, struct part *p)
{
	site->busy++;
	TAILQ_REMOVE(&site->parts, p, turn);
	if (p->given < p->count)
		TAILQ_INSERT_TAIL(&site->parts, p, turn);
	/* Behind all others. */
	if (site->in_turn)
		TAILQ_REMOVE(&s->turn[site->kind], site, turn);
	site->in_turn = false;
	take_place(s, site);
}

void
site_free(struct sites *s, struct site *site)
{
	site->busy--;
	take_place(s, site);
}

void
site_well(struct sites *s, struct site *site)
{
	if (site->failures > 0)
		s->down--;
	site->failures = 0;
	site->down_until = 0;
	if (site->window < site->most)
		site->window++;
	take_place(s, site);
}

void
site_down(struct sites *s, struct site *site, int64_t now, int64_t wait_s, const char *last)
{
	if (site->failures++ == 0)
		s->down++;
	site->down_until = now + wait_s;
	site->window = 1; /* the next one only tries the door */
	free(site->last);
	site->last = mem_dup(last);
	take_place(s, site);
}

void
site_shut(struct sites *s, struct site *site, bool shut)
{
	site->shut = shut;
	take_place(s, site);
}

void
sites_up(struct sites *s)
{
	struct site *site;

	for (size_t i = 0; i < SITE_BUCKETS; i++)
		LIST_FOREACH(site, &s->bucket[i], same)
			site->down_until = 0;
}

/* Sites without work are forgotten; one that was down, when it has not been asked for as long again. */
void
sites_sweep(struct sites *s, int64_t now)
{
	struct site *site, *next;

	for (size_t i = 0; i < SITE_BUCKETS; i++) {
		for (site = LIST_FIRST(&s->bucket[i]); site != NULL; site = next) {
			next = LIST_NEXT(site, same);
			if (!TAILQ_EMPTY(&site->parts) || site->busy > 0 ||
			    (site->failures > 0 && site->down_until + 86400 > now))
				continue;
			if (site->failures > 0)
				s->down--;
			LIST_REMOVE(site, same);
			s->count--;
			free(site->text);
			free(site->last);
			free(site);
		}
	}
}
