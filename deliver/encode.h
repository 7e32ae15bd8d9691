/*
 * encode: a stored message (LF line ends) as DATA wants it (RFC 5321, 4.5.2; 2.3.8).
 */
#ifndef DELIVER_ENCODE_H
#define DELIVER_ENCODE_H

#include <stdbool.h>

#include "lib/base/buf.h"

struct encode {
	bool in_line;    /* the line that is under way has begun */
	bool cr;         /* the last octet was a CR: line end or loose, the next one tells */
};
/*
 * Append what octets become: each LF a CRLF, "." at a line's start doubled. A CR in front of LF is
 * part of that line end; any other CR, which no server may be sent, becomes a blank. At most 2 n + 2 octets.
 */
void encode_add(struct encode *, struct span octets, struct buf *out);
/* The end: the last line ended if it was not, then ".CRLF". */
void encode_end(struct encode *, struct buf *out);

#endif
