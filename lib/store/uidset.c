/*
 * uidset: UIDs in memory, by open addressing. Knows nothing of accounts and databases.
 */
#include "lib/store/uidset.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

#define ROOM_MIN 1024

/* FNV-1a, then mixed (splitmix64): the place is made of the upper bits. */
static uint64_t
hash_of(const struct uidset *u, struct span uid)
{
	uint64_t h = UINT64_C(14695981039346656037) ^ u->seed;

	for (size_t i = 0; i < uid.len; i++)
		h = (h ^ (unsigned char)uid.s[i]) * UINT64_C(1099511628211);
	h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
	h ^= h >> 31;
	return h == 0 ? 1 : h;
}

static uint32_t
fold(uint64_t octets)
{
	return (uint32_t)(octets ^ octets >> 32);
}

/* Where it is, or would be: there is always an empty place. */
static struct uidset_entry *
place(const struct uidset *u, uint64_t hash)
{
	/* As if hash / 2^64 were multiplied with the room; 32 bits of it are enough for that. */
	size_t i = (size_t)((hash >> 32) * u->room >> 32);

	while (u->v[i].hash != 0 && u->v[i].hash != hash)
		i = i + 1 == u->room ? 0 : i + 1;
	return &u->v[i];
}

/* Room for n at four fifths. */
static void
make_room(struct uidset *u, size_t n)
{
	struct uidset_entry *old = u->v;
	size_t room = u->room;

	u->room = n + n / 4 < ROOM_MIN ? ROOM_MIN : n + n / 4;
	u->v = mem_alloc(u->room, sizeof(*u->v));
	for (size_t i = 0; i < room; i++)
		if (old[i].hash != 0)
			*place(u, old[i].hash) = old[i];
	free(old);
}

void
uidset_init(struct uidset *u, size_t expected)
{
	*u = (struct uidset){ .seed = (uint64_t)arc4random() << 32 | arc4random() };
	make_room(u, expected + expected / 16 + ROOM_MIN); /* and some new ones */
}

void
uidset_free(struct uidset *u)
{
	free(u->v);
	*u = (struct uidset){ 0 };
}

void
uidset_add(struct uidset *u, struct span uid, uint64_t octets, unsigned flags)
{
	uint64_t hash = hash_of(u, uid);
	struct uidset_entry *e;

	if (u->count + u->count / 4 >= u->room - 1)
		make_room(u, u->count + u->count / 2);
	e = place(u, hash);
	u->count += e->hash == 0;
	*e = (struct uidset_entry){ .hash = hash, .size = fold(octets), .flags = flags & 15 };
}

struct uidset_entry *
uidset_find(const struct uidset *u, struct span uid)
{
	struct uidset_entry *e = place(u, hash_of(u, uid));

	return e->hash == 0 ? NULL : e;
}

bool
uidset_same_size(const struct uidset_entry *e, uint64_t octets)
{
	return e->size == fold(octets);
}
