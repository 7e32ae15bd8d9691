/*
 * Promises of sendmail's queue/input.c and queue/compose.c: the same text whether input comes at once or octet
 * by octet; no CR in it, and its last line is whole; the header made of it is fields and nothing else,
 * and with -t no Bcc is among them.
 */
#include <string.h>

#include "lib/mail/header.h"
#include "queue/compose.h"
#include "queue/input.h"
#include "t/fuzz/fuzz.h"

static int
count(void *n, struct span address)
{
	PROMISE(address.len > 0 && memchr(address.s, '\n', address.len) == NULL);
	++*(size_t *)n;
	return 0;
}

static void
check_header(const struct compose *c, struct arena *mem)
{
	const struct compose_added added = { .name = "Ann \"x\"", .address = "ann@a.example",
		.id = "id", .host = "h.example" };
	struct buf out = BUF_INIT(4 << 20);
	struct span rest;
	struct field f;
	bool from = false;

	compose_write(c, mem, &added, &out);
	PROMISE(!buf_over(&out));
	rest = buf_span(&out);
	while (header_next(&rest, &f)) {
		PROMISE(f.name.len > 0);
		PROMISE(!c->extract || !span_case_is(f.name, "Bcc"));
		PROMISE(!span_case_is(f.name, "Return-Path"));
		from = from || span_case_is(f.name, "From");
	}
	PROMISE(from && rest.len == 0 && rest.s == out.s + out.len);
	buf_free(&out);
}

static void
check_text(struct span text, bool extract)
{
	struct compose c = { .extract = extract, .domain = SPAN("house.example") };
	struct arena *mem = arena_new();
	struct buf why = BUF_INIT(4096);
	size_t n = 0;

	PROMISE(memchr(text.s, '\r', text.len) == NULL);
	PROMISE(text.len == 0 || text.s[text.len - 1] == '\n');
	if (compose_read(&c, text)) {
		PROMISE(c.header.len + c.body.len <= text.len);
		PROMISE((compose_recipients(&c, mem, count, &n, &why) == -1) == (why.len > 0));
		check_header(&c, mem);
	}
	buf_free(&why);
	arena_free(mem);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	const char *s = (const char *)octets + 1;
	struct input whole, pieces;

	if (n-- < 1)
		return 0;
	input_init(&whole, -1, octets[0] & 1);
	input_init(&pieces, -1, octets[0] & 1);
	input_feed(&whole, s, n);
	for (size_t i = 0; i < n; i++)
		input_feed(&pieces, s + i, 1);
	input_end(&whole);
	input_end(&pieces);
	PROMISE(span_eq(buf_span(&whole.text), buf_span(&pieces.text)));
	check_text((struct span){ buf_str(&whole.text), whole.text.len }, octets[0] & 2);
	input_free(&whole);
	input_free(&pieces);
	return 0;
}
