/*
 * control: the administrators' dialogue with queued (posthouse queue, mailq, status). Server: queued.
 *
 * LIST is answered by ITEMs (none or more) and one END. It chooses by lines of its body; a message is
 * meant when every line fits one of its recipients: "id ID" (several: any of them), "from TEXT", "to TEXT"
 * (an address, "@domain" or "<>" for the null sender), "site TEXT" (the next hop, as ITEM shows it), "older SECONDS",
 * "state STATE"; no line: everything. An ITEM's body has a line a recipient of words in the order of control_item_words.
 * what: "open" lists recipients that are still to do, "all" those done and bounced too.
 *
 * RETRY, HOLD, RELEASE, DELETE: the body has an ID a line; END says how many of them were done.
 * FLUSH is RETRY of everything that is not held. LINK (how: "up" or "down") is about routes with on=link; END's count is that of
 * messages that are tried now. SHOW hands out the message (fd 0) and its envelope
 * (fd 1), to read; END: there is no such message. DENIED: who asks may not. STATUS: the body of COUNTS has "name number" lines.
 */
#ifndef LIB_WIRE_CONTROL_H
#define LIB_WIRE_CONTROL_H

#include "lib/wire/wire.h"

enum { CONTROL_IDLE = 1, CONTROL_LISTING = 2, CONTROL_CHANGING = 4, CONTROL_SHOWING = 8, CONTROL_COUNTING = 16 };
extern const struct wire_msg control_messages[];

/* The words of an ITEM's line. Times are seconds since 1970; next 0: none; next and attempts are the message's. */
enum control_word {
	ITEM_ID, ITEM_ARRIVED, ITEM_OCTETS, ITEM_SENDER, ITEM_RCPT, ITEM_STATE, ITEM_ATTEMPTS, ITEM_NEXT,
	ITEM_SITE, ITEM_LAST, ITEM_WORDS
};
/* The states of a recipient: new (no attempt yet), active (an agent has it), deferred, held, done,
 * bounced. */
struct control_item {
	const char *word[ITEM_WORDS];
};
void control_item_add(struct buf *body, const struct control_item *);
/* The next line of *body, decoded into memory of the arena. 1; 0: no more; -1: it is no such line. */
int control_item_next(struct span *body, struct arena *, struct control_item *) MUST_CHECK;

#endif
