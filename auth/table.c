/*
 * table: records found by a digest, bounded in number and in time.
 *
 * Knows keys, lives and room; what the records mean is their owners' business
 * (cache.c, penalty.c, ticket.c).
 */
#include "auth/table.h"

#include <stdlib.h>
#include <string.h>

static struct table_chain *
bucket(struct table *t, const uint8_t *key)
{
	uint64_t n;

	memcpy(&n, key, sizeof(n));
	return &t->buckets[n & t->bucket_mask];
}

void
table_init(struct table *t, size_t max, size_t record_octets, int64_t life_ms)
{
	size_t n = 16;

	while (n < max)
		n *= 2;
	t->buckets = mem_alloc(n, sizeof(*t->buckets));
	t->bucket_mask = n - 1;
	t->max = max;
	t->count = 0;
	t->record_octets = record_octets;
	t->life_ms = life_ms;
	TAILQ_INIT(&t->used);
}

void *
table_find(struct table *t, const uint8_t key[DIGEST_OCTETS])
{
	struct table_item *it;

	SLIST_FOREACH(it, bucket(t, key), chain)
		if (digest_same(it->key, key, DIGEST_OCTETS))
			break;
	if (it == NULL)
		return NULL;
	if (it->pins == 0 && deadline_over(it->until)) {
		table_remove(t, it);
		return NULL;
	}
	return it;
}

void *
table_add(struct table *t, const uint8_t key[DIGEST_OCTETS])
{
	struct table_item *it;

	if (t->count >= t->max) {
		TAILQ_FOREACH(it, &t->used, used)
			if (it->pins == 0)
				break;
		if (it == NULL)
			return NULL;
		table_remove(t, it);
	}
	it = mem_alloc(1, t->record_octets);
	memcpy(it->key, key, DIGEST_OCTETS);
	it->until = deadline_in(t->life_ms);
	SLIST_INSERT_HEAD(bucket(t, key), it, chain);
	TAILQ_INSERT_TAIL(&t->used, it, used);
	t->count++;
	return it;
}

void
table_renew(struct table *t, void *record)
{
	struct table_item *it = record;

	it->until = deadline_in(t->life_ms);
	TAILQ_REMOVE(&t->used, it, used);
	TAILQ_INSERT_TAIL(&t->used, it, used);
}

/* No list knows it any more. */
static void
wipe(const struct table *t, struct table_item *it)
{
	explicit_bzero(it, t->record_octets);
	free(it);
}

void
table_remove(struct table *t, void *record)
{
	struct table_item *it = record;

	SLIST_REMOVE(bucket(t, it->key), it, table_item, chain);
	TAILQ_REMOVE(&t->used, it, used);
	t->count--;
	wipe(t, it);
}

void
table_free(struct table *t)
{
	struct table_item *it, *next;

	TAILQ_FOREACH_SAFE(it, &t->used, used, next)
		wipe(t, it);
	TAILQ_INIT(&t->used);
	t->count = 0;
	free(t->buckets);
	t->buckets = NULL;
}
