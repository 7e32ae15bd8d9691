/*
 * imap_parts: what the files of the IMAP client share; nobody else includes it.
 *
 * fetch_imap.c has the order of things, imap_talk.c commands and answers, imap_login.c the way in, imap_folder.c
 * a folder and what is new in it, imap_message.c messages on their way, imap_delete.c their end there, imap_idle.c
 * the waiting.
 */
#ifndef COLLECTOR_IMAP_PARTS_H
#define COLLECTOR_IMAP_PARTS_H

#include "collector/fetch.h"
#include "collector/imap_name.h"
#include "collector/imap_reply.h"

#define IMAP_PENDING 64 /* commands under way */
#define IMAP_AHEAD 24   /* ... of one kind */
#define IMAP_SET_MAX 8000 /* octets of a set of UIDs */

struct imap;
enum imap_end { IMAP_OK, IMAP_NO, IMAP_BAD };
struct imap_command { /* under way */
	unsigned tag;
	int (*done)(struct imap *, const struct imap_command *, enum imap_end); /* 0; -1 with why */
	size_t first, last; /* what it is about; for done */
};

enum imap_capability {
	IMAP_REV1 = 1 << 0, IMAP_REV2 = 1 << 1, IMAP_STARTTLS = 1 << 2, IMAP_LOGINDISABLED = 1 << 3,
	IMAP_LITERAL_PLUS = 1 << 4, IMAP_LITERAL_MINUS = 1 << 5, IMAP_SASL_IR = 1 << 6, IMAP_IDLE = 1 << 7,
	IMAP_UIDPLUS = 1 << 8, IMAP_MOVE = 1 << 9, IMAP_CONDSTORE = 1 << 10
};

struct imap_message { /* what is new in a stretch of a folder, by UID */
	uint32_t uid;
	enum imap_fate {
		IMAP_LEAVE,   /* nothing is to be done any more */
		IMAP_LARGE,   /* it stays there */
		IMAP_LATER,   /* to be looked at in the next run */
		IMAP_GET, IMAP_ASKED, IMAP_ARRIVED,
		IMAP_DOOMED,  /* to be deleted */
		IMAP_COPIED,  /* ... there is a copy in the other folder */
		IMAP_MARKED,  /* the server knows, but has not done it */
		IMAP_GONE
	} fate;
	bool suspect; /* it has failed before */
	uint64_t octets;
};

struct imap_folder { /* the one that is open */
	const char *name;       /* in UTF-8 */
	uint32_t validity, next; /* UIDVALIDITY, UIDNEXT; 0: unknown */
	uint64_t modseq;        /* HIGHESTMODSEQ; 0: unknown */
	uint64_t exists;
	bool read_only, fickle; /* fickle: UIDs do not last */
	bool grown;             /* messages have come since it was opened */
};

struct imap {
	struct fetch *f;
	struct imap_reply reply;
	/* commands */
	char prefix[5];         /* tags begin with these letters, which no sender can know */
	unsigned tag;           /* the last */
	struct imap_command pending[IMAP_PENDING];
	size_t pending_count;
	struct buf line;        /* the command that is being written; LF: a literal begins */
	bool unsayable;         /* ... it holds what no command can */
	bool answered, go_on;   /* a command without done has ended; "+" came */
	enum imap_end end;
	struct buf text, code;  /* of the last tagged answer, or of "+" */
	uint64_t unasked;       /* replies that nobody waited for, since a command ended */
	unsigned alerts;
	/* what the server is */
	bool greeted, preauth, known; /* known: the capabilities are */
	unsigned can;
	struct buf mechanisms;  /* "AUTH=PLAIN ..." */
	struct buf bye;         /* its last words */
	struct imap_folder folder;
	/* messages, ascending by UID */
	struct imap_message *messages;
	size_t count, room;
	uint32_t list_first, list_last; /* the stretch that is being listed; 0: none is */
	size_t list_max;
	size_t next;            /* message to ask for */
	size_t asked;           /* messages asked for that have not come */
	size_t single_until;    /* messages before it are asked for one by one: something was wrong with one */
	bool suspects;          /* it is the turn of those that failed before */
	unsigned refusals;      /* one after another */
	uint64_t expunged;      /* messages that went while we were there */
	unsigned bodies;        /* in this reply */
	bool streaming;         /* ... the first of them, to take */
	uint64_t dropped;       /* octets of others */
	size_t held;            /* 1 + message that is whole but for the proof that the server agrees; 0: none */
	size_t *doomed;         /* numbers of messages to delete, in the order of their doom */
	size_t doomed_count, doomed_room;
	struct buf seen;        /* set of UIDs to be marked as read */
	struct imap_set seen_run;
	bool searching, foreign; /* \Deleted messages that are not ours; there are some */
	bool created;           /* move_to= */
	bool lost;              /* the connection, while nothing was done */
};

