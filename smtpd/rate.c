/*
 * rate: a bucket a key, in memory that all workers share (the generic cell rate algorithm: one number a key).
 *
 * Knows keys and times. Forgets everything with the service, which is fine for limits of an hour.
 */
#include "smtpd/rate.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sysexits.h>

#include "lib/base/log.h"

#define PLACES 16384u
#define TRIED 16u /* places a key may have */
#define HOUR_MS 3600000

struct place {
	_Atomic uint64_t key; /* 0: free */
	_Atomic int64_t full; /* when the bucket is as if nothing had come; over: the place is free */
};
struct rate {
	struct place places[PLACES];
};

struct rate *
rate_new(void)
{
	// cppcheck-suppress invalidFunctionArg
	void *m = mmap(NULL, sizeof(struct rate), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (m == MAP_FAILED)
		fatal(EX_OSERR, "cannot map memory for the counters of messages");
	return m;
}

static uint64_t
hash(const char *kind, const char *key)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (const char *p = kind; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(1099511628211);
	for (const char *p = key; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(1099511628211);
	h ^= h >> 29;
	return h == 0 ? 1 : h;
}

/* The key's place: where it is, else one that nobody needs any more. NULL: all are busy. */
static struct place *
find(struct rate *r, uint64_t key, int64_t now)
{
	struct place *free_one = NULL;

	for (unsigned i = 0; i < TRIED; i++) {
		struct place *p = &r->places[(key + i) % PLACES];

		if (atomic_load(&p->key) == key)
			return p;
		if (free_one == NULL && atomic_load(&p->full) <= now)
			free_one = p;
	}
	if (free_one != NULL)
		atomic_store(&free_one->key, key);
	return free_one;
}

bool
rate_take(struct rate *r, const char *kind, const char *key, uint64_t per_hour, int64_t now_ms)
{
	int64_t each = (int64_t)(HOUR_MS / per_hour), before, after;
	struct place *p = find(r, hash(kind, key), now_ms);

	if (p == NULL)
		return true;
	before = atomic_load(&p->full);
	do {
		after = (before > now_ms ? before : now_ms) + each;
		if (after > now_ms + HOUR_MS)
			return false;
	} while (!atomic_compare_exchange_weak(&p->full, &before, after));
	return true;
}
