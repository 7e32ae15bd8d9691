/*
 * Promises of lib/mail/parts.c: the same is found in whatever pieces the message comes; names are short, end neither in a dot nor
 * in a blank, and hold no control character; text is decoded a piece at a time.
 */
#include <string.h>

#include "lib/mail/parts.h"
#include "t/fuzz/fuzz.h"

static void
field(void *arg, bool top, struct span name, struct span value)
{
	(void)top;
	PROMISE(name.len > 0 && memchr(value.s != NULL ? value.s : "", '\n', value.len) == NULL);
	buf_addspan(arg, name);
	buf_addspan(arg, value);
}

static void
name(void *arg, struct span s)
{
	PROMISE(s.len > 0 && s.len <= PARTS_NAME && s.s[s.len - 1] != '.' && s.s[s.len - 1] != ' ');
	for (size_t i = 0; i < s.len; i++)
		PROMISE((unsigned char)s.s[i] >= ' ');
	buf_addspan(arg, s);
}

static void
text(void *arg, struct span s)
{
	PROMISE(s.len <= 4 * (PARTS_TEXT + PARTS_LINE));
	buf_addspan(arg, s);
}

static void
part(void *arg)
{
	buf_addc(arg, '\n');
}

static void
walk(const char *s, size_t n, size_t step, struct buf *seen)
{
	static const struct parts_found all = { field, name, text, part };
	static struct parts p;

	parts_init(&p, &all, seen);
	for (size_t i = 0; i < n; i += step)
		parts_feed(&p, s + i, n - i < step ? n - i : step);
	parts_end(&p);
	PROMISE(p.depth <= PARTS_DEPTH);
	parts_free(&p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct buf whole = BUF_INIT(1 << 30), pieces = BUF_INIT(1 << 30);

	walk((const char *)octets, n, n + 1, &whole);
	walk((const char *)octets, n, 3, &pieces);
	PROMISE(span_eq(buf_span(&whole), buf_span(&pieces)));
	buf_free(&whole);
	buf_free(&pieces);
	return 0;
}
