/*
 * header: the fields of a message (RFC 5322, 2.2), streamed.
 *
 * Knows lines, folding and colons; what a field means is for others. A
 * line ends with LF; a CR in front of it belongs to the line end.
 */
#include "lib/mail/header.h"

#include <string.h>

#include "lib/base/ascii.h"

/* Octets of the line that starts t, its end included. */
static size_t
line_length(struct span t)
{
	const char *lf = t.len > 0 ? memchr(t.s, '\n', t.len) : NULL;

	return lf != NULL ? (size_t)(lf - t.s) + 1 : t.len;
}

static struct span
chomp(struct span t)
{
	if (t.len > 0 && t.s[t.len - 1] == '\n') {
		t.len--;
		if (t.len > 0 && t.s[t.len - 1] == '\r')
			t.len--;
	}
	return t;
}

static struct span
skip(struct span t, size_t n)
{
	return (struct span){ t.s + n, t.len - n };
}

/* Octets of the name in front of the colon, blanks not counted (section 4.5
 * allows them there); 0 if this line has none. */
static size_t
name_length(struct span t, size_t *colon)
{
	size_t n = 0, i;

	while (n < t.len && t.s[n] > 0x20 && t.s[n] < 0x7f && t.s[n] != ':')
		n++;
	for (i = n; i < t.len && ascii_space((unsigned char)t.s[i]); i++)
		continue;
	*colon = i;
	return i < t.len && t.s[i] == ':' ? n : 0;
}

bool
header_next(struct span *rest, struct field *out)
{
	size_t n = line_length(*rest), colon;

	if (n == 0)
		return false;
	if (chomp((struct span){ rest->s, n }).len == 0) {
		*rest = skip(*rest, n);
		return false;
	}
	while (n < rest->len && ascii_space((unsigned char)rest->s[n]))
		n += line_length(skip(*rest, n));
	out->raw = (struct span){ rest->s, n };
	*rest = skip(*rest, n);

	out->name = (struct span){ out->raw.s, name_length(out->raw, &colon) };
	out->value = chomp(out->raw);
	if (out->name.len > 0)
		out->value = skip(out->value, colon + 1);
	return true;
}

void
header_unfold(struct span value, struct buf *out)
{
	value = span_trim(value);
	for (size_t i = 0; i < value.len; i++)
		if (value.s[i] != '\r' && value.s[i] != '\n')
			buf_addc(out, value.s[i]);
}

size_t
header_comment(struct span s)
{
	size_t i, depth = 0;

	for (i = 0; i < s.len; i++) {
		if (s.s[i] == '\\')
			i++;
		else if (s.s[i] == '(')
			depth++;
		else if (s.s[i] == ')' && --depth == 0)
			return i + 1;
	}
	return s.len;
}
