/*
 * cache: what a slow hash said lately. Knows verdicts and their keys; not who
 * asks, nor what follows.
 */
#include "auth/cache.h"

#include <stdlib.h>

#define CACHE_MAX 16384 /* verdicts, about 120 octets each */

struct entry {
	struct table_item item;
	enum verdict verdict;
};

void
cache_init(struct cache *c, uint64_t life_s)
{
	arc4random_buf(c->key, sizeof(c->key));
	table_init(&c->verdicts, life_s == 0 ? 0 : CACHE_MAX,
	    sizeof(struct entry), (int64_t)life_s * 1000);
}

void
cache_key(const struct cache *c, struct span mailbox, struct span password,
    struct span hash, uint8_t key[DIGEST_OCTETS])
{
	const struct span parts[] = { mailbox, password, hash };

	digest_hmac(c->key, parts, COUNT(parts), key);
}

enum verdict
cache_ask(struct cache *c, const uint8_t key[DIGEST_OCTETS])
{
	struct entry *e = table_find(&c->verdicts, key);

	return e == NULL ? VERDICT_UNKNOWN : e->verdict;
}

/* The time runs from the verification, not from its last use: conf.auth_cache
 * is a promise that a verdict is never older. */
void
cache_tell(struct cache *c, const uint8_t key[DIGEST_OCTETS], bool right)
{
	struct entry *e;

	if (c->verdicts.max == 0)
		return;
	e = table_find(&c->verdicts, key);
	if (e == NULL)
		e = table_add(&c->verdicts, key);
	if (e != NULL)
		e->verdict = right ? VERDICT_RIGHT : VERDICT_WRONG;
}
