/*
 * lock: one process at a time works on an account.
 */
#ifndef COLLECTOR_LOCK_H
#define COLLECTOR_LOCK_H

#include "collector/account.h"

/* Waits for another process, an hour at most. The lock, good as long as it is open; -1 with why. *joined: there was
 * another process, and it has just done the work. */
int lock_account(const struct house *, const char *name, bool *joined, struct buf *why) MUST_CHECK;
/* This process keeps the lock while it waits for mail to come; whoever wants it may end it. */
void lock_stay(int lock);
/* Likewise, and a process that stays is told to end. */
int lock_claim(const struct house *, const char *name, struct buf *why) MUST_CHECK;

#endif
