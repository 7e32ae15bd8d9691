/*
 * run: accounts side by side, a process each.
 */
#ifndef COLLECTOR_RUN_H
#define COLLECTOR_RUN_H

#include "collector/account.h"

/* Collect from these accounts, or with n 0 from all, at most collect_parallel at once; a line an account on
 * standard output. 0, EX_TEMPFAIL when one or more failed, EX_USAGE for a name that is none. */
int run_accounts(struct house *, char *const *names, size_t n);
/* `collect --status`: the last run of each. */
int run_status(struct house *, char *const *names, size_t n);
/* `collect --explain FILE --account NAME`: what sorting makes of a message, and why. */
int run_explain(struct house *, const char *file, const char *account);

#endif
