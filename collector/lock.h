/*
 * lock: one process at a time works on an account.
 */
#ifndef COLLECTOR_LOCK_H
#define COLLECTOR_LOCK_H

#include "collector/account.h"

/* What another process did that had the lock when we came: nothing of ours (or there was none), our work, or it began it
 * and died. */
enum lock_other { LOCK_OTHER_NOTHING, LOCK_OTHER_DID, LOCK_OTHER_DIED };

/* To collect. Waits for another process, an hour at most. The lock, good as long as it is open; -1 with why. */
int lock_account(const struct house *, const char *name, enum lock_other *, struct buf *why) MUST_CHECK;
/* This process has collected: those who wait for it need not. */
void lock_done(int lock);
/* Does a process collect now? */
bool lock_at_work(const struct house *, const char *name);
/* This process keeps the lock while it waits for mail to come; whoever wants it may end it. */
void lock_stay(int lock);
/* Likewise, and a process that stays is told to end. */
int lock_claim(const struct house *, const char *name, struct buf *why) MUST_CHECK;

#endif
