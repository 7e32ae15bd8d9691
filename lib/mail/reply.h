/*
 * reply: SMTP replies with enhanced status codes (RFC 5321, 4.2; RFC 3463).
 */
#ifndef LIB_MAIL_REPLY_H
#define LIB_MAIL_REPLY_H

#include "lib/base/buf.h"

/* The three outcomes that mail has. An unknown error is RETRY. */
enum outcome { SENT, RETRY, FAILED };

struct reply {
	int code;             /* 250; 0: none */
	char enhanced[12];    /* "2.1.5"; "" for none */
	const char *text;     /* may have several lines, separated by LF; not owned */
};
/* code, dash or blank, enhanced, text, CRLF, for each line of text. */
void reply_format(const struct reply *, struct buf *out);
enum outcome reply_outcome(int code); /* 2yz SENT, 4yz RETRY, 5yz FAILED, else RETRY */
/* The enhanced code that starts s, "x.y.z" with x as the reply's class; "" if none. */
void reply_enhanced(struct span text, int code, char out[12]);

#endif
