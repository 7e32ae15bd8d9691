/*
 * state: what the collector must remember: state/collect/collect.db, an SQLite file (DESIGN section 6), and
 * ACCOUNT.notes beside it. The only module that knows SQLite.
 *
 * A message goes through two stages. Noted: the queue has it, but it may not be on disk yet; the note survives
 * the death of this process, but after a reboot it is not believed. Settled: it is on disk, and so is
 * the note of it. Only what is settled may be deleted upstream.
 *
 * What is known of UIDs belongs to a box: an account's only one, or a folder of it (state_box()).
 *
 * Functions that fail say why in the log (program.warning) and return -1.
 */
#ifndef LIB_STORE_STATE_H
#define LIB_STORE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/limits.h"

#define STATE_DIGEST_OCTETS 32
#define STATE_DIGEST_DAYS 90 /* kept since the message was last seen */
#define STATE_GONE_DAYS 90   /* a UID is kept since it was last listed */
#define STATE_GONE_LISTINGS 3 /* ... and missing in so many whole listings on different days */

struct state;
/* dir/collect.db, made if it is missing (dir must be there), or brought to this version's form. Several processes may
 * have it open. NULL with why. */
struct state *state_open(const char *dir, struct buf *why) MUST_CHECK;
void state_close(struct state *);
/* Tests have a clock of their own. */
void state_set_clock(struct state *, int64_t (*now_s)(void));

/*
 * The process that works on an account (one at a time) calls this first, and notes for this account alone: notes
 * that another left behind in this boot are made true by sync(2) and settled, older ones forgotten. Ends with
 * state_run_save().
 */
int state_recover(struct state *, const char *account) MUST_CHECK;
/* May the queue have copies of which we know nothing? An earlier run on the account was cut off. */
bool state_doubtful(const struct state *);

/*
 * What follows about UIDs means this folder of the account from now on; without it, and for "", the only one. A
 * folder that has another validity than before (IMAP's UIDVALIDITY) has lost its UIDs.
 */
int state_box(struct state *, const char *account, const char *folder, uint64_t validity) MUST_CHECK;
/*
 * All UIDs of the box are going to be asked for, in whatever order: holds what is known in memory (16 octets a UID)
 * until the end. Those first seen before old_s are STATE_UID_OLD. _end: the listing was whole: what has been missing
 * for long is forgotten. _drop: it was not.
 */
int state_listing_begin(struct state *, const char *account, int64_t old_s) MUST_CHECK;
int state_listing_end(struct state *, const char *account) MUST_CHECK;
void state_listing_drop(struct state *);

enum state_uid {
	STATE_UID_NEW,
	STATE_UID_TAKEN,  /* it is here; what is still upstream needs deleting or keeping, not fetching */
	STATE_UID_OLD,    /* it is here for long; within a listing only */
	STATE_UID_LEFT,   /* reported and left there before (too large) */
	STATE_UID_DOUBLED /* asked for twice within a listing: it says nothing about either message */
};
/* octets: as the upstream lists it. A UID whose message has another size now was given to another message: it is
 * new. *since_s: when it was first seen; 0 within a listing. -1: error. */
int state_uid(struct state *, const char *account, struct span uid, uint64_t octets, enum state_uid *out,
    int64_t *since_s) MUST_CHECK;
/* The same, within a listing only. number: the caller's, below 2^28; *first: what it was when the UID was asked for
 * before (DOUBLED). */
void state_listed(struct state *, struct span uid, uint64_t octets, uint32_t number, enum state_uid *out,
    uint32_t *first);
/* 1: this user has got this message from this account; 0: not, and will get it now; -1: error. */
int state_seen(struct state *, const char *account, const char *user,
    const unsigned char digest[STATE_DIGEST_OCTETS]) MUST_CHECK;
/* The queue has the user's copy. */
int state_note_digest(struct state *, const char *account, const char *user,
    const unsigned char digest[STATE_DIGEST_OCTETS]) MUST_CHECK;
