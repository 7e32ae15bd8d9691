/*
 * allowance: a mailbox's quota at delivery: is there room, and who hears of it.
 *
 * A full mailbox defers (452 4.2.2) until quota_grace has gone by, then refuses (552 5.2.2); its owner is warned by a letter
 * put straight into it when a delivery passes 80 and 95 percent.
 */
#ifndef DELIVER_ALLOWANCE_H
#define DELIVER_ALLOWANCE_H

#include "deliver/agent.h"
#include "lib/store/conf.h"
#include "router/router.h"

struct allowance {
	const struct mailbox *mailbox;
	int maildir_fd;
	const char *full_dir; /* state/full */
	struct quota use;     /* before the delivery */
};
/* True: deliver (also where nobody can count). False: the recipient has its outcome. */
bool allowance_ask(struct allowance *, const struct conf *, struct job *, struct job_rcpt *);
/* The message is there: it counts, and the owner may have to hear of it. */
void allowance_take(const struct allowance *, const struct conf *, const struct job *);

#endif
