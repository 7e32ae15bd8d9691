/*
 * boxes: maildirs held open for the next message.
 *
 * A name may come to mean another directory (somebody moves a mailbox away and makes a new
 * one), so what is held is looked up anew after BOX_TRUST_MS.
 */
#ifndef DELIVER_BOXES_H
#define DELIVER_BOXES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/store/maildir.h"

#define BOX_TRUST_MS 2000
#define BOXES 256

struct box {
	char *root, *maildir; /* NULL: an empty place */
	int fd, new_fd;       /* new_fd -1: not opened yet */
	bool names_follow;    /* see file_names_follow() */
	struct maildir_keys keys;
	unsigned keys_calls;  /* the keys were read when queued had been called so often; 0: not yet */
	deadline_ms until;
};
struct boxes {
	struct box box[BOXES];
	dev_t dev;            /* the last file system asked, and its answer */
	bool asked, dev_follows;
};
void boxes_init(struct boxes *);
/* The mailbox, opened or made; valid until the next call. NULL with errno. */
struct box *boxes_open(struct boxes *, const char *root, const char *maildir) MUST_CHECK;
int box_sync_new(struct box *) MUST_CHECK; /* fsync its new/ */
void box_forget(struct box *); /* keeps errno */
void boxes_close(struct boxes *);

#endif
