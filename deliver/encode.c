/*
 * encode: a stored message (LF line ends) as DATA wants it.
 *
 * A line is copied as a whole, found by memchr(3); only what holds a CR is
 * looked at octet by octet.
 */
#include "deliver/encode.h"

#include <string.h>

/* Octets of one line without its end, not empty. */
static void
add_part(struct encode *e, struct span part, struct buf *out)
{
	const char *cr;
	size_t n;

	if (e->cr)
		buf_addc(out, ' ');
	e->cr = false;
	if (!e->in_line && part.s[0] == '.')
		buf_addc(out, '.');
	e->in_line = true;
	while ((cr = memchr(part.s, '\r', part.len)) != NULL) {
		n = (size_t)(cr - part.s);
		buf_add(out, part.s, n);
		part.s += n + 1;
		part.len -= n + 1;
		if (part.len == 0) {
			e->cr = true;
			return;
		}
		buf_addc(out, ' ');
	}
	buf_addspan(out, part);
}

void
encode_add(struct encode *e, struct span octets, struct buf *out)
{
	const char *lf;
	struct span part;

	while (octets.len > 0) {
		lf = memchr(octets.s, '\n', octets.len);
		part = octets;
		if (lf != NULL)
			part.len = (size_t)(lf - octets.s);
		if (part.len > 0)
			add_part(e, part, out);
		if (lf == NULL)
			return;
		buf_add(out, "\r\n", 2);
		e->in_line = e->cr = false;
		octets.s += part.len + 1;
		octets.len -= part.len + 1;
	}
}

void
encode_end(struct encode *e, struct buf *out)
{
	if (e->in_line)
		buf_add(out, "\r\n", 2);
	buf_add(out, ".\r\n", 3);
	*e = (struct encode){ false, false };
}
