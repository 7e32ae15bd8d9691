/*
 * xtext: how ENVID and ORCPT write their octets (RFC 3461, 4).
 */
#include "lib/mail/xtext.h"

#include <string.h>

#include "lib/base/ascii.h"

void
xtext_add(struct buf *out, const char *s)
{
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s >= 0x7f || *s == '+' || *s == '=')
			buf_addf(out, "+%02X", (unsigned)(unsigned char)*s);
		else
			buf_addc(out, *s);
}

/* The digit's value; -1: it is none. The RFC has capitals only; others are understood. */
static int
hex(char c)
{
	const char *digits = "0123456789ABCDEFabcdef", *at = c == '\0' ? NULL : strchr(digits, c);

	if (at == NULL)
		return -1;
	return at - digits < 16 ? (int)(at - digits) : (int)(at - digits) - 6;
}

int
xtext_decode(struct span s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		int c = (unsigned char)s.s[i];

		if (c <= ' ' || c == '=')
			return -1;
		if (c == '+') {
			if (s.len - i < 3 || hex(s.s[i + 1]) == -1 || hex(s.s[i + 2]) == -1)
				return -1;
			c = hex(s.s[i + 1]) * 16 + hex(s.s[i + 2]);
			i += 2;
		}
		if (!ascii_print((unsigned char)c))
			return -1;
		if (out != NULL)
			buf_addc(out, (char)c);
	}
	return s.len == 0 ? -1 : 0;
}
