/*
 * cache: what a slow hash said lately, so that a mail client's poll costs none.
 *
 * A verdict is remembered under HMAC(random key, mailbox + password + hash): the
 * table holds no password and nothing that could be tried offline without the
 * key, and a changed hash is a different question.
 */
#ifndef AUTH_CACHE_H
#define AUTH_CACHE_H

#include <stdbool.h>

#include "auth/table.h"

struct cache {
	uint8_t key[DIGEST_OCTETS];
	struct table verdicts;
};
enum verdict { VERDICT_UNKNOWN, VERDICT_RIGHT, VERDICT_WRONG };

void cache_init(struct cache *, uint64_t life_s); /* 0: remembers nothing */
/* The question's name in the table. */
void cache_key(const struct cache *, struct span mailbox, struct span password,
    struct span hash, uint8_t key[DIGEST_OCTETS]);
enum verdict cache_ask(struct cache *, const uint8_t key[DIGEST_OCTETS]) MUST_CHECK;
void cache_tell(struct cache *, const uint8_t key[DIGEST_OCTETS], bool right);

#endif
