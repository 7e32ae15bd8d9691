/*
 * spawner: a mailbox process for every login, as the mailboxes' owner.
 */
#ifndef POP3D_SPAWNER_H
#define POP3D_SPAWNER_H

#include "lib/store/conf.h"

struct spawner {
	const struct instance *inst;
	const struct conf *conf;
	int fd; /* where logins come from */
};
/* Serves until the other end is closed or SIGTERM; sessions end with it. The exit code. */
int spawner_run(struct spawner *);

#endif
