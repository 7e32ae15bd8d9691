/*
 * notice: a short message of our own to the postmaster, through queued.
 */
#ifndef ROUTER_NOTICE_H
#define ROUTER_NOTICE_H

#include <time.h>

#include "lib/wire/submit.h"
#include "router/router.h"

struct notice {
	const char *program; /* who writes: "collect" */
	const char *subject; /* one line */
	const char *text;    /* lines that end in LF */
	const char *again;   /* when one is written, for the end of the letter; NULL: once a cause */
};
/* The message itself, for whoever puts it where it belongs: header and text, LF line ends. */
void notice_compose(struct buf *, const struct notice *, const char *id, const char *hostname, const char *to, time_t now);
/* To the postmaster by the current maps, durable when this returns. 0; -1 with why: nobody has been told. */
int notice_send(struct router *, const char *submit_path, const struct notice *, struct buf *why) MUST_CHECK;

#endif
