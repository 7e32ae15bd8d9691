/*
 * herald: notices to the postmaster, one after the other, each by a process of its own: whoever waits for the queue must
 * not keep those waiting who want a token.
 */
#ifndef AUTH_HERALD_H
#define AUTH_HERALD_H

#include <event2/event.h>
#include <sys/queue.h>

#include "router/notice.h"

struct herald_item {
	char *account, *cause, *subject, *text; /* cause NULL: nobody asks whether it was sent */
	TAILQ_ENTRY(herald_item) next;
};
struct herald {
	struct event_base *base;
	struct router *router;
	const char *submit_path;
	void (*sent)(void *, const char *account, const char *cause);
	void *arg;
	pid_t pid; /* 0: nobody is on the way */
	struct event *again;
	TAILQ_HEAD(, herald_item) items; /* the first is on its way */
};

/* base, router, submit_path, sent and arg are set. */
void herald_open(struct herald *);
void herald_close(struct herald *);
/* What was to be told of this account with another cause, and has not gone, is not told any more. */
void herald_tell(struct herald *, const char *account, const char *cause, const char *subject, const char *text);
/* On SIGCHLD. */
void herald_reap(struct herald *);

#endif
