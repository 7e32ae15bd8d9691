/*
 * recipients: whom a message of sendmail is for, by the router.
 */
#ifndef QUEUE_RECIPIENTS_H
#define QUEUE_RECIPIENTS_H

#include "lib/store/envelope.h"
#include "router/router.h"

struct recipients {
	const struct router *router;
	struct arena *mem;
	struct access access;  /* of the sender */
	unsigned notify;
	struct env_rcpt *r;    /* the final ones, each once */
	size_t n, room;
	size_t named;          /* those that were asked for */
	const char *original;  /* the first of them, canonical */
	bool utf8;             /* one of them takes SMTPUTF8 */
	int exit_code;         /* 0, or what the first refusal means (sysexits.h) */
	struct buf refusals;   /* a line each, for the user */
	void *seen;            /* tsearch(3) */
};
void recipients_init(struct recipients *, const struct router *, struct arena *);
/* One address as somebody wrote it. 0; -1 when it was refused: the reason is in refusals. */
int recipients_add(struct recipients *, struct span address);

#endif
