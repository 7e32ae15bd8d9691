/*
 * dsn: the message that tells a sender what became of his (RFC 3464, RFC 6522; RFC 6533 where addresses are UTF-8).
 */
#ifndef QUEUE_DSN_H
#define QUEUE_DSN_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/store/envelope.h"
#include "lib/wire/agents.h"

struct dsn_rcpt {
	const struct env_rcpt *rcpt;
	enum news news;
};
struct dsn {
	const char *hostname;  /* who reports */
	const char *id;        /* of the DSN */
	const struct envelope *env; /* of the message */
	const struct dsn_rcpt *rcpts;
	size_t rcpt_count;
	time_t now;
	time_t retry_until;    /* for what is delayed */
	uint64_t mark;         /* random: for the boundary */
	struct span header;    /* of the message: as much as was read, at most to its empty line */
	bool whole;            /* the message is returned, not only its header */
	bool body_8bit;        /* ... and has octets above 0x7f */
};
/* Header and parts up to where the returned message (or its header) follows. LF line ends. */
void dsn_begin(const struct dsn *, struct buf *out);
/* What stands behind it. */
void dsn_end(const struct dsn *, struct buf *out);

#endif
