/*
 * imap_reply: what an IMAP server says, cut into replies and their words (RFC 9051, 9; RFC 3501, 9).
 *
 * A stream parser: octets go in as they come. A reply is held in memory until it is whole, up to IMAP_REPLY_MAX
 * octets; the literals in which FETCH hands out messages are not: their octets pass by.
 */
#ifndef COLLECTOR_IMAP_REPLY_H
#define COLLECTOR_IMAP_REPLY_H

#include <stdint.h>

#include "lib/base/buf.h"

#define IMAP_REPLY_MAX (1024 * 1024) /* octets, messages not counted */
#define IMAP_DEPTH_MAX 32            /* lists in lists */

enum imap_kind {
	IMAP_ATOM,   /* the tag, names, numbers, flags, NIL; "BODY[HEADER.FIELDS (TO)]<0>" is one */
	IMAP_STRING, /* quoted or literal */
	IMAP_BODY,   /* a literal whose octets have passed by */
	IMAP_OPEN, IMAP_CLOSE,
	IMAP_CODE,   /* of OK, NO, BAD, BYE, PREAUTH: what stood between the brackets */
	IMAP_TEXT    /* behind these, and behind "+": words for people */
};
struct imap_word {
	enum imap_kind kind;
	size_t at, len; /* in text */
};
enum imap_event {
	IMAP_MORE,   /* all octets are read and the reply is not whole */
	IMAP_WHOLE,  /* it is, and can be asked until the next feed */
	IMAP_BEGIN,  /* a message begins: body_left octets of it will pass by (there may be none) */
	IMAP_OCTETS, /* some of them: piece */
	IMAP_BROKEN  /* this is no IMAP, or too much of it: fault tells. Nothing more can be read. */
};
struct imap_reply {
	struct imap_word *words; /* [0] is "*", "+" or the tag */
	size_t count;
	struct span piece;
	uint64_t body_left;
	const char *fault;
	/* imap_reply.c's own */
	int state;
	size_t room, octets, depth;
	struct buf text;
	bool whole, sized;
};
void imap_reply_init(struct imap_reply *);
void imap_reply_free(struct imap_reply *);
/* Octets read; all of them unless *event is something to look at first. */
size_t imap_reply_feed(struct imap_reply *, const char *, size_t, enum imap_event *event);

/* Of the reply so far; spans are valid until the next feed. What is not there is empty. */
struct span imap_reply_text(const struct imap_reply *, size_t word);
/* Is it an atom of this name? In any case. */
bool imap_reply_is(const struct imap_reply *, size_t word, const char *name);
/* An atom that is a number up to max. 0 or -1. */
int imap_reply_number(const struct imap_reply *, size_t word, uint64_t max, uint64_t *out) MUST_CHECK;
/* The word behind this one, and behind all of it if it is a list; count at the end. */
size_t imap_reply_behind(const struct imap_reply *, size_t word);

#endif
