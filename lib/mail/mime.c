/*
 * mime: encoded words (RFC 2047).
 *
 * Reads them as leniently as they are written: blanks inside, padding missing, a character split
 * between two words. Never used to find an address.
 */
#include "lib/mail/mime.h"

#include <string.h>

#include "lib/base/ascii.h"
#include "lib/mail/uni.h"

#define WORD_MAX 4096 /* octets; RFC 2047, 2 allows 75 */

struct word {
	struct span charset, text;
	char encoding; /* 'b' or 'q' */
	size_t len;
};

static const char *
find(const char *s, const char *end, char c)
{
	return s < end ? memchr(s, c, (size_t)(end - s)) : NULL;
}

/* "=?charset*language?b?text?=" */
static bool
read_word(struct span s, struct word *out)
{
	/* A bound, or a field full of beginnings would be searched to its end for each. */
	const char *end = s.s + (s.len < WORD_MAX ? s.len : WORD_MAX), *mark, *p;

	if (s.len < 8 || s.s[0] != '=' || s.s[1] != '?' || (mark = find(s.s + 2, end, '?')) == NULL)
		return false;
	out->charset = (struct span){ s.s + 2, (size_t)(mark - s.s) - 2 };
	if (end - mark < 5 || mark[2] != '?')
		return false;
	out->encoding = (char)ascii_lower((unsigned char)mark[1]);
	if (out->encoding != 'b' && out->encoding != 'q')
		return false;
	for (p = mark + 3; (p = find(p, end, '?')) != NULL; p++)
		if (p + 1 < end && p[1] == '=')
			break;
	if (p == NULL)
		return false;
	out->text = (struct span){ mark + 3, (size_t)(p - mark) - 3 };
	out->len = (size_t)(p - s.s) + 2;
	if ((mark = find(out->charset.s, out->charset.s + out->charset.len, '*')) != NULL)
		out->charset.len = (size_t)(mark - out->charset.s); /* RFC 2231, 5 */
	return out->charset.len > 0;
}

size_t
mime_word(struct span s)
{
	struct word w;

	return read_word(s, &w) ? w.len : 0;
}

static void
decode_q(struct span s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		int high = -1, low = -1;

		if (s.s[i] == '=' && i + 2 < s.len) {
			high = hex_value(s.s[i + 1]);
			low = hex_value(s.s[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			buf_addc(out, (char)(high * 16 + low));
			i += 2;
		} else {
			buf_addc(out, s.s[i] == '_' ? ' ' : s.s[i]);
		}
	}
}

/* Not base64_decode(): that one is strict, and people's mailers are not. */
static void
decode_b(struct span s, struct buf *out)
{
	unsigned bits = 0, have = 0;

	for (size_t i = 0; i < s.len && s.s[i] != '='; i++) {
		int v = base64_value(s.s[i]);

		if (v < 0)
			continue;
		bits = (bits << 6 | (unsigned)v) & 0xffffff;
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_addc(out, (char)(bits >> have & 0xff));
		}
	}
}

static bool
same_charset(const struct word *a, const struct word *b)
{
	return a->charset.len == b->charset.len && ascii_caseeq(a->charset.s, b->charset.s, a->charset.len);
}

static struct span
skip(struct span s, size_t n)
{
	return (struct span){ s.s + n, s.len - n };
}

static size_t
blanks(struct span s)
{
	size_t n = 0;

	while (n < s.len && (ascii_space((unsigned char)s.s[n]) || s.s[n] == '\r' || s.s[n] == '\n'))
		n++;
	return n;
}

/* The encoded words that stand side by side at the start of s; returns what they take. Those of one
 * charset are converted together: a character may be split between them. */
static size_t
decode_run(struct span s, struct word first, struct buf *out)
{
	struct buf octets = BUF_INIT(s.len);
	struct word w = first;
	size_t used = 0;

	for (;;) {
		struct word next = { 0 };
		bool more;

		(w.encoding == 'b' ? decode_b : decode_q)(w.text, &octets);
		used += w.len;
		more = read_word(skip(s, used + blanks(skip(s, used))), &next);
		if (!more || !same_charset(&w, &next)) {
			uni_decode(w.charset, buf_span(&octets), out);
			buf_reset(&octets);
		}
		if (!more)
			break;
		used += blanks(skip(s, used));
		w = next;
	}
	buf_free(&octets);
	return used;
}

void
mime_decode(struct span text, struct buf *out)
{
	struct word w;

	while (text.len > 0) {
		size_t n = 1;

		if (text.s[0] == '=' && read_word(text, &w)) {
			n = decode_run(text, w, out);
		} else {
			const char *next = find(text.s + 1, text.s + text.len, '=');

			n = next != NULL ? (size_t)(next - text.s) : text.len;
			buf_add(out, text.s, n);
		}
		text = skip(text, n);
	}
}
