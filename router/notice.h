/*
 * notice: a short message of our own to the postmaster, through queued.
 */
#ifndef ROUTER_NOTICE_H
#define ROUTER_NOTICE_H

#include "lib/wire/submit.h"
#include "router/router.h"

struct notice {
	const char *program; /* who writes: "collect" */
	const char *subject; /* one line */
	const char *text;    /* lines that end in LF */
};
/* To the postmaster by the current maps, durable when this returns. 0; -1 with why: nobody has been told. */
int notice_send(struct router *, const char *submit_path, const struct notice *, struct buf *why) MUST_CHECK;

#endif
