/*
 * plan: which accounts there are, and when each is due. Reads the maps, the state and the clock; starts nothing.
 */
#ifndef COLLECTOR_PLAN_H
#define COLLECTOR_PLAN_H

#include "collector/account.h"

struct planned {
	char *name;
	struct schedule schedule;
	bool idle;            /* idle=yes */
	bool there;           /* in the maps; one that is not goes when its process has ended */
	bool fresh;           /* the entry is new, or another */
	uint32_t text_mark;   /* of the entry: has it changed? */
	int64_t last_s;       /* its last run began; 0: never */
	int64_t not_before_s; /* after trouble */
	bool queue_full;      /* when-queued: so many waited at the last look */
	int64_t due_s;        /* SCHEDULE_NEVER: only when asked for */
	/* for who works on it */
	pid_t pid;            /* 0: nobody */
	int fd;
	int64_t started_ms, heard_ms;
	bool stayed, ended;   /* it waited for mail; it told of its end */
	unsigned pauses;      /* how often in a row one that stays broke off soon */
};
struct plan {
	struct planned **v; /* each stays where it is */
	size_t n;
};

/* The accounts of the house's maps as they are now. changed: called for those of which the entry is another, or is
 * gone. Accounts that are new are due as soon as their schedule allows. */
void plan_read(struct plan *, struct house *, int64_t now_s, void (*changed)(void *, struct planned *), void *arg);
/* After a run, or when the clock was set: when is it due next? */
void plan_next(const struct plan *, struct planned *, int64_t now_s);
/* The one that has been due for the longest and that nobody works on; NULL. *next_s: when the next will be, if none is. */
struct planned *plan_due(const struct plan *, int64_t now_s, int64_t *next_s);
/* So many messages wait for going out: those whose when-queued has come to hold since the last time are due. */
void plan_queued(const struct plan *, uint64_t waiting, int64_t now_s);
bool plan_asks_queue(const struct plan *); /* is there a when-queued? */
void plan_link_up(const struct plan *, int64_t now_s); /* idle=yes: due at once */
void plan_forget(struct plan *, struct planned *); /* it is not there any more */
void plan_free(struct plan *);

#endif
