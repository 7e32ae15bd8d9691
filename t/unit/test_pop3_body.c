/* test_pop3_body: dots and the one end of a message, whole and octet by octet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "collector/pop3_body.h"
#include "lib/base/buf.h"
#include "lib/base/mem.h"

#define S(literal) { literal, sizeof(literal) - 1 }
static const struct {
	struct span in, out;
	ssize_t rest; /* octets behind the end; -1: it is not there */
} rows[] = {
	{ S(".\r\n"), S(""), 0 },
	{ S("a\r\n.\r\n"), S("a\r\n"), 0 },
	{ S("a\r\n.\r\n+OK\r\n"), S("a\r\n"), 5 },
	{ S("..a\r\n..\r\n...\r\n.\r\n"), S(".a\r\n.\r\n..\r\n"), 0 },
	{ S(".a\r\n.\r\n"), S("a\r\n"), 0 },
	{ S("a\n.\nb\n.\r\nc\r.\r\n.\r\n"), S("a\n.\nb\n.\r\nc\r.\r\n"), 0 },
	{ S(".\rx\r\n.\r\n"), S("\rx\r\n"), 0 },
	{ S(".\r\rx\r\n.\r\n"), S("\r\rx\r\n"), 0 },
	{ S("a\r\r\n.\r\n"), S("a\r\r\n"), 0 },
	{ S("a\0b\r\n.\r\n"), S("a\0b\r\n"), 0 },
	{ S("a\r\n."), S("a\r\n"), -1 },
	{ S("a\r\n.\n\r\n.\r\n"), S("a\r\n\n\r\n"), 0 },
	{ S("\r\n\r\n.\r\n"), S("\r\n\r\n"), 0 },
};

static void
feed(size_t row, size_t step)
{
	struct pop3_body b = { 0 };
	struct buf got = BUF_INIT(1000);
	struct span in = rows[row].in;
	size_t at = 0;

	while (at < in.len && b.state != BODY_END) {
		char out[100];
		size_t n = in.len - at < step ? in.len - at : step, written;

		at += pop3_body_feed(&b, in.s + at, n, out, &written);
		buf_add(&got, out, written);
	}
	if (!span_eq(buf_span(&got), rows[row].out) ||
	    (b.state == BODY_END ? (ssize_t)(in.len - at) : -1) != rows[row].rest)
		fail_msg("row %zu, step %zu: %.*s", row, step, (int)got.len, buf_str(&got));
	buf_free(&got);
}

static void
all_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t step = 1; step < 8; step++)
			feed(i, step);
	for (size_t i = 0; i < COUNT(rows); i++)
		feed(i, 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
