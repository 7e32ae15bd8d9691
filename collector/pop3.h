/*
 * pop3: one session with a provider's POP3 server; what its parts share.
 *
 * pop3_session.c speaks and hears, pop3_login.c gets us in, pop3_list.c finds out what is there, fetch_pop3.c
 * fetches and deletes.
 */
#ifndef COLLECTOR_POP3_H
#define COLLECTOR_POP3_H

#include "collector/fetch.h"
#include "collector/pop3_reply.h"

#define POP3_WINDOW 256 /* messages asked for ahead when the server pipelines */

/* 24 octets: there may be a million. */
struct pop3_message {
	uint64_t octets;      /* as LIST says */
	const char *uid;      /* "": the server has none, or not one for it alone; NULL: it is known and stays */
	uint32_t number;
	unsigned char what;   /* enum fetch_what */
	unsigned char known;  /* enum state_uid, when looked_up */
	bool looked_up : 1;
	bool ours : 1;        /* the UID is made by us (pop3_list.c) */
	bool suspect : 1;     /* it has failed before */
};

struct pop3_expected { /* an answer to come */
	enum { POP3_RETR, POP3_DELE, POP3_NOOP } command;
	size_t message;
};

struct pop3 {
	struct fetch *f;
	struct dialogue *d;   /* f's */
	char timestamp[256];  /* of the greeting, for APOP */
	bool capa_known;
	struct pop3_capa capa;
	bool pipelining;      /* several commands at a time */
	bool unannounced;     /* ... because it was tried, not because the server says so */
	struct pop3_message *messages;
	size_t count, room;
	struct pop3_expected expected[2 * TAKE_BATCH]; /* room for a batch's DELEs behind a full window */
	size_t expected_first, expected_count;
	size_t next;          /* message to ask for */
	size_t asked;         /* RETRs under way */
	size_t at;            /* the message whose answer is due; NOT_ONE */
	struct arena *uids;   /* of messages */
	size_t fresh, later;  /* new ones of this listing; those that another listing must bring */
	size_t undeleted;     /* DELEs that were refused */
	const struct pop3_message *planned; /* what fetch_plan() looks at */
	size_t described;     /* messages over the size limit */
	bool broken;          /* the session, over describing one */
	bool all_need_uids;   /* pop3_list.c makes up what the server does not give */
};
#define POP3_NO_MESSAGE SIZE_MAX

/* --- pop3_session.c ------------------------------------------------------- */

int pop3_failed(struct pop3 *, const char *what, struct span text); /* -1, why is set */
/* A command; the reply's status. POP3_STRANGE: none, and why is set. *text is valid until the next call. */
void pop3_say(struct pop3 *, const char *, ...) PRINTF_LIKE(2, 3);
enum pop3_status pop3_hear(struct pop3 *, struct span *text);
/* A line of a listing: 1; 0 at its end; -1. */
int pop3_hear_line(struct pop3 *, struct span *line);
/* The text behind RETR's or TOP's +OK, to its end, piece by piece into sink. 0; -1. */
int pop3_hear_text(struct pop3 *, int (*sink)(void *, const char *, size_t), void *arg);
/* Is what the server says next a status line? It is not taken. 0; -1: no, and why is set. */
int pop3_peek_status(struct pop3 *);
/* Header and so many lines of a message, into *out; no more than fits. 1; 0: refused; -1. */
int pop3_top(struct pop3 *, uint32_t number, unsigned lines, struct buf *out);
int pop3_hear_top(struct pop3 *, struct buf *out); /* its answer alone */

/* --- steps: 0; -1 with why ------------------------------------------------ */

int pop3_greeting(struct pop3 *);
int pop3_ask_capabilities(struct pop3 *);
int pop3_upgrade(struct pop3 *); /* STLS, where the account says so */
int pop3_login(struct pop3 *);
int pop3_list(struct pop3 *);

#endif
