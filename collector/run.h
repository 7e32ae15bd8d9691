/*
 * run: accounts side by side, a process each.
 */
#ifndef COLLECTOR_RUN_H
#define COLLECTOR_RUN_H

#include "collector/account.h"

/* Collect from these accounts, or with count 0 from all (but those of schedule=none, unless now), at most collect_parallel at once; a line an account on
 * standard output. While the link is down, only with names or now. 0, EX_TEMPFAIL when one or more failed, EX_USAGE for a name that is none. */
int run_accounts(struct house *, char *const *names, size_t count, bool now);
/* Waits until nobody collects, for so many seconds at most. 0, or EX_TEMPFAIL: somebody does. */
int run_settle(struct house *, uint64_t wait_s);

#endif
