/*
 * live: what goes on at this moment: sessions in each direction, mail that nobody has fetched.
 */
#ifndef MASTER_LIVE_H
#define MASTER_LIVE_H

#include <stdint.h>

#include "lib/store/instance.h"
#include "master/record.h"

struct live {
	uint64_t smtp, pop3;  /* connections to our listeners */
	uint64_t outgoing;    /* agents at work for other sites */
	uint64_t collecting;  /* accounts that a process works on */
	uint64_t unread;      /* messages in new/ of the mailboxes below the mail directory */
};
/* counts: what queued told, "name number" lines. */
void live_look(struct live *, const struct instance *, const struct record *, const struct process *, size_t n,
    struct span counts);

#endif
