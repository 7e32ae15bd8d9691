/*
 * fetch: everything new from one account, whatever protocol its provider speaks.
 *
 * Here is what the protocols have in common: the connection, what is to become of each message by its UID, the
 * message that comes in, the batch that becomes safe. fetch_pop3.c and fetch_imap.c have the dialogues.
 */
#ifndef COLLECTOR_FETCH_H
#define COLLECTOR_FETCH_H

#include "collector/account.h"
#include "collector/take.h"
#include "lib/net/dialogue.h"
#include "lib/store/state.h"

enum fetch_result { FETCH_OK, FETCH_FAILED, FETCH_AUTH_FAILED, FETCH_TLS_FAILED };
struct fetch_progress {
	uint64_t done, total;   /* messages to fetch */
	uint64_t octets;        /* received */
};
struct fetch_listener {
	void (*progress)(void *arg, const struct fetch_progress *); /* now and then */
	void (*round)(void *arg, struct state_run *); /* all is fetched, more is awaited (account->stay): what *run
	                                               * counts is complete, and begins anew */
	void *arg;
};
/*
 * One run. out->messages, octets, left and error are filled in whatever happens; what was taken before an
 * error is taken.
 */
enum fetch_result fetch_account(struct house *, struct account *, struct state *, struct state_run *out,
    const struct fetch_listener *);

struct fetch_probe { /* what a look at an account found */
	char tls[80];        /* version and cipher; "" */
	char mechanism[32];  /* of the login; "" when none was needed */
	uint64_t messages, octets;
	bool octets_known;
};
/* Connects, logs in, counts and leaves; fetches nothing. What was found is filled in as far as it came; error: why no
 * further. Not for protocols that fetch nothing (FETCH_FAILED). */
enum fetch_result fetch_look(struct house *, struct account *, struct state *, struct fetch_probe *, char *error,
    size_t room);

/* --- for the protocols ---------------------------------------------------- */

struct fetch {
	struct house *house;
	struct account *account;
	struct state *state;
	struct state_run *run;
	struct dialogue d;
	struct take take;
	char server[400];           /* for Received */
	struct buf why;             /* of a failure */
	bool auth_failed;           /* it was the login */
	bool tls_failed;            /* it was TLS, or the certificate */
	struct arena *arena;        /* for the whole run */
	uint64_t size_max;          /* octets of a message */
	uint64_t octets;            /* of the message that is coming in */
	char place[300];            /* "" or, where UIDs are those of a folder, its name and validity: "INBOX/17/" */
	bool suspect;               /* what fetch_plan() looked at last has failed before: ask for it behind all others */
	bool suspects;              /* some have */
	struct buf stays;           /* what the postmaster is to hear of (stays.c) */
	bool troubled;              /* one has now */
	/* The protocol's while it plans, or NULL: From and Subject of what fetch_plan() looks at, for a report. */
	void (*describe)(void *, struct buf *out);
	void *describe_arg;
	uint64_t batch_octets;
	struct fetch_progress progress;
	const struct fetch_listener *listener;
	struct fetch_probe *probe;  /* only look; NULL: a run */
	char mechanism[32];         /* that let us in */
};

/* The dialogue's steps: 0; -1 with f->why. Nothing is deleted upstream but what fetch_settle() or FETCH_DELETE allow. */
int fetch_pop3(struct fetch *);
int fetch_imap(struct fetch *);
int fetch_etrn(struct fetch *); /* RFC 1985: nothing comes this way, the provider connects to our smtpd */
int fetch_atrn(struct fetch *); /* RFC 2645: the connection turns round, and our smtpd serves it */

/* A protocol that stays (account->stay, IDLE) says so each time all is fetched and settled, before it waits; and when it
 * is woken: then the time limit of a run begins anew. */
