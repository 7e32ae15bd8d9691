/*
 * box: the fallback's mailbox in the hands of a process of its own, which is the mailboxes' owner and shut into these
 * directories. Whoever sorts again gets descriptors to read from, and may have a message removed that now is elsewhere.
 */
#ifndef COLLECTOR_BOX_H
#define COLLECTOR_BOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/store/conf.h"

struct box_place {
	const char *root, *maildir; /* maildir relative to root */
};
struct box {
	int fd;
	pid_t pid;
};
#define BOX_NAME 512 /* octets of a message's name in a box, NUL included */

/* Starts the process. As root call it before the drop; everything else is safe after it. */
void box_open(struct box *, const struct conf *, const struct box_place *, size_t n);
void box_close(struct box *);
/* Messages in new/ and cur/, oldest first, as they were at box_open(); one whose queue ID this is. *fd is the caller's.
 * 1; 0: none, or no more; -1 with why. */
int box_next(struct box *, char name[BOX_NAME], int *fd, struct buf *why) MUST_CHECK;
int box_find(struct box *, const char *id, char name[BOX_NAME], int *fd, struct buf *why) MUST_CHECK;
/* Its flags may have changed meanwhile, and it may be gone. 0; -1 with why. */
int box_remove(struct box *, const char *name, struct buf *why) MUST_CHECK;
/* The queue ID in a name; empty if it has none. */
struct span box_id(const char *name);

#endif
