/* test_encode: deliver/encode.c, each message whole and in pieces */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "deliver/encode.h"

#define IN(s) { s, sizeof(s) - 1 }

/* clang-format off */
static const struct {
	struct span in, out;
} cases[] = {
	{ IN(""), IN(".\r\n") },
	{ IN("a"), IN("a\r\n.\r\n") },
	{ IN("a\n"), IN("a\r\n.\r\n") },
	{ IN("\n"), IN("\r\n.\r\n") },
	{ IN("a\n\nb\n"), IN("a\r\n\r\nb\r\n.\r\n") },
	{ IN("."), IN("..\r\n.\r\n") },
	{ IN(".\n"), IN("..\r\n.\r\n") },
	{ IN("\n.\n"), IN("\r\n..\r\n.\r\n") },
	{ IN("..\n.a\na.\n"), IN("...\r\n..a\r\na.\r\n.\r\n") },
	/* smuggling: what some servers take for the end never leaves this house */
	{ IN("a\n.\r\nb\n"), IN("a\r\n..\r\nb\r\n.\r\n") },
	{ IN("a\r.\rb\n"), IN("a . b\r\n.\r\n") },
	{ IN("a\r\n.\r\nb"), IN("a\r\n..\r\nb\r\n.\r\n") },
	{ IN("a\r\n"), IN("a\r\n.\r\n") },
	{ IN("a\r\r\n"), IN("a \r\n.\r\n") },
	{ IN("\r"), IN("\r\n.\r\n") },
	{ IN("\r.\n"), IN(" .\r\n.\r\n") },
	{ IN("a\r"), IN("a\r\n.\r\n") },
	{ IN("\r\n"), IN("\r\n.\r\n") },
	{ IN("\r\r\r"), IN("  \r\n.\r\n") },
	{ IN("a\0b\xff\n"), IN("a\0b\xff\r\n.\r\n") },
};
/* clang-format on */

static void
run(size_t i, size_t step)
{
	struct span in = cases[i].in, part;
	struct encode e = { false, false };
	struct buf out = BUF_INIT(1000);

	for (; in.len > 0; in.s += part.len, in.len -= part.len) {
		part = in;
		if (step > 0 && step < part.len)
			part.len = step;
		encode_add(&e, part, &out);
	}
	encode_end(&e, &out);
	if (!span_eq(buf_span(&out), cases[i].out))
		print_error("case %zu, step %zu: %s", i, step, out.s);
	assert_true(span_eq(buf_span(&out), cases[i].out));
	buf_free(&out);
}

static void
messages(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		run(i, 0);
		run(i, 1);
		run(i, 2);
		run(i, 3);
	}
}

/* No more room than promised. */
static void
bounds(void **state)
{
	static const char *const worst[] = { "\n", ".\n", "\r", ".", "\r\n", ".\r" };
	struct encode e = { false, false };
	char in[1000];
	struct buf out = BUF_INIT(5000);
	size_t i, k;

	(void)state;
	for (k = 0; k < COUNT(worst); k++) {
		for (i = 0; i < sizeof(in); i++)
			in[i] = worst[k][i % strlen(worst[k])];
		buf_reset(&out);
		encode_add(&e, (struct span){ in, sizeof(in) }, &out);
		assert_in_range(out.len, 0, 2 * sizeof(in) + 2);
		encode_end(&e, &out);
	}
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages),
		cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
