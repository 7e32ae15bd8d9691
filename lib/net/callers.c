/*
 * callers: who has connections here, counted by address, by network and by minute.
 *
 * Counts; what is too much is for the gate to say. Who is gone is remembered for a minute at most, and at most
 * IDLE_MAX of them, so that a storm of addresses costs little memory.
 */
#include "lib/net/callers.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define IDLE_MAX 20000
#define MINUTE_MS 60000

/* FNV-1a: callers cannot choose addresses at will, and connections are counted anyway. */
static size_t
bucket(const uint8_t *key, size_t len, size_t buckets)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ key[i]) * 16777619u;
	return hash % buckets;
}

void
callers_init(struct callers *c, bool rates)
{
	memset(c, 0, sizeof(*c));
	c->rates = rates;
	TAILQ_INIT(&c->idle);
}

static struct network *
network_find(struct callers *all, const struct ip *ip)
{
	uint8_t key[7] = { ip->v6 ? 6 : 4 };
	struct network *n;
	size_t at;

	memcpy(key + 1, ip->octets, ip->v6 ? 6 : 3);
	at = bucket(key, sizeof(key), COUNT(all->networks));
	LIST_FOREACH(n, &all->networks[at], next)
		if (memcmp(n->key, key, sizeof(key)) == 0)
			return n;
	n = mem_alloc(1, sizeof(*n));
	memcpy(n->key, key, sizeof(key));
	LIST_INSERT_HEAD(&all->networks[at], n, next);
	return n;
}

static struct caller *
caller_find(struct callers *all, const struct ip *ip)
{
	uint8_t key[9] = { ip->v6 ? 6 : 4 };
	struct caller *c;
	size_t at;

	memcpy(key + 1, ip->octets, ip->v6 ? 8 : 4);
	at = bucket(key, sizeof(key), COUNT(all->table));
	LIST_FOREACH(c, &all->table[at], next)
		if (memcmp(c->key, key, sizeof(key)) == 0)
			return c;
	c = mem_alloc(1, sizeof(*c));
	memcpy(c->key, key, sizeof(key));
	c->network = network_find(all, ip);
	c->network->callers++;
	LIST_INSERT_HEAD(&all->table[at], c, next);
	return c;
}

static void
forget(struct caller *c)
{
	if (--c->network->callers == 0) {
		LIST_REMOVE(c->network, next);
		free(c->network);
	}
	LIST_REMOVE(c, next);
	free(c);
}

static void
idle_remove(struct callers *all, struct caller *c)
{
	TAILQ_REMOVE(&all->idle, c, idler);
	all->idle_count--;
}

static void
idle_tidy(struct callers *all, int64_t now)
{
	struct caller *c;

	while ((c = TAILQ_FIRST(&all->idle)) != NULL &&
	    (all->idle_count > IDLE_MAX || now - c->since_ms >= MINUTE_MS)) { // NOLINT(clang-analyzer-unix.Malloc): those before have left the list
		idle_remove(all, c); // NOLINT(clang-analyzer-unix.Malloc)
		forget(c);
	}
}

static void
count_minute(struct callers *all, struct caller *c)
{
	int64_t now = clock_mono_ms();

	if (c->came == 0 || now - c->since_ms >= MINUTE_MS) {
		c->since_ms = now;
		c->came = 0;
	}
	c->came++;
	idle_tidy(all, now);
}

struct caller *
caller_enter(struct callers *all, const struct ip *ip)
{
	struct caller *c = caller_find(all, ip);

	if (c->count == 0 && c->came > 0)
		idle_remove(all, c);
	c->count++;
	c->network->count++;
	all->connections++;
	if (all->rates)
		count_minute(all, c);
	return c;
}

void
caller_leave(struct callers *all, struct caller *c)
{
	all->connections--;
	c->network->count--;
	if (--c->count > 0)
		return;
	if (!all->rates) {
		forget(c);
		return;
	}
	TAILQ_INSERT_TAIL(&all->idle, c, idler);
	all->idle_count++;
	idle_tidy(all, clock_mono_ms());
}
