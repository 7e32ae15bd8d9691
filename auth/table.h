/*
 * table: records found by a digest, bounded in number and in time.
 *
 * A record begins with struct table_item. When the table is full, the one that
 * was used longest ago makes room, unless it is pinned. Records are wiped when
 * they go: some hold secrets.
 */
#ifndef AUTH_TABLE_H
#define AUTH_TABLE_H

#include <stdint.h>
#include <sys/queue.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/mail/digest.h"

struct table_item {
	uint8_t key[DIGEST_OCTETS]; /* a keyed digest or random: the buckets stay even */
	deadline_ms until;
	unsigned pins; /* > 0: somebody points at it */
	SLIST_ENTRY(table_item) chain;
	TAILQ_ENTRY(table_item) used;
};

struct table {
	size_t max, count, record_octets;
	int64_t life_ms;
	SLIST_HEAD(table_chain, table_item) * buckets;
	size_t bucket_mask;
	TAILQ_HEAD(, table_item) used; /* the longest unused first */
};

void table_init(struct table *, size_t max, size_t record_octets, int64_t life_ms);
/* NULL: it is not there, or its time is over. */
void *table_find(struct table *, const uint8_t key[DIGEST_OCTETS]) MUST_CHECK;
/* A new zeroed record for a key that is not there; NULL: full of pinned ones. */
void *table_add(struct table *, const uint8_t key[DIGEST_OCTETS]) MUST_CHECK;
/* It was used: it stays a whole life longer. */
void table_renew(struct table *, void *record);
void table_remove(struct table *, void *record);
void table_free(struct table *);

#endif
