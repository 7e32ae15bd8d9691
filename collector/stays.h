/*
 * stays: messages that are left at the provider: too large, failing, refused here. fetch.h has what the protocols
 * tell of them.
 */
#ifndef COLLECTOR_STAYS_H
#define COLLECTOR_STAYS_H

#include "collector/fetch.h"

#define STAYS_MAX 16384 /* octets of a letter's list */

/* Of a message that is to be fetched: has it failed before? Sets f->suspect; *what becomes FETCH_LEAVE for a while. */
void stays_consider(struct fetch *, const char *uid, uint64_t octets, enum fetch_what *what);
/* It has come. */
void stays_came(struct fetch *, const char *uid);
/* It has been read, and is over the limit. */
void stays_found_too_large(struct fetch *, const char *uid, uint64_t listed);
/* The queue will never take it. */
void stays_refused_here(struct fetch *, const struct take_done *);
/* The postmaster hears of what was left for the first time; once, in one letter. */
void stays_tell(struct fetch *);

#endif
