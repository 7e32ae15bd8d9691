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
	bool patient; /* the other end may close before its sessions are over (inetd) */
};
/* Serves until the other end is closed or SIGTERM; sessions end with it, unless it is
 * patient and no SIGTERM came. The exit code. */
int spawner_run(struct spawner *);

#endif
