/*
 * compose: the header that sendmail makes of the one it was given.
 */
#ifndef QUEUE_COMPOSE_H
#define QUEUE_COMPOSE_H

#include <stdbool.h>
#include <time.h>

#include "lib/base/buf.h"

struct compose {
	/* known before */
	bool extract;            /* -t: recipients are in the header, and Bcc goes out of it */
	struct span domain;      /* bare names belong to it; empty: they stay bare */
	struct span header;      /* as it came, without the empty line */
	struct span body;        /* what came behind it */
	/* found by compose_read */
	bool resent;             /* Resent-To, -Cc or -Bcc: these count, the others do not */
	bool has_from, has_date, has_message_id;
	unsigned received;       /* Received fields */
};
/* Header and body of text, and what the header has. False: no end of the header within LIMIT_HEADER. */
bool compose_read(struct compose *, struct span text);
/* Each recipient in the header, in order: fn(arg, address). 0; -1 with why. */
int compose_recipients(const struct compose *, struct arena *, int (*fn)(void *arg, struct span address),
    void *arg, struct buf *why) MUST_CHECK;
/* The fields to be sent, and those that were missing: Date, From (sender's full name and address), Message-ID. */
struct compose_added {
	const char *name, *address, *id, *host;
	time_t now;
};
void compose_write(const struct compose *, struct arena *, const struct compose_added *, struct buf *out);

#endif
