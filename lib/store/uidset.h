/*
 * uidset: what is known of an account's UIDs, in memory for the time of one listing: 16 octets a UID.
 *
 * A UID is held as a hash of 64 bits, its size folded to 32: two UIDs of one million are taken for one with a chance of
 * 1 in 30 million, and then both count as doubled, unless they have the same size, too.
 */
#ifndef LIB_STORE_UIDSET_H
#define LIB_STORE_UIDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

enum {
	UIDSET_TAKEN = 1, /* it is here */
	UIDSET_OLD = 2,   /* ... for long enough to be deleted upstream */
	UIDSET_LEFT = 4,  /* it was left upstream, and that was reported */
	UIDSET_LISTED = 8
};
#define UIDSET_NUMBER_MAX ((1u << 28) - 1)
struct uidset_entry {
	uint64_t hash;  /* never 0 in use */
	uint32_t size;
	uint32_t flags : 4, number : 28; /* number: the caller's, of the one that was listed */
};
struct uidset {
	struct uidset_entry *v;
	size_t count, room, listed; /* listed: of those that were known before */
	uint64_t seed;
};
void uidset_init(struct uidset *, size_t expected);
void uidset_free(struct uidset *);
void uidset_add(struct uidset *, struct span uid, uint64_t octets, unsigned flags); /* an earlier one is replaced */
/* NULL: not in it. What is returned lasts until the next add. */
struct uidset_entry *uidset_find(const struct uidset *, struct span uid);
bool uidset_same_size(const struct uidset_entry *, uint64_t octets);

#endif
