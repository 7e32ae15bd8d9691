/*
 * wake: upstreams that keep our mail until they are asked for it the old way: by finger, by a letter, by a command.
 */
#ifndef COLLECTOR_WAKE_H
#define COLLECTOR_WAKE_H

#include "collector/account.h"

struct wake_result {
	enum { WAKE_NOTHING, WAKE_DONE, WAKE_FAILED } what;
	struct buf text; /* what was done and what came of it, printable, or why it failed */
};
void wake_result_init(struct wake_result *);
void wake_result_free(struct wake_result *);
/*
 * Do as wake= of the account says, and log it. A command is run and a letter is put into the queue outside a sandbox,
 * finger is asked inside one: call it twice. WAKE_NOTHING: there is nothing to do on this side.
 */
void wake_account(struct house *, struct account *, bool inside, struct wake_result *);
/* finger: "user@host" or "user@host:port". */
void wake_finger(struct house *, const char *name, const char *target, struct wake_result *);

#endif
