/* Tests of lib/mail/header.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mail/header.h"

/* clang-format off */
static const struct {
	const char *in;
	const char *fields; /* "name|value unfolded;" of each */
	const char *rest;
} cases[] = {
	{ "Subject: hi\n\nbody\n", "Subject|hi;", "body\n" },
	{ "Subject: hi\r\n\r\nbody\r\n", "Subject|hi;", "body\r\n" },
	{ "A:1\nB: 2 \n", "A|1;B|2;", "" },
	{ "A: one\n two\n\tthree\nB: x\n\n", "A|one two\tthree;B|x;", "" },
	{ "A: one\r\n two\r\nB: x\r\n\r\n", "A|one two;B|x;", "" },
	{ "A:\n 1\n", "A|1;", "" },
	{ "A:\n", "A|;", "" },
	{ "A:", "A|;", "" },
	{ "A \t: x\n", "A|x;", "" },
	{ "From ann Sun Nov 22\nA: x\n\n", "|From ann Sun Nov 22;A|x;", "" },
	{ ": x\n", "|: x;", "" },
	{ " A: x\n", "|A: x;", "" },
	{ "A b: x\n", "|A b: x;", "" },
	{ "A: x", "A|x;", "" },
	{ "A: x\n \n\nbody", "A|x;", "body" },
	{ "\nbody", "", "body" },
	{ "\r\nbody", "", "body" },
	{ "", "", "" },
	{ "\rA: x\n\n", "|A: x;", "" },
	{ "A: x\ry\n\n", "A|xy;", "" },     /* no CR gets through header_unfold */
	{ "A\xc3\xa9: x\n\n", "|A\xc3\xa9: x;", "" },
	{ "A: B: C\n\n", "A|B: C;", "" },
	{ "A: x\n\r\r\nB: y\n\n", "A|x;|;B|y;", "" }, /* CR CR LF is no empty line */
};
/* clang-format on */

static void
reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf seen = BUF_INIT(4096);
		size_t n = strlen(cases[i].in), raw = 0;
		char *s = malloc(n + 1), *t;
		struct span rest = { s + 1, n };
		struct field f;

		memcpy(s + 1, cases[i].in, n);
		while (header_next(&rest, &f)) {
			assert_ptr_equal(f.raw.s, s + 1 + raw);
			raw += f.raw.len;
			buf_addspan(&seen, f.name);
			buf_addc(&seen, '|');
			header_unfold(f.value, &seen);
			buf_addc(&seen, ';');
		}
		assert_string_equal(buf_str(&seen), cases[i].fields);
		t = mem_dupn(rest.s, rest.len);
		assert_string_equal(t, cases[i].rest);
		free(t);
		free(s);
		buf_free(&seen);
	}
}

static void
keeps_raw_octets(void **state)
{
	static const char in[] = "A: one\r\n two\r\nB: x\n\n";
	struct span rest = { in, sizeof(in) - 1 };
	struct field f;

	(void)state;
	assert_true(header_next(&rest, &f));
	assert_true(span_is(f.raw, "A: one\r\n two\r\n"));
	assert_true(span_is(f.value, " one\r\n two"));
	assert_true(header_next(&rest, &f));
	assert_true(span_is(f.raw, "B: x\n"));
	assert_false(header_next(&rest, &f));
	assert_int_equal(rest.len, 0);
	assert_false(header_next(&rest, &f));
}

static void
comments(void **state)
{
	(void)state;
	assert_int_equal(header_comment(SPAN("(a) b")), 3);
	assert_int_equal(header_comment(SPAN("(a (b) c)(d)")), 9);
	assert_int_equal(header_comment(SPAN("(a\\) b)c")), 7);
	assert_int_equal(header_comment(SPAN("(a (b)")), 6); /* it does not end */
	assert_int_equal(header_comment(SPAN("(a\\")), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(keeps_raw_octets),
		cmocka_unit_test(comments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
