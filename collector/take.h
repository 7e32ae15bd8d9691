/*
 * take: a message comes in from an upstream, is sorted, and goes to the queue: a copy a person.
 *
 * The message streams through; only its header is held. What the queue has is noted in the state at
 * once, and settled in batches (take_settle): many messages, each synced, then one durable record.
 */
#ifndef COLLECTOR_TAKE_H
#define COLLECTOR_TAKE_H

#include "collector/account.h"
#include "collector/flights.h"
#include "lib/store/state.h"
#include "lib/wire/submit.h"

struct take_done { /* a message of the batch */
	char *uid;
	uint64_t listed; /* octets, as the upstream says */
	size_t number;   /* the caller's */
	int64_t since_s; /* when it was first seen, under whatever UID */
	bool failed;     /* the queue or the disk did not take a copy: it stays upstream */
	char *refusal;   /* the queue will never take it (5yz), and why; NULL */
	bool held;       /* in the hold area: nobody has got it */
	unsigned char digest[DIGEST_OCTETS];
	size_t flying;   /* copies that the queue has not answered for */
	char id[LIMIT_ID]; /* of the first copy, and what else the log is told when it is here */
	enum sort_class class;
	bool cut;
	char *rcpts, *evidence;
};
#define TAKE_BATCH 512        /* messages at most before they are settled */
#define TAKE_BATCH_COPIES 512 /* copies with their descriptors open meanwhile, or fewer; more are synced as they come */

struct take {
	struct house *house;
	struct account *account;
	struct state *state;
	struct submit *submit;   /* where the copy is written that is not in flight yet */
	int hold_dir;            /* state/collect/hold/ACCOUNT; -1 until it is needed */
	/* the message that is coming in */
	struct arena *arena;
	struct sort_header header;
	struct sort_result result;
	struct sort_digest *digest;
	struct buf raw;          /* the header, as it came */
	struct buf out;          /* not yet written */
	enum { TAKE_HEADER, TAKE_BODY, TAKE_REFUSED } at;
	bool cut;                /* the header was longer than what is read of it */
	bool cr;                 /* the last octet was a CR */
	bool begun;              /* first is open */
	bool held;               /* it goes to the hold area, not to the queue */
	int file;                /* where it is written: the queue's file, or the hold area's */
	size_t unwritten_head;   /* octets in out that stand above the message */
	size_t first;            /* the person of the first copy */
	uint64_t written, lines; /* octets and LFs of the message itself */
	uint64_t head, above, above_lines; /* octets of the mailbox's head; of all that stands above the message */
	bool refused;            /* nothing more can be taken */
	const char *server;      /* for Received */
	const size_t *assigned;  /* somebody decided: it is this person's; NULL: by the rules */
	const size_t *has_it;    /* one who needs no copy, for there is one; NULL */
	char error[256];
	/* the batch */
	struct take_done done[TAKE_BATCH];
	struct flights flights;
	struct flight_copy sync[TAKE_BATCH_COPIES]; /* those that have landed and are not yet known to be on disk */
	struct submit_kept kept[TAKE_BATCH_COPIES];
	size_t done_count, sync_count, sync_room;
};

void take_init(struct take *, struct house *, struct account *, struct state *, const char *server);
void take_free(struct take *);
/* A message begins; its octets (CRLF line ends, as they came); it is whole. After a failure (-1, take->error)
 * nothing more can be taken from this account now: the queue refuses, or the disk does. */
void take_begin(struct take *);
int take_octets(struct take *, const char *, size_t) MUST_CHECK;
int take_end(struct take *, const char *uid, uint64_t listed, size_t number) MUST_CHECK;
void take_abort(struct take *); /* it does not come whole */
/* Sync all and settle. Those of done[] that have not failed may now be deleted upstream. */
int take_settle(struct take *) MUST_CHECK;
void take_rest(struct take *); /* nothing is under way: let go of what only serves speed */
void take_next_batch(struct take *); /* done[] has been looked at */

#endif
