/*
 * pool: the processes that terminate TLS.
 *
 * All wait at the same socket. A connection gets a process of its own while there are no more connections than
 * processes may be; beyond that they are spread evenly: every process takes up to a *level*, which the parent raises
 * when all are full. A process that crashes takes its own connections with it and no others. With new certificates
 * all are replaced: the idle at once, the others when their last connection has ended.
 */
#ifndef TLS_POOL_H
#define TLS_POOL_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/mem.h"

#define POOL_SPARE_MIN 4
#define POOL_SPARE_MAX 32
#define POOL_REUSE 200   /* connections after which an idle process is replaced */

struct pool;
struct pool_shared;      /* what the processes tell the parent, and it them */
struct slot;
struct seat {            /* of a process in the pool */
	const struct pool *pool;
	struct pool_shared *shared;
	struct slot *slot;
	int busy;        /* pipe to the parent */
	size_t served;
	bool leaving;
	sigset_t awake;  /* signals come in only where this is the mask */
};
struct pool {
	int listen_fd;   /* non-blocking */
	size_t max;      /* processes that take connections; as many again may be ending theirs */
	size_t connections; /* in all of them */
	void (*work)(void *arg, struct seat *); /* in the new process */
	void *arg;
	/* pool.c's own */
	struct pool_shared *shared;
	size_t slot_count, most; /* of level */
	int busy[2];     /* pipe: an octet when a process has no room any more */
	bool full_told;
};
void pool_open(struct pool *);
/* Readable when somebody should call pool_tend(); also call it after SIGCHLD. */
int pool_fd(const struct pool *);
/* Bury the dead, start what is missing, raise or lower the level. */
void pool_tend(struct pool *);
/* From now on nobody new is served by a process that exists now. false: too many still end what they
 * have from the last times; ask again later. */
bool pool_renew(struct pool *) MUST_CHECK;
/* End all: the idle at once, the others after their connections, at most grace_ms. */
void pool_close(struct pool *, int grace_ms);

/* --- for a process of the pool, which has count connections --- */
void seat_count(struct seat *, size_t count); /* one more or one less */
bool seat_open(const struct seat *, size_t count) MUST_CHECK; /* may it take one more? */
void seat_totals(const struct seat *, size_t *connections, size_t *processes); /* of the whole pool */
bool seat_kept(struct seat *, size_t count) MUST_CHECK; /* false, from then on: it takes no more, and ends after its last */

#endif