void fetch_round(struct fetch *);
void fetch_woken(struct fetch *);
/* How long one answer may take, from now. */
deadline_ms fetch_patience(const struct fetch *);
/* Adds "what: text" to why. Always -1. */
int fetch_failed(struct fetch *, const char *what, struct span text);
/* To any address of the host, with TLS at once where the account says so. 0; -1 with why. */
int fetch_connect(struct fetch *) MUST_CHECK;
/* Once more from the start: nothing has been taken yet. */
int fetch_reconnect(struct fetch *) MUST_CHECK;
/* TLS behind the server's go-ahead. 0; -1 with why. */
int fetch_start_tls(struct fetch *) MUST_CHECK;

enum fetch_what {
	FETCH_LEAVE,  /* not wanted, or not now; counted and reported where that is due */
	FETCH_GET,
	FETCH_DELETE, /* it is here for long enough */
	FETCH_GONE    /* the upstream has confirmed the deletion (set by the protocol) */
};
/*
 * A whole listing: all messages of the account, or of its folder, are going to be planned; what is known of them is
 * read at once. _end only when the upstream told all. Without a listing each UID is looked up. 0; -1 with why.
 */
int fetch_listing_begin(struct fetch *) MUST_CHECK;
int fetch_listing_end(struct fetch *) MUST_CHECK;
/*
 * What is to become of a message. uid: what the state knows it by; "" when the server has none, or not one for it
 * alone. octets: as the server says (0: it does not). Counts max_messages, so ask once for each, in their
 * order. 0; -1 with why.
 */
int fetch_plan(struct fetch *, const char *uid, uint64_t octets, enum fetch_what *) MUST_CHECK;
/* The same for one that has been looked up (state_listed()). */
void fetch_plan_known(struct fetch *, const char *uid, uint64_t octets, enum state_uid known, int64_t since_s,
    enum fetch_what *);
/* May one that was first seen then be deleted upstream? */
bool fetch_keep_over(const struct fetch *, int64_t since_s);
/* From and Subject, for people. */
void fetch_describe(const struct sort_header *, struct buf *out);
/* It stays there, over the size limit: counted, and reported unless it has been before. */
void fetch_left_too_large(struct fetch *, const char *uid, uint64_t octets, bool known);
/* It stays there, the server does not hand it out: counted and logged, and fetch_trouble(). */
void fetch_left_refused(struct fetch *, const char *uid, uint64_t octets, struct span reply);
/*
 * This message has not come whole, or cannot be taken, through its own fault or the upstream's. The next run asks
 * for it last (suspect); if that fails, too, while others come, it is reported and left alone for
 * an hour, then two, up to a day. What the queue or the disk here refuses for now is none of its faults: then
 * this does nothing.
 */
void fetch_trouble(struct fetch *, const char *uid, uint64_t octets, struct span reason);
/* Is there a message that has failed and has no UID, so that the protocol should make one up? */
bool fetch_wants_uids(struct fetch *);
void fetch_no_trouble(struct fetch *); /* no, not any more; after a run without any */

/*
 * A message comes in: begin; its octets as they came, line ends CRLF; end. What is over the size limit is read and
 * dropped, twice that is a message without end. number is the caller's, for fetch_settle().
 * fetch_octets, fetch_end: 0; -1 with why: nothing more can be taken from this account now.
 */
void fetch_begin(struct fetch *);
int fetch_octets(struct fetch *, const char *, size_t) MUST_CHECK;
int fetch_end(struct fetch *, const char *uid, uint64_t listed, size_t number) MUST_CHECK;

/* Is it time to settle? last: no more messages are under way. */
bool fetch_batch_due(const struct fetch *, bool last);
/*
 * All that was taken becomes safe. Then safe(arg, number, over) for each message that is; over: keep= allows to
 * delete it upstream now. 0, or -1 with why, which ends it. 0; -1 with why.
 */
int fetch_settle(struct fetch *, int (*safe)(void *, size_t number, bool over), void *arg) MUST_CHECK;
/* The upstream has confirmed the deletion of these. 0; -1 with why. */
int fetch_deleted(struct fetch *, const struct span *uids, size_t n) MUST_CHECK;

#endif
