/*
 * pop3_body: dots off, and where the message ends.
 *
 * The only end is CRLF "." CRLF: whatever else a sender wrote is text, or he could end his message early and have
 * the rest of it taken for the server's answers.
 */
#include "collector/pop3_body.h"

#include <string.h>

/* Octets of text up to and with the next CR. */
static size_t
text_length(const char *s, size_t n)
{
	const char *cr = memchr(s, '\r', n);

	return cr != NULL ? (size_t)(cr - s) + 1 : n;
}

size_t
pop3_body_feed(struct pop3_body *b, const char *in, size_t n, char *out, size_t *out_n)
{
	size_t i = 0, o = 0, run;

	while (i < n && b->state != BODY_END) {
		char c = in[i];

		switch (b->state) {
		case BODY_LINE_START:
			if (c == '.') {
				b->state = BODY_DOT;
				i++;
			} else {
				b->state = BODY_TEXT;
			}
			break;
		case BODY_DOT: /* not written: it is stuffing, or the end */
			if (c == '\r') {
				b->state = BODY_DOT_CR;
				i++;
			} else {
				b->state = BODY_TEXT;
			}
			break;
		case BODY_DOT_CR:
			if (c == '\n') {
				b->state = BODY_END;
				i++;
			} else {
				out[o++] = '\r';
				b->state = BODY_CR;
			}
			break;
		case BODY_TEXT:
			run = text_length(in + i, n - i);
			memcpy(out + o, in + i, run);
			o += run;
			i += run;
			if (out[o - 1] == '\r')
				b->state = BODY_CR;
			break;
		case BODY_CR:
			if (c == '\n') {
				out[o++] = '\n';
				i++;
				b->state = BODY_LINE_START;
			} else if (c == '\r') {
				out[o++] = '\r';
				i++;
			} else {
				b->state = BODY_TEXT;
			}
			break;
		case BODY_END:
			break;
		}
	}
	*out_n = o;
	return i;
}
