/*
 * fixup: the fields that a message of our own people must have, added where they are missing (RFC 6409, 8).
 */
#ifndef SMTPD_FIXUP_H
#define SMTPD_FIXUP_H

#include <stdbool.h>
#include <time.h>

#include "lib/base/buf.h"

#define FIXUP_OCTETS 2048 /* of what is added, at most */

enum fixup_place {
	FIXUP_LATER, /* the header goes on */
	FIXUP_HERE,  /* the fields belong in front of what was not looked at */
	FIXUP_ABOVE  /* there is no header: fields and an empty line belong above the message */
};
struct fixup {
	bool wanted;   /* still looking */
	bool date, id, from; /* it is there */
	bool any;      /* a line was seen */
	enum { FIXUP_NAME, FIXUP_BLANKS, FIXUP_REST } state; /* in the line */
	char name[16]; /* it begins with; in lower case */
	size_t len;
};
void fixup_init(struct fixup *);
/* More of the message, LF line ends. *used: octets looked at; all of them, unless the place was found, when wanted
 * becomes false. */
enum fixup_place fixup_scan(struct fixup *, const char *, size_t, size_t *used);

struct fixup_facts {
	const char *id, *host; /* the queue's, ours: Message-ID */
	const char *from;      /* an address; "": nobody can be named */
	time_t now;
};
/* The missing ones; LF line ends. Nothing when none is. */
void fixup_add(const struct fixup *, const struct fixup_facts *, struct buf *out);

#endif
