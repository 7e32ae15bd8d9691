/*
 * header: the fields of a message (RFC 5322, 2.2), streamed.
 */
#ifndef LIB_MAIL_HEADER_H
#define LIB_MAIL_HEADER_H

#include <stdbool.h>

#include "lib/base/buf.h"

struct field {
	struct span raw;   /* all its lines, line ends included */
	struct span name;  /* without blanks before the colon; empty: a line that is no field */
	struct span value; /* behind the colon; line ends still inside */
};
/* The next field of a header in *rest (LF or CRLF line ends), which moves on.
 * False at the empty line (rest then starts behind it) or at the end. */
bool header_next(struct span *rest, struct field *);
/* The value on one line: folding removed, outer space trimmed. */
void header_unfold(struct span value, struct buf *out);
/* Octets of the comment (3.2.2) that starts s, however it nests; all of s when it does not end. */
size_t header_comment(struct span s);

#endif
