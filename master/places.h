/*
 * places: the directories of an instance, with their owners and modes. setup makes them, check
 * compares.
 */
#ifndef MASTER_PLACES_H
#define MASTER_PLACES_H

#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/store/instance.h"

struct place {
	const char *path;
	const char *user, *group; /* as root; "root" or one of ours */
	mode_t mode;
};
#define PLACES_MAX 16
/* Into out, ended by path NULL; the strings live as long as the instance. */
void places_list(const struct instance *, struct place out[PLACES_MAX]);
/* Owner and group by number: ours when we are not root. 0; -1 with why: no such user. */
int place_ids(const struct place *, uid_t *, gid_t *, struct buf *why) MUST_CHECK;
/* Make what is missing, with its parents. 1: made, 0: it was there, -1 with why. */
int place_make(const struct place *, struct buf *why) MUST_CHECK;
/* 0: as it should be; -1 with why and how to mend it. */
int place_check(const struct place *, struct buf *why) MUST_CHECK;

#endif
