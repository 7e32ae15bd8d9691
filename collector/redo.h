/*
 * redo: a message that lies in the fallback's mailbox goes to somebody else after all: by better rules (replay), by
 * somebody's decision (assign).
 *
 * Nothing is lost and nothing doubled, whenever it is cut off: first the copies go the way of every collected message
 * and are settled, with their digests; only then is the one in the fallback's mailbox removed. Begun again, who has got
 * it already gets it no more.
 */
#ifndef COLLECTOR_REDO_H
#define COLLECTOR_REDO_H

#include "collector/box.h"
#include "collector/choice.h"
#include "collector/mark.h"
#include "collector/take.h"

/* A message as it lies there. */
struct stored {
	char name[BOX_NAME];
	int fd;
	uint64_t size;
	struct buf top;    /* what is read of it: our head and the header, or the beginning of it */
	struct mark mark;
};
/* Fills in what is read; takes the descriptor. False: it is not one that a collector of this site (NULL: any) put there. */
bool stored_open(struct stored *, const char *site, int fd, const char *name);
void stored_close(struct stored *);
/* Its header, as it came. */
void stored_header(const struct stored *, struct arena *, struct sort_header *out);

/* The mailboxes here where the account's fallback gets its mail. Room for max; the number. */
size_t redo_places(struct house *, const struct account *, struct arena *, struct box_place *, size_t max);

struct redo {
	struct account *account;
	struct state *state;
	struct box *box;
	struct take take;
	int lock;
	struct redone {
		char name[BOX_NAME];
		bool keep; /* the fallback is one of those who are right */
	} v[TAKE_BATCH];
};
/* The account is this process's until redo_end(). Then no more files can be opened. 0; -1 with why. */
int redo_begin(struct redo *, struct house *, struct account *, struct box *, struct buf *why) MUST_CHECK;
/* Give it to this person, or with NULL to whom the rules say. keep: it stays in the fallback's mailbox, who is one of them
 * (and not the only one). 0; -1 with why. */
int redo_message(struct redo *, struct stored *, const size_t *person, bool keep, struct buf *why) MUST_CHECK;
/* All of them are safe, and gone from the fallback's mailbox. 0; -1 with why. */
int redo_settle(struct redo *, struct buf *why) MUST_CHECK;
void redo_end(struct redo *);

#endif
