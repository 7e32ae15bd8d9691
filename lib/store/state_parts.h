/*
 * state_parts: what the parts of the state module share.
 *
 *   state_db.c       the database: opening, its form and earlier forms, copies
 *   state_notes.c    ACCOUNT.notes
 *   state.c          messages: UIDs, digests, notes that become settled
 *   state_listing.c  all UIDs of a box at once
 *   state_show.c     for people
 */
#ifndef LIB_STORE_STATE_PARTS_H
#define LIB_STORE_STATE_PARTS_H

#include <sqlite3.h>
#include <sys/types.h>

#include "lib/store/state.h"
#include "lib/store/uidset.h"

#define DAY_S 86400

enum query {
	Q_ACCOUNT, Q_NEW_ACCOUNT, Q_CLEAN, Q_EXPIRED, Q_BOX, Q_NEW_BOX, Q_BOX_VALIDITY, Q_EMPTY_BOX, Q_BOX_LISTED, Q_BOX_SWEPT, Q_SWEPT,
	Q_UID, Q_ALL_UIDS, Q_PUT_UID, Q_DELETED, Q_BACK, Q_MISSING, Q_STILL_MISSING, Q_PRUNE,
	Q_SEEN, Q_PUT_DIGEST, Q_SEE_DIGEST, Q_FIRST_SEEN, Q_EXPIRE, Q_FADING, Q_OLD_DIGESTS,
	Q_SAVE_RUN, Q_LAST_RUN, Q_FACT, Q_SET_FACT, Q_DROP_FACT, Q_EXPIRE_FACTS,
	Q_COUNT
};

struct note {
	enum note_kind { NOTE_NONE, NOTE_DIGEST = 'd', NOTE_UID = 'u', NOTE_AGAIN } kind; /* AGAIN: seen again; not written */
	bool has_digest;
	unsigned char digest[STATE_DIGEST_OCTETS];
	char *name; /* the user, or the UID */
	uint64_t octets;
	int64_t since_s; /* of a UID: when the message was first seen */
	int64_t box;     /* of a UID */
};

struct state {
	sqlite3 *db;
	sqlite3_stmt *ready[Q_COUNT];
	char boot[40]; /* this run of the kernel */
	char *dir;
	int64_t (*now)(void);
	/* the account asked for last */
	char *name;
	int64_t account, box, generation, expired_s;
	char clean_boot[40]; /* in which a run on it last came to a good end */
	/* notes of the account that state_recover() was asked for */
	int notes_fd;
	off_t mark;          /* octets of the line that says that a run is going on */
	struct buf unwritten;
	struct note *notes;
	size_t note_count, note_room;
	uint64_t asked;      /* copies that were to be taken and are not noted: what became of them is not known */
	bool doubtful;
	/* a listing */
	bool listing;
	struct uidset set;
	size_t set_known;
	uint64_t listed;
	int64_t listed_s, listed_box, swept_s; /* listed_s: of a whole one, not yet written; 0: none */
	uint64_t listed_last;      /* messages in that */
};

/* state_db.c */
int state_complain(struct state *);
int state_execute(struct state *, const char *sql) MUST_CHECK;
int state_begin(struct state *) MUST_CHECK;
int state_commit(struct state *, int rv) MUST_CHECK; /* rv -1: take all back; always -1 then */
/* A statement; ?1 is the number. */
sqlite3_stmt *state_start(struct state *, enum query, int64_t);
sqlite3_stmt *state_start_for(struct state *, enum query, const char *account); /* ?1 is the account's name */
void state_bind(sqlite3_stmt *, int at, const void *, size_t);
void state_bind_text(sqlite3_stmt *, int at, const char *);
int state_run_it(struct state *, sqlite3_stmt *) MUST_CHECK; /* gives no row */
int state_fetch(struct state *, sqlite3_stmt *) MUST_CHECK;  /* 1: a row (the caller resets), 0: none, -1 */
/* s->account and s->box become this account's; it is made when it is missing. */
int state_use(struct state *, const char *account) MUST_CHECK;

/* state_notes.c */
struct note *state_find_note(struct state *, enum note_kind, struct span name, const unsigned char *digest);
struct note *state_keep_note(struct state *, enum note_kind, struct span name);
int state_write_note(struct state *, char sign, const struct note *) MUST_CHECK;
int state_flush_notes(struct state *) MUST_CHECK;
void state_drop_notes(struct state *);
char *state_notes_path(const struct state *, const char *account) MUST_CHECK;
/* Of a file as it lies there; *any: there is anything in it at all. Sets s->mark. */
int state_read_notes(struct state *, const char *file, bool *any) MUST_CHECK;

/* state.c */
int state_save_listing(struct state *) MUST_CHECK; /* the last whole one, if that is not done yet */

/* state_listing.c */
int state_listing_functions(struct state *) MUST_CHECK;

#endif
