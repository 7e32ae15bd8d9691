/*
 * ascii: letters, digits and encodings that depend on no locale.
 *
 * Knows US-ASCII, UTF-8 (RFC 3629), base64 (RFC 4648) and the %XX words of our
 * own files and dialogues; no syntax of mail.
 */
#include "lib/base/ascii.h"

#include <stdint.h>
#include <string.h>

bool
ascii_alpha(int c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool
ascii_digit(int c)
{
	return c >= '0' && c <= '9';
}

bool
ascii_alnum(int c)
{
	return ascii_alpha(c) || ascii_digit(c);
}

bool
ascii_space(int c)
{
	return c == ' ' || c == '\t';
}

bool
ascii_print(int c)
{
	return c >= 0x20 && c <= 0x7e;
}

int
ascii_lower(int c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

void
ascii_lowern(char *s, size_t n)
{
	for (; n > 0; s++, n--)
		*s = (char)ascii_lower(*s);
}

bool
ascii_caseeq(const char *a, const char *b, size_t n)
{
	for (; n > 0; a++, b++, n--)
		if (ascii_lower(*a) != ascii_lower(*b))
			return false;
	return true;
}

/* --- UTF-8 -------------------------------------------------------------- */

size_t
utf8_char(const char *s, size_t n, unsigned *cp)
{
	static const unsigned least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned c, value;
	size_t len, i;

	if (n == 0)
		return 0;
	c = (unsigned char)*s;
	if (c < 0x80)
		len = 1, value = c;
	else if (c >= 0xc2 && c <= 0xdf)
		len = 2, value = c & 0x1f;
	else if (c >= 0xe0 && c <= 0xef)
		len = 3, value = c & 0x0f;
	else if (c >= 0xf0 && c <= 0xf4)
		len = 4, value = c & 0x07;
	else
		return 0;
	if (len > n)
		return 0;
	for (i = 1; i < len; i++) {
		c = (unsigned char)s[i];
		if ((c & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (c & 0x3f);
	}
	if (value < least[len] || value > 0x10ffff ||
	    (value >= 0xd800 && value <= 0xdfff))
		return 0;
	if (cp != NULL)
		*cp = value;
	return len;
}

bool
utf8_valid(const char *s, size_t n)
{
	size_t used;

	for (; n > 0; s += used, n -= used) {
		used = utf8_char(s, n, NULL);
		if (used == 0)
			return false;
	}
	return true;
}

void
utf8_add(struct buf *out, unsigned cp)
{
	char s[4];
	size_t n = 0;

	if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		cp = 0xfffd; /* REPLACEMENT CHARACTER */
	if (cp < 0x80) {
		s[n++] = (char)cp;
	} else if (cp < 0x800) {
		s[n++] = (char)(0xc0 | cp >> 6);
		s[n++] = (char)(0x80 | (cp & 0x3f));
	} else if (cp < 0x10000) {
		s[n++] = (char)(0xe0 | cp >> 12);
		s[n++] = (char)(0x80 | (cp >> 6 & 0x3f));
		s[n++] = (char)(0x80 | (cp & 0x3f));
	} else {
		s[n++] = (char)(0xf0 | cp >> 18);
		s[n++] = (char)(0x80 | (cp >> 12 & 0x3f));
		s[n++] = (char)(0x80 | (cp >> 6 & 0x3f));
		s[n++] = (char)(0x80 | (cp & 0x3f));
	}
	buf_add(out, s, n);
}

/* --- words -------------------------------------------------------------- */

static const char hex_digits[] = "0123456789ABCDEF";

int
hex_value(char c)
{
	if (ascii_digit(c))
		return c - '0';
	c = (char)ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
plain(char c, const char *also)
{
	if (c <= 0x20 || c >= 0x7f || c == '%')
		return false;
	return also == NULL || strchr(also, c) == NULL;
}

void
word_encode(struct buf *out, const char *s, size_t n, const char *also)
{
	size_t run;
	unsigned char c;

	if (n == 0)
		buf_addc(out, '%');
	while (n > 0) {
		for (run = 0; run < n && plain(s[run], also); run++)
			continue;
		buf_add(out, s, run);
		s += run;
		n -= run;
		if (n == 0)
			break;
		c = (unsigned char)*s;
		buf_add(out,
		    (char[]){ '%', hex_digits[c >> 4], hex_digits[c & 15] }, 3);
		s++;
		n--;
	}
}

ssize_t
word_decode(char *out, const char *s, size_t n)
{
	char *to = out;
	int high, low;

	if (n == 0)
		return -1;
	if (n == 1 && *s == '%')
		n = 0;
	for (; n > 0; s++, n--) {
		if (plain(*s, NULL)) {
			*to++ = *s;
			continue;
		}
		if (*s != '%' || n < 3)
			return -1;
		high = hex_value(s[1]);
		low = hex_value(s[2]);
		if (high == -1 || low == -1)
			return -1;
		*to++ = (char)(high << 4 | low);
		s += 2;
		n -= 2;
	}
	*to = '\0';
	return to - out;
}

/* --- base64 ------------------------------------------------------------- */

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_add(struct buf *out, const void *octets, size_t n)
{
	const unsigned char *p = octets;
	char four[4];
	unsigned v;

	for (; n > 0; p += 3) {
		v = (unsigned)p[0] << 16 | (n > 1 ? (unsigned)p[1] << 8 : 0) |
		    (n > 2 ? p[2] : 0u);
		four[0] = base64_digits[v >> 18];
		four[1] = base64_digits[v >> 12 & 63];
		four[2] = n > 1 ? base64_digits[v >> 6 & 63] : '=';
		four[3] = n > 2 ? base64_digits[v & 63] : '=';
		buf_add(out, four, 4);
		if (n <= 3)
			break;
		n -= 3;
	}
}

int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

ssize_t
base64_decode(void *out, const char *s, size_t n)
{
	unsigned char *to = out, *start = out;
	size_t i, pad = 0;
	unsigned v;
	int digit;

	if (n % 4 != 0)
		return -1;
	for (; n > 0; s += 4, n -= 4) {
		if (n == 4 && s[3] == '=')
			pad = s[2] == '=' ? 2 : 1;
		for (v = 0, i = 0; i < 4 - pad; i++) {
			digit = base64_value(s[i]);
			if (digit == -1)
				return -1;
			v = v << 6 | (unsigned)digit;
		}
		v <<= 6 * pad;
		/* bits that stand for nothing are zero (RFC 4648, 3.5) */
		if ((pad == 1 && (v & 0xff) != 0) ||
		    (pad == 2 && (v & 0xffff) != 0))
			return -1;
		*to++ = (unsigned char)(v >> 16);
		if (pad < 2)
			*to++ = (unsigned char)(v >> 8);
		if (pad < 1)
			*to++ = (unsigned char)v;
	}
	return to - start;
}