/* --- imap_talk.c --- */

/* A command without strings from outside; done is called at its end. */
void imap_say(struct imap *, int (*done)(struct imap *, const struct imap_command *, enum imap_end), size_t first,
    size_t last, const char *, ...) PRINTF_LIKE(5, 6);
/* A command in parts, then its end: 0 OK, 1 NO or BAD (m->end, m->code, m->text), -1 with why. */
void imap_begin(struct imap *, const char *, ...) PRINTF_LIKE(2, 3);
void imap_add(struct imap *, const char *, ...) PRINTF_LIKE(2, 3);
void imap_add_string(struct imap *, struct span);
void imap_add_folder(struct imap *, const char *name);
int imap_run(struct imap *, bool secret) MUST_CHECK;
/* The begin of one (its tag and words); imap_await for what comes next. */
void imap_start(struct imap *, const char *, ...) PRINTF_LIKE(2, 3);
/* Until a command without done has ended, or with go_on "+" came: 0; -1 with why. */
int imap_await(struct imap *, bool go_on) MUST_CHECK;
/* One thing the server says, and what follows from it. 0; -1 with why. */
int imap_listen(struct imap *) MUST_CHECK;
/* why: "what: what the server said last". Always -1. */
int imap_failed(struct imap *, const char *what);

/* --- imap_login.c --- */

int imap_greeting(struct imap *) MUST_CHECK;
int imap_capabilities(struct imap *) MUST_CHECK; /* asks if they are not known */
int imap_upgrade(struct imap *) MUST_CHECK;
int imap_login(struct imap *) MUST_CHECK;
void imap_learn(struct imap *, struct span capabilities);

/* --- imap_folder.c --- */

/* Opens it. 0; 1: it cannot be had (logged); -1 with why. */
int imap_open(struct imap *, const char *name) MUST_CHECK;
/* All that is new in a folder. 0; 1: this folder cannot be had (logged); -1 with why. */
int imap_collect(struct imap *, const char *name) MUST_CHECK;
/* What the state calls this message in this folder; "": its UID does not last. */
#define IMAP_KEY_MAX 12
void imap_key(const struct imap *, uint32_t uid, char out[IMAP_KEY_MAX]);
int imap_listed(struct imap *, uint32_t uid, uint64_t octets) MUST_CHECK;

/* --- imap_message.c --- */

/* Get all that is IMAP_GET, delete what may be. 0; -1 with why. */
int imap_messages(struct imap *) MUST_CHECK;
int imap_message_begins(struct imap *) MUST_CHECK;
int imap_message_octets(struct imap *, struct span) MUST_CHECK;
int imap_message_whole(struct imap *) MUST_CHECK; /* the server goes on, so the one before was whole */
int imap_fetched(struct imap *) MUST_CHECK;       /* a FETCH reply */
void imap_blame(struct imap *); /* all has ended: of which message was it the fault? */
struct imap_message *imap_message(const struct imap *, uint64_t uid); /* NULL: none of these */

/* --- imap_delete.c --- */

/* It is safe here, and may go upstream; with imap_delete() all that are doomed go. 0; -1 with why. */
void imap_doom(struct imap *, size_t message);
int imap_delete(struct imap *) MUST_CHECK;
int imap_found(struct imap *) MUST_CHECK; /* SEARCH, ESEARCH */

/* --- imap_idle.c --- */

bool imap_can_idle(struct imap *); /* if not: said in the log, once */
/* Wait until there may be something new in the first folder, or it is time to look at all. 1: look; 0: the connection is
 * gone; -1 with why. */
int imap_idle(struct imap *) MUST_CHECK;

#endif
