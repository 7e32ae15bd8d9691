/*
 * reach: what programs have in common that connect to other people's servers: how long they wait there, whom they trust, who
 * they say they are, and what they may read for it.
 */
#ifndef DELIVER_REACH_H
#define DELIVER_REACH_H

#include "deliver/hops.h"
#include "deliver/smtp.h"
#include "lib/store/conf.h"
#include "lib/sys/sandbox.h"

struct reach {
	struct smtp_limits limits;
	struct hops_self self;
};
/* Points into the settings. */
void reach_init(struct reach *, const struct conf *, uint64_t connect_s, uint64_t command_s);
/* The resolver's files, and whom to trust. */
void reach_sandbox(struct sandbox *, const struct conf *);

#endif
