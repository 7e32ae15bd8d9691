/*
 * pool: the processes that terminate TLS, one connection each at a time.
 *
 * All wait at the same socket. The parent sees to it that a few are free, up to a limit; one that crashes takes its
 * own connection with it and no other. With new certificates the free ones are replaced at once,
 * the others when their connection ends.
 */
#ifndef TLS_POOL_H
#define TLS_POOL_H

#include <stdbool.h>
#include <stddef.h>

#define POOL_SPARE_MIN 4
#define POOL_SPARE_MAX 32
#define POOL_REUSE 200   /* connections that a process serves */

struct pool_shared;      /* what the processes tell the parent */
struct pool {
	int listen_fd;   /* non-blocking */
	size_t max;      /* processes */
	void (*enter)(void *arg);         /* in the new process, first */
	void (*serve)(void *arg, int fd); /* takes fd */
	void *arg;
	/* pool.c's own */
	struct pool_shared *shared;
	int busy[2];     /* pipe: an octet when a process becomes busy */
	bool full_told;
};
void pool_open(struct pool *);
/* Readable when somebody should call pool_tend(); also call it after SIGCHLD. */
int pool_fd(const struct pool *);
/* Bury the dead, start what is missing. */
void pool_tend(struct pool *);
/* From now on nobody new is served by a process that exists now. */
void pool_renew(struct pool *);
/* End all: the free at once, the busy after their connection, at most grace_ms. */
void pool_close(struct pool *, int grace_ms);

#endif
