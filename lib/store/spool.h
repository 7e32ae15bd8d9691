/*
 * spool: the directories of the queue (DESIGN section 4): IDs, files, moves. Knows names, not
 * content (envelope.c does).
 */
#ifndef LIB_STORE_SPOOL_H
#define LIB_STORE_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/limits.h"
#include "lib/base/buf.h"

struct spool {
	int root, new_fd, cur_fd, env_fd, hold_fd, bad_fd, tmp_fd;
	bool names_follow; /* fsync of a file commits its fresh name too */
};
int spool_open(struct spool *, const char *dir, struct buf *why) MUST_CHECK; /* makes what is missing */
/* A fresh ID: time-ordered, unique over processes, restarts and hosts; lower-case base32 without
 * confusable letters. */
void spool_id(char out[LIMIT_ID]);
bool spool_id_valid(const char *);
/* A valid ID becomes the smallest one of so many seconds before. */
void spool_id_earlier(char id[LIMIT_ID], unsigned seconds);
/* ... functions for link, move to cur, hold, release, remove, scan: see spool.c's owner. */

#endif
