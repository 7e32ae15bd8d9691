/*
 * purge: the mail of somebody who is deleted goes too.
 */
#ifndef AUTH_PURGE_H
#define AUTH_PURGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/mem.h"
#include "lib/store/instance.h"

struct purge {
	pid_t pid; /* of a process that is the mailboxes' owner */
	int fd;
};
/* Find out, by the maps in force, where the mail of address lies. */
void purge_begin(struct purge *, const struct instance *, const char *address);
/* Remove it. False: something is left. Without this call nothing is removed. */
bool purge_finish(struct purge *) MUST_CHECK;

/* A directory with all in it. False: something is left. */
bool purge_directory(const char *path) MUST_CHECK;

#endif
