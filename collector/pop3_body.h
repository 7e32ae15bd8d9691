/*
 * pop3_body: the message in an answer to RETR (RFC 1939, 3).
 */
#ifndef COLLECTOR_POP3_BODY_H
#define COLLECTOR_POP3_BODY_H

#include <stdbool.h>
#include <stddef.h>

struct pop3_body { /* all zero: the first octet of the message is next */
	enum { BODY_LINE_START, BODY_DOT, BODY_DOT_CR, BODY_TEXT, BODY_CR, BODY_END } state;
};
/*
 * Take the dots off. Reads from in, writes the message's octets (line ends as they came) to out, which has
 * room for n + 2; tells how many. Returns the octets read: all of them, or up to the end of the
 * message (then state is BODY_END).
 */
size_t pop3_body_feed(struct pop3_body *, const char *in, size_t n, char *out, size_t *out_n);

#endif
