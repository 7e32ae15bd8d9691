/*
 * records: what is remembered of a message that waits: its ID, when it is due, hardly more.
 *
 * Records come in slabs, found by a hash of the ID; those with a time stand in a heap. A million of them is
 * 64 MB.
 */
#include <stdlib.h>
#include <string.h>

#include "queue/queued.h"

#define SLAB 1024

static size_t
hash(const char *id)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *id != '\0'; id++)
		h = (h ^ (unsigned char)*id) * UINT64_C(1099511628211);
	return (size_t)(h ^ h >> 32);
}

static void
grow(struct records *r)
{
	size_t buckets = r->buckets == 0 ? SLAB : r->buckets * 2;
	struct record **fresh = mem_alloc(buckets, sizeof(struct record *));

	for (size_t i = 0; i < r->buckets; i++) {
		for (struct record *next, *rec = r->bucket[i]; rec != NULL; rec = next) {
			size_t at = hash(rec->id) & (buckets - 1);

			next = rec->next;
			rec->next = fresh[at];
			fresh[at] = rec;
		}
	}
	free(r->bucket);
	r->bucket = fresh;
	r->buckets = buckets;
}

/* A record from the slabs, which are never given back: a queue that was long will be so again. */
static struct record *
take(struct records *r)
{
	struct record *rec;

	if (r->spare == NULL) {
		struct record *slab = mem_alloc(SLAB, sizeof *slab);

		for (size_t i = 0; i < SLAB; i++) {
			slab[i].next = r->spare;
			r->spare = &slab[i];
		}
	}
	rec = r->spare;
	r->spare = rec->next;
	return rec;
}

struct record *
records_add(struct records *r, const char *id)
{
	struct record *rec = take(r);
	size_t at;

	if (r->count == r->buckets)
		grow(r);
	memset(rec, 0, sizeof *rec);
	strlcpy(rec->id, id, sizeof rec->id);
	rec->place = NO_PLACE;
	at = hash(rec->id) & (r->buckets - 1);
	rec->next = r->bucket[at];
	r->bucket[at] = rec;
	r->count++;
	return rec;
}

struct record *
records_find(const struct records *r, const char *id)
{
	struct record *rec;

	if (r->buckets == 0)
		return NULL;
	for (rec = r->bucket[hash(id) & (r->buckets - 1)]; rec != NULL; rec = rec->next)
		if (strcmp(rec->id, id) == 0)
			break;
	return rec;
}

void
records_remove(struct records *r, struct record *rec)
{
	struct record **at = &r->bucket[hash(rec->id) & (r->buckets - 1)];

	records_unschedule(r, rec);
	if ((rec->flags & HELD) != 0)
		r->held--;
	while (*at != rec)
		at = &(*at)->next;
	*at = rec->next;
	rec->next = r->spare;
	r->spare = rec;
	r->count--;
}

/* --- the heap: nobody is due earlier than who stands above -------------- */

static void
put(struct records *r, size_t place, struct record *rec)
{
	r->heap[place] = rec;
	rec->place = (uint32_t)place;
}

static void
sift(struct records *r, size_t at, struct record *rec)
{
	size_t child;

	while (at > 0 && r->heap[(at - 1) / 2]->due > rec->due) {
		put(r, at, r->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	while ((child = 2 * at + 1) < r->heap_count) {
		if (child + 1 < r->heap_count && r->heap[child + 1]->due < r->heap[child]->due)
			child++;
		if (r->heap[child]->due >= rec->due)
			break;
		put(r, at, r->heap[child]);
		at = child;
	}
	put(r, at, rec);
}

void
records_schedule(struct records *r, struct record *rec, int64_t due)
{
	rec->due = due < 0 ? 0 : due > UINT32_MAX ? UINT32_MAX : (uint32_t)due;
	if (rec->place == NO_PLACE) {
		if (r->heap_count == r->heap_cap) {
			r->heap_cap = r->heap_cap == 0 ? SLAB : r->heap_cap * 2;
			r->heap = mem_grow(r->heap, r->heap_cap, sizeof(struct record *));
		}
		rec->place = (uint32_t)r->heap_count++;
	}
	sift(r, rec->place, rec);
}

void
records_unschedule(struct records *r, struct record *rec)
{
	size_t at = rec->place;
	struct record *last;

	if (at == NO_PLACE)
		return;
	rec->place = NO_PLACE;
	last = r->heap[--r->heap_count];
	if (last != rec)
		sift(r, at, last);
}

struct record *
records_first(const struct records *r)
{
	return r->heap_count == 0 ? NULL : r->heap[0];
}
