/*
 * replay: what went to the fallback is sorted again, after the rules were improved.
 */
#ifndef COLLECTOR_REPLAY_H
#define COLLECTOR_REPLAY_H

#include "collector/account.h"

/* `collect --replay ACCOUNT`: a line for each message of this account that lies in the fallback's mailbox. dry: only
 * say what would be done. As root: becomes the collector for good. The exit code. */
int replay_account(struct house *, char *name, bool dry);

#endif
