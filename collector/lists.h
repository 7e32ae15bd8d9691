/*
 * lists: mailing lists whose mail went to the fallback because no list= names them: counted, and told to the postmaster
 * once a week.
 */
#ifndef COLLECTOR_LISTS_H
#define COLLECTOR_LISTS_H

#include "collector/account.h"
#include "lib/store/state.h"

#define LISTS_EVERY_S (7 * 24 * 3600)

/* A message of this list has gone there. */
void lists_note(struct account *, const char *id);
/* Add what was noted to the state; tell, if a week has passed since the first of them. */
void lists_settle(struct house *, struct account *, struct state *);

#endif