/* The delivery key of this copy: the same one gives the same key (lib/store/envelope.h). */
void state_key(struct state *, const char *account, const char *user, const unsigned char digest[STATE_DIGEST_OCTETS],
    char out[LIMIT_KEY]);
/* Everything that is to be done with the message of this UID is noted. since_s: when it was first seen. digest: it is
 * kept for as long as the UID is listed; NULL: not known. */
int state_note_uid(struct state *, const char *account, struct span uid, uint64_t octets, int64_t since_s,
    const unsigned char *digest) MUST_CHECK;
/* When anybody first got this message from this account; now, when nobody has. */
int64_t state_first_seen(struct state *, const char *account, const unsigned char digest[STATE_DIGEST_OCTETS]);
/* Take both kinds of notes back: the disk refused. */
int state_forget(struct state *, const char *account, const char *user,
    const unsigned char digest[STATE_DIGEST_OCTETS], struct span uid) MUST_CHECK;
/* All notes of the account become settled, durably. */
int state_settle(struct state *, const char *account) MUST_CHECK;
int state_left(struct state *, const char *account, struct span uid, uint64_t octets) MUST_CHECK;
/* The upstream has confirmed these deletions: what comes under such a UID again is new. */
int state_deleted(struct state *, const char *account, const struct span *uids, size_t n) MUST_CHECK;
/*
 * What else was learned about an upstream: a short text by name. Those whose name begins with STATE_FACT_FADING are
 * forgotten with the digests. 1: it is known, added to value; 0: not; -1. Setting NULL forgets it.
 */
#define STATE_FACT_FADING "message "
int state_fact(struct state *, const char *account, const char *name, struct buf *value, int64_t *since_s) MUST_CHECK;
int state_fact_set(struct state *, const char *account, const char *name, const char *value) MUST_CHECK;
/* Forget digests that were not seen for STATE_DIGEST_DAYS, nor their UIDs listed. */
int state_expire(struct state *, const char *account) MUST_CHECK;

/* A consistent copy of the database file from, which programs may be using, as the new file to. 0;
 * -1 with why. */
int state_copy(const char *from, const char *to, struct buf *why) MUST_CHECK;

struct state_run {
	int64_t started_s, ended_s;
	uint64_t messages, octets, left; /* taken; left there (too large, over max_messages) */
	char error[256];                 /* "" when all went well */
	bool postponed;                  /* some were left for the next run; not saved */
};
/* The end of what began with state_recover(), or of a round of it: more may follow. Or of a run that did not get that
 * far. */
int state_run_save(struct state *, const char *account, const struct state_run *) MUST_CHECK;
/* 1: there was one; 0: never; -1. */
int state_run_last(struct state *, const char *account, struct state_run *) MUST_CHECK;

/* --- for people ------------------------------------------------------------ */

struct state_summary {
	uint64_t digests, oldest_digest_s, generation;
	uint64_t noted;  /* messages whose settling is due: of a run that goes on, or was cut off */
	bool known;      /* there is something about this account */
	bool doubtful;   /* the next run will ask whether copies are here already */
};
struct state_box_summary {
	const char *folder;
	uint64_t validity;
	int64_t listed_s;                  /* the last whole listing; 0: none yet */
	uint64_t listed, taken, left, gone; /* gone: of taken and left, missing in listings */
};
struct state_uid_line {
	struct span uid;
	uint64_t octets;
	int64_t since_s, gone_s; /* gone_s 0: it is listed */
	bool left;
};
int state_summary(struct state *, const char *account, struct state_summary *) MUST_CHECK;
int state_each_box(struct state *, const char *account, void (*)(void *, const struct state_box_summary *), void *)
    MUST_CHECK;
int state_each_uid(struct state *, const char *account, const char *folder,
    void (*)(void *, const struct state_uid_line *), void *) MUST_CHECK;
/* Forget all that is known about the account but its last run, or one UID with its message's digest: what is still
 * upstream comes again. 1: done; 0: there was nothing; -1. */
int state_drop_account(struct state *, const char *account) MUST_CHECK;
int state_drop_uid(struct state *, const char *account, const char *folder, struct span uid) MUST_CHECK;

#endif
