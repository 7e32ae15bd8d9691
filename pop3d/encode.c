/*
 * encode: a stored message becomes the octets of a multi-line answer. Pure
 * functions on octets, fed in pieces of any size. Any octet passes, NUL and 8-bit
 * ones too; only line ends and leading dots are touched.
 */
#include "pop3d/encode.h"

#include <string.h>

#include "lib/base/buf.h"

/* A line is over: TOP counts it. */
static void
line_over(struct encode *e, bool empty)
{
	if (!e->body) {
		e->body = empty;
		e->done = e->top && e->body && e->lines_left == 0;
	} else if (e->top) {
		e->lines_left--;
		e->done = e->lines_left == 0;
	}
	e->line = 0;
	e->cr = false;
}

size_t
encode_some(struct encode *e, const char *in, size_t n, char *out)
{
	const char *p = in, *end = in + n, *lf;
	char *o = out;
	size_t len;
	bool kept;

	while (p < end && !e->done) {
		if (e->line == 0 && *p == '.')
			*o++ = '.';
		lf = memchr(p, '\n', (size_t)(end - p));
		len = (size_t)((lf == NULL ? end : lf) - p);
		memcpy(o, p, len);
		o += len;
		if (len > 0)
			e->cr = p[len - 1] == '\r';
		e->line += len;
		if (lf == NULL)
			break;
		kept = e->keep_crlf && e->cr;
		if (!kept)
			*o++ = '\r';
		*o++ = '\n';
		line_over(e, e->line == (kept ? 1 : 0));
		p = lf + 1;
	}
	return (size_t)(o - out);
}

size_t
encode_end(struct encode *e, char *out)
{
	const struct span last = e->line > 0 ? SPAN("\r\n.\r\n") : SPAN(".\r\n");

	memcpy(out, last.s, last.len);
	return last.len;
}

void
wire_count_some(struct wire_count *c, const char *in, size_t n)
{
	const char *p = in, *end = in + n, *lf;

	if (n == 0)
		return;
	c->octets += n;
	while ((lf = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		if (lf > in ? lf[-1] != '\r' : !c->any || c->last != '\r')
			c->octets++;
		p = lf + 1;
	}
	c->last = end[-1];
	c->any = true;
}

uint64_t
wire_count_end(const struct wire_count *c)
{
	return c->octets + (c->any && c->last != '\n' ? 2 : 0);
}
