/*
 * buf: octets that grow up to a ceiling, and spans into other people's octets.
 *
 * Knows octets; no encodings (ascii.c), no files (lib/sys).
 */
#include "lib/base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/ascii.h"

/* --- spans -------------------------------------------------------------- */

struct span
span_of(const char *s)
{
	return (struct span){ s, s != NULL ? strlen(s) : 0 };
}

bool
span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.s, b.s, a.len) == 0);
}

bool
span_is(struct span a, const char *s)
{
	return span_eq(a, span_of(s));
}

bool
span_case_is(struct span a, const char *s)
{
	return a.len == strlen(s) && ascii_caseeq(a.s, s, a.len);
}

bool
span_begins(struct span a, const char *s, struct span *behind)
{
	size_t n = strlen(s);

	if (a.len < n || !ascii_caseeq(a.s, s, n))
		return false;
	if (behind != NULL)
		*behind = (struct span){ a.s + n, a.len - n };
	return true;
}

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span
span_trim(struct span a)
{
	while (a.len > 0 && blank(a.s[a.len - 1]))
		a.len--;
	while (a.len > 0 && blank(*a.s))
		a.s++, a.len--;
	return a;
}

struct span
span_cut(struct span *rest, char sep)
{
	struct span head = *rest;
	const char *at = NULL;

	if (head.len > 0)
		at = memchr(head.s, sep, head.len);
	if (at == NULL) {
		*rest = (struct span){ NULL, 0 };
		return head;
	}
	head.len = (size_t)(at - head.s);
	rest->s = at + 1;
	rest->len -= head.len + 1;
	return head;
}

/* --- buffers ------------------------------------------------------------ */

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf)BUF_INIT(max);
}

/* Room for n more octets and the NUL; how many of them the ceiling allows. */
static size_t
make_room(struct buf *b, size_t n)
{
	size_t cap = b->cap > 0 ? b->cap : 64;

	if (b->over)
		return 0; /* what is in it has no holes */
	if (n > b->max - b->len) {
		b->over = true;
		n = b->max - b->len;
	}
	if (b->s != NULL && n < b->cap - b->len)
		return n;
	while (cap - b->len <= n)
		cap = cap > SIZE_MAX / 2 ? SIZE_MAX : cap * 2;
	if (cap > b->max)
		cap = b->max < SIZE_MAX ? b->max + 1 : SIZE_MAX;
	b->s = mem_grow(b->s, cap, 1);
	b->cap = cap;
	b->s[b->len] = '\0';
	return n;
}

void
buf_add(struct buf *b, const void *octets, size_t n)
{
	n = make_room(b, n);
	if (n == 0)
		return;
	memcpy(b->s + b->len, octets, n);
	b->len += n;
	b->s[b->len] = '\0';
}

void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_addspan(struct buf *b, struct span a)
{
	buf_add(b, a.s, a.len);
}

void
buf_addv(struct buf *b, const char *fmt, va_list ap)
{
	char small[256], *large;
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	if (n < 0) {
		b->over = true; /* cannot be formatted: it did not fit */
	} else if ((size_t)n < sizeof(small)) {
		buf_add(b, small, (size_t)n);
	} else {
		large = mem_grow(NULL, (size_t)n + 1, 1);
		vsnprintf(large, (size_t)n + 1, fmt, again);
		buf_add(b, large, (size_t)n);
		free(large);
	}
	va_end(again);
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_addv(b, fmt, ap);
	va_end(ap);
}

void
buf_drop(struct buf *b, size_t n)
{
	if (n >= b->len)
		n = b->len;
	if (n == 0)
		return;
	b->len -= n;
	memmove(b->s, b->s + n, b->len + 1);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->over = false;
	if (b->s != NULL)
		b->s[0] = '\0';
}

void
buf_wipe(struct buf *b)
{
	if (b->s != NULL)
		explicit_bzero(b->s, b->cap);
	buf_reset(b);
}

void
buf_free(struct buf *b)
{
	free(b->s);
	buf_init(b, b->max);
}

bool
buf_over(const struct buf *b)
{
	return b->over;
}

struct span
buf_span(const struct buf *b)
{
	return (struct span){ buf_str(b), b->len };
}

const char *
buf_str(const struct buf *b)
{
	return b->s != NULL ? b->s : "";
}
