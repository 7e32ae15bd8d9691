/*
 * parameters: NAME=VALUE behind semicolons (RFC 2045, 5.1), and those in pieces and charsets (RFC 2231).
 *
 * Reads what people's mailers write: unquoted blanks, missing quotes, comments between. What a parameter means is for
 * others.
 */
#include "lib/mail/parameters.h"

#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/num.h"
#include "lib/mail/header.h"
#include "lib/mail/uni.h"

static bool
blank(char c)
{
	return ascii_space((unsigned char)c) || c == '\r' || c == '\n';
}

static struct span
skip(struct span s, size_t n)
{
	return (struct span){ s.s + n, s.len - n };
}

static struct span
skip_blanks(struct span s)
{
	while (s.len > 0 && (blank(s.s[0]) || s.s[0] == '('))
		s = skip(s, s.s[0] == '(' ? header_comment(s) : 1);
	return s;
}

struct span
parameters_token(struct span value, struct span *rest)
{
	struct span token = skip_blanks(value);
	size_t n = 0;

	while (n < token.len && token.s[n] != ';' && token.s[n] != '(' && !blank(token.s[n]))
		n++;
	*rest = skip(token, n);
	token.len = n;
	return token;
}

/* To the semicolon, quotes and comments passed over. */
static struct span
to_semicolon(struct span s)
{
	while (s.len > 0 && s.s[0] != ';')
		s = skip(s, s.s[0] == '(' ? header_comment(s) : 1);
	return s;
}

static struct span
quoted(struct span s, struct buf *value)
{
	size_t i;

	for (i = 1; i < s.len && s.s[i] != '"'; i++) {
		if (s.s[i] == '\\' && i + 1 < s.len)
			i++;
		if (s.s[i] != '\r' && s.s[i] != '\n')
			buf_addc(value, s.s[i]);
	}
	return skip(s, i < s.len ? i + 1 : s.len);
}

/* Blanks inside are kept: filename=my letter.doc is written. */
static struct span
unquoted(struct span s, struct buf *value)
{
	size_t n = 0, used;

	while (n < s.len && s.s[n] != ';' && s.s[n] != '\r' && s.s[n] != '\n')
		n++;
	for (used = n; used > 0 && blank(s.s[used - 1]); used--)
		continue;
	buf_add(value, s.s, used);
	return skip(s, n);
}

bool
parameters_next(struct span *rest, struct span *name, struct buf *value)
{
	struct span s;
	size_t n;

	buf_reset(value);
	for (s = to_semicolon(*rest); s.len > 0; s = to_semicolon(s)) {
		s = skip_blanks(skip(s, 1));
		for (n = 0; n < s.len && s.s[n] != '=' && s.s[n] != ';' && !blank(s.s[n]); n++)
			continue;
		*name = (struct span){ s.s, n };
		s = skip_blanks(skip(s, n));
		if (n == 0 || s.len == 0 || s.s[0] != '=')
			continue;
		s = skip_blanks(skip(s, 1));
		*rest = s.len > 0 && s.s[0] == '"' ? quoted(s, value) : unquoted(s, value);
		return true;
	}
	*rest = s;
	return false;
}

bool
parameters_get(struct span parameters, const char *name, struct buf *value)
{
	struct span n;

	while (parameters_next(&parameters, &n, value))
		if (span_case_is(n, name))
			return true;
	buf_reset(value);
	return false;
}

/* --- RFC 2231 ------------------------------------------------------------- */

struct piece {
	bool there, encoded;
	struct span text; /* in the arena */
};

/* "NAME*", "NAME*3", "NAME*3*": which piece is it? -1: none of this name's. */
static int
piece_number(struct span name, const char *wanted, bool *encoded)
{
	size_t n = strlen(wanted);
	uint64_t number = 0;

	if (name.len <= n || name.s[n] != '*' || !ascii_caseeq(name.s, wanted, n))
		return -1;
	*encoded = name.s[name.len - 1] == '*';
	name = skip(name, n + 1);
	if (name.len == 0)
		return 0; /* not in pieces */
	if (*encoded)
		name.len--;
	return num_parse(name, PARAMETER_SECTIONS - 1, &number) == -1 ? -1 : (int)number;
}

static void
add_percent(struct span s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		int high = -1, low = -1;

		if (s.s[i] == '%' && i + 2 < s.len) {
			high = hex_value(s.s[i + 1]);
			low = hex_value(s.s[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			buf_addc(out, (char)(high * 16 + low));
			i += 2;
		} else
			buf_addc(out, s.s[i]);
	}
}

/* "charset'language'" in front of the first piece; *s moves behind it. */
static struct span
cut_charset(struct span *s)
{
	struct span rest = *s, charset = span_cut(&rest, '\'');

	if (rest.s == NULL)
		return SPAN("");
	(void)span_cut(&rest, '\'');
	if (rest.s == NULL)
		return SPAN("");
	*s = rest;
	return charset;
}

static void
put_together(const struct piece *pieces, struct buf *out)
{
	struct buf octets = BUF_INIT(out->max);
	struct span charset = SPAN("");

	for (size_t i = 0; i < PARAMETER_SECTIONS; i++) {
		struct span text = pieces[i].text;

		if (!pieces[i].there)
			continue;
		if (i == 0 && pieces[i].encoded)
			charset = cut_charset(&text);
		if (pieces[i].encoded)
			add_percent(text, &octets);
		else
			buf_addspan(&octets, text);
	}
	if (charset.len == 0 || !uni_decode(charset, buf_span(&octets), out))
		buf_addspan(out, buf_span(&octets));
	buf_free(&octets);
}

bool
parameters_get_extended(struct span parameters, const char *name, struct buf *value)
{
	struct piece pieces[PARAMETER_SECTIONS] = { 0 };
	struct arena *mem = arena_new();
	bool any = false, encoded;
	struct span n;
	int at;

	while (parameters_next(&parameters, &n, value)) {
		at = piece_number(n, name, &encoded);
		if (at == -1 || pieces[at].there)
			continue;
		pieces[at] = (struct piece){ true, encoded,
			{ arena_dupn(mem, buf_str(value), value->len), value->len } };
		any = true;
	}
	buf_reset(value);
	if (any)
		put_together(pieces, value);
	arena_free(mem);
	return any;
}
