/*
 * letter: a short message that collect itself writes, put into the queue.
 */
#ifndef COLLECTOR_LETTER_H
#define COLLECTOR_LETTER_H

#include "collector/account.h"

struct letter {
	const char *sender; /* of the envelope; "": null. Also From:, when the text has none (null: postmaster) */
	const char *rcpt;   /* an address; bare: of the default domain */
	struct span text;   /* header, empty line, body; LF line ends. To, Date and Message-ID are added where missing */
};
/* 0: the queue has it, under this ID; -1 with why. */
int letter_send(struct house *, const struct letter *, char id[LIMIT_ID], struct buf *why) MUST_CHECK;
/* The postmaster of the house: an address, in memory of the arena. */
const char *letter_postmaster(const struct house *, struct arena *);

#endif
