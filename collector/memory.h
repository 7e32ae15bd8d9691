/*
 * memory: what is known of an account's messages, shown to people, and forgotten when they say so.
 */
#ifndef COLLECTOR_MEMORY_H
#define COLLECTOR_MEMORY_H

#include "collector/account.h"

/* uids: also each UID. Another process may be collecting meanwhile. An exit code. */
int memory_show(struct house *, char *account, bool uids);
/* All of the account (sure: else only say what that means), or one UID. An exit code. */
int memory_forget(struct house *, char *account, const char *uid, bool sure);

#endif
