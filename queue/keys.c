/*
 * keys: the delivery keys of late: what was taken already is not taken twice.
 *
 * A submitter that is killed between COMMIT and our answer cannot know, and comes again with the same key. The newest
 * KEYS are remembered, in a ring; what is in the spool when queued starts is read from there. Older ones, and those of
 * mail that was delivered before an earlier queued ended, are found by their names in mailboxes (envelope.again).
 */
#include <stdlib.h>
#include <string.h>

#include "queue/queued.h"

#define NONE UINT32_MAX

static uint32_t *
bucket(struct keys *k, const char *key)
{
	uint32_t h = 2166136261u;

	for (; *key != '\0'; key++)
		h = (h ^ (unsigned char)*key) * 16777619u;
	return &k->bucket[h % KEYS];
}

static void
unhash(struct keys *k, uint32_t i)
{
	uint32_t *at = bucket(k, k->ring[i].key);

	while (*at != i)
		at = &k->ring[*at].next;
	*at = k->ring[i].next;
	k->ring[i].key[0] = '\0';
}

struct key *
keys_find(struct keys *k, const char *key)
{
	uint32_t i = k->ring == NULL ? NONE : *bucket(k, key);

	while (i != NONE && strcmp(k->ring[i].key, key) != 0)
		i = k->ring[i].next;
	return i == NONE ? NULL : &k->ring[i];
}

void
keys_add(struct keys *k, const char *key, const char *id, bool taken)
{
	struct key *e;
	uint32_t *at;

	if (k->ring == NULL) {
		k->ring = mem_alloc(KEYS, sizeof *k->ring);
		memset(k->bucket, 0xff, sizeof k->bucket);
	}
	e = &k->ring[k->next];
	if (e->key[0] != '\0')
		unhash(k, k->next);
	strlcpy(e->key, key, sizeof e->key);
	strlcpy(e->id, id, sizeof e->id);
	e->taken = taken;
	at = bucket(k, key);
	e->next = *at;
	*at = k->next;
	k->next = (k->next + 1) % KEYS;
}

void
keys_taken(struct keys *k, const char *key)
{
	struct key *e = *key == '\0' ? NULL : keys_find(k, key);

	if (e != NULL)
		e->taken = true;
}

void
keys_forget(struct keys *k, const char *id)
{
	for (uint32_t i = 0; k->ring != NULL && i < KEYS; i++)
		if (k->ring[i].key[0] != '\0' && strcmp(k->ring[i].id, id) == 0)
			unhash(k, i);
}

void
keys_free(struct keys *k)
{
	free(k->ring);
	k->ring = NULL;
}
