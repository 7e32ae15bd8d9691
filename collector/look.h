/*
 * look: `collect --test ACCOUNT`, for posthouse upstream test: does it work?
 */
#ifndef COLLECTOR_LOOK_H
#define COLLECTOR_LOOK_H

#include "collector/account.h"

/* Logs in, counts, fetches nothing; says on standard output what it found. 0; EX_TEMPFAIL; EX_USAGE: no such account. */
int look_at_account(struct house *, char *name);

#endif
