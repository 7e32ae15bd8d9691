/*
 * reply: SMTP replies with enhanced status codes (RFC 5321, 4.2; RFC 3463).
 *
 * Knows how they are written. What others said may stand in a text: whatever is
 * not a printable octet becomes '?', so nobody's words make a line of ours.
 */
#include "lib/mail/reply.h"

#include <string.h>

#include "lib/base/ascii.h"

#define LINE_MAX_OCTETS 510 /* without CRLF; RFC 5321, 4.5.3.1.5 */

/* Cut what fits a line of at most max octets off *rest, at a blank if there is one. */
static struct span
cut_to_fit(struct span *rest, size_t max)
{
	struct span part = *rest;
	size_t n = max;

	if (part.len <= max) {
		rest->s = NULL;
		return part;
	}
	while (n > 0 && part.s[n] != ' ')
		n--;
	part.len = n > 0 ? n : max;
	rest->s += part.len + (n > 0);
	rest->len -= part.len + (n > 0);
	return part;
}

static void
add_line(const struct reply *r, struct span text, char dash, struct buf *out)
{
	buf_addf(out, "%03d%c", r->code, dash);
	if (r->enhanced[0] != '\0')
		buf_addf(out, text.len > 0 ? "%s " : "%s", r->enhanced);
	for (size_t i = 0; i < text.len; i++)
		buf_addc(out, ascii_print((unsigned char)text.s[i]) ?
		    text.s[i] : '?');
	buf_adds(out, "\r\n");
}

void
reply_format(const struct reply *r, struct buf *out)
{
	struct span rest = span_trim(span_of(r->text != NULL ? r->text : ""));
	size_t max = LINE_MAX_OCTETS - 4 - strlen(r->enhanced) - 1;

	while (rest.s != NULL) {
		struct span line = span_cut(&rest, '\n');

		while (line.s != NULL) {
			struct span part = cut_to_fit(&line, max);
			bool last = line.s == NULL && rest.s == NULL;

			add_line(r, part, last ? ' ' : '-', out);
		}
	}
}

enum outcome
reply_outcome(int code)
{
	switch (code / 100) {
	case 2:
		return SENT;
	case 5:
		return FAILED;
	default:
		return RETRY;
	}
}

/* Digits that start t, at most max of them. */
static size_t
digits(struct span t, size_t at, size_t max)
{
	size_t n = 0;

	while (n <= max && at + n < t.len &&
	    ascii_digit((unsigned char)t.s[at + n]))
		n++;
	return n <= max ? n : 0;
}

void
reply_enhanced(struct span text, int code, char out[12])
{
	size_t subject, detail, n;

	out[0] = '\0';
	if (text.len < 5 || text.s[0] != '0' + code / 100 || text.s[1] != '.' ||
	    strchr("245", text.s[0]) == NULL)
		return;
	subject = digits(text, 2, 3);
	n = 2 + subject;
	if (subject == 0 || n >= text.len || text.s[n] != '.')
		return;
	detail = digits(text, n + 1, 3);
	n += 1 + detail;
	if (detail == 0 || (n < text.len && text.s[n] != ' ' && text.s[n] != '\n'))
		return;
	memcpy(out, text.s, n);
	out[n] = '\0';
}
