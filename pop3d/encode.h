/*
 * encode: a stored message becomes the octets of a multi-line answer (RFC 1939, 3):
 * CRLF line ends, a dot in front of lines that begin with one, the line "." at the end.
 */
#ifndef POP3D_ENCODE_H
#define POP3D_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct encode {
	bool keep_crlf;     /* a CR before LF is half of a line end, not an octet of the line */
	bool top;           /* only the header, the empty line, and lines_left lines more */
	uint64_t lines_left;
	/* where it stands */
	size_t line;        /* octets of the current line so far */
	bool cr;            /* ... and the last of them is a CR */
	bool body;          /* behind the empty line */
	bool done;          /* all that was asked for is out; further input is ignored */
};
/* The next n octets. out has room for ENCODE_ROOM(n). Octets written. */
#define ENCODE_ROOM(n) (2 * (n))
size_t encode_some(struct encode *, const char *in, size_t n, char *out);
/* The end: the last line's end if it has none, and the final dot. out has room for ENCODE_END. */
#define ENCODE_END 5
size_t encode_end(struct encode *, char *out);

/* What the message has on the wire, dots and final line not counted: the "octets" of RFC 1939, 11. */
struct wire_count {
	uint64_t octets;
	char last; /* octet seen */
	bool any;
};
void wire_count_some(struct wire_count *, const char *in, size_t n);
uint64_t wire_count_end(const struct wire_count *);

#endif
