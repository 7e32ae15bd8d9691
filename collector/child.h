/*
 * child: the process that works on one account, so that an account that is slow, broken or hostile delays and harms
 * nobody else.
 */
#ifndef COLLECTOR_CHILD_H
#define COLLECTOR_CHILD_H

#include "collector/choice.h"
#include "collector/fetch.h"

struct report { /* what it tells its parent; one write each */
	enum { REPORT_PROGRESS, REPORT_ROUND, REPORT_END } kind; /* ROUND: all is fetched, it stays for more */
	struct fetch_progress progress;
	struct state_run run;
	int64_t ms;
	int64_t not_before_s; /* after trouble: when it may be tried again; 0 */
	bool waits;  /* nothing was done: it is to be left alone */
	bool joined; /* another process did it */
};

/* Starts it. *fd: reports come from there, then the end. The process ends with its parent, and after SIGTERM at the
 * next message, with all that is whole safe. */
struct child_how {
	bool stay;    /* with idle=yes it waits for more */
	bool at_once; /* although its login was refused, and it is to be left alone: a person asks */
};
pid_t child_start(struct house *, const struct chosen *, struct child_how, int *fd);
/* Waits for the end of the process, which is near. In words: how, if it was not by itself. */
void child_wait(pid_t, struct buf *how);

#endif
