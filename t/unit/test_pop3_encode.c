/* pop3d/encode.c: stored octets become the octets of an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "pop3d/encode.h"

#define WHOLE (-1)
#define OCTETS(literal) { literal, sizeof(literal) - 1 }

// clang-format off
static const struct {
	struct span in;
	int top;         /* lines; WHOLE */
	bool keep_crlf;
	struct span out; /* without the final ".\r\n" */
} cases[] = {
	/* RFC 1939, 3: nothing but the final line */
	{ OCTETS(""),                   WHOLE, false, OCTETS("") },
	{ OCTETS("a\n"),                WHOLE, false, OCTETS("a\r\n") },
	{ OCTETS("a"),                  WHOLE, false, OCTETS("a\r\n") },
	{ OCTETS("\n"),                 WHOLE, false, OCTETS("\r\n") },
	{ OCTETS("\n\n"),               WHOLE, false, OCTETS("\r\n\r\n") },
	{ OCTETS("."),                  WHOLE, false, OCTETS("..\r\n") },
	{ OCTETS(".\n"),                WHOLE, false, OCTETS("..\r\n") },
	{ OCTETS("..\n.a\n"),           WHOLE, false, OCTETS("...\r\n..a\r\n") },
	{ OCTETS("a.\nb\n.\n"),         WHOLE, false, OCTETS("a.\r\nb\r\n..\r\n") },
	{ OCTETS("\n.\n.\n"),           WHOLE, false, OCTETS("\r\n..\r\n..\r\n") },
	{ OCTETS("a\0b\n\xff\n"),       WHOLE, false, OCTETS("a\0b\r\n\xff\r\n") },
	/* a CR of the message's own stays one; one of a stored CRLF is the line's end */
	{ OCTETS("a\rb\n"),             WHOLE, false, OCTETS("a\rb\r\n") },
	{ OCTETS("a\r\n"),              WHOLE, false, OCTETS("a\r\r\n") },
	{ OCTETS("a\r\n"),              WHOLE, true,  OCTETS("a\r\n") },
	{ OCTETS("a\r\nb\n\r\n.\r\n"),  WHOLE, true,  OCTETS("a\r\nb\r\n\r\n..\r\n") },
	{ OCTETS("a\r"),                WHOLE, true,  OCTETS("a\r\r\n") },
	{ OCTETS("\r\n"),               WHOLE, true,  OCTETS("\r\n") },
	/* TOP: header, empty line, that many lines */
	{ OCTETS("A: b\n\n1\n2\n3\n"),  0,     false, OCTETS("A: b\r\n\r\n") },
	{ OCTETS("A: b\n\n1\n2\n3\n"),  1,     false, OCTETS("A: b\r\n\r\n1\r\n") },
	{ OCTETS("A: b\n\n1\n2\n3\n"),  2,     false, OCTETS("A: b\r\n\r\n1\r\n2\r\n") },
	{ OCTETS("A: b\n\n1\n2\n3\n"),  3,     false, OCTETS("A: b\r\n\r\n1\r\n2\r\n3\r\n") },
	{ OCTETS("A: b\n\n1\n2\n3\n"),  9,     false, OCTETS("A: b\r\n\r\n1\r\n2\r\n3\r\n") },
	{ OCTETS("A: b\n\n\n.\n3"),     2,     false, OCTETS("A: b\r\n\r\n\r\n..\r\n") },
	{ OCTETS("A: b\n\n\n.\n3"),     3,     false, OCTETS("A: b\r\n\r\n\r\n..\r\n3\r\n") },
	{ OCTETS("A: b\nC: d"),         5,     false, OCTETS("A: b\r\nC: d\r\n") },
	{ OCTETS("A: b\r\n\r\n1\r\n2"), 1,     true,  OCTETS("A: b\r\n\r\n1\r\n") },
	{ OCTETS("\nbody\n"),           0,     false, OCTETS("\r\n") },
};
// clang-format on

/* Fed in pieces of step octets. */
static void
check(size_t i, size_t step)
{
	struct encode e = { .keep_crlf = cases[i].keep_crlf, .top = cases[i].top != WHOLE,
		.lines_left = cases[i].top == WHOLE ? 0 : (uint64_t)cases[i].top };
	struct buf got = BUF_INIT(4096), want = BUF_INIT(4096);
	char *out = malloc(ENCODE_ROOM(step) + ENCODE_END); /* exactly the room promised */
	size_t n;

	assert_non_null(out);
	for (size_t at = 0; at < cases[i].in.len; at += step) {
		n = cases[i].in.len - at < step ? cases[i].in.len - at : step;
		buf_add(&got, out, encode_some(&e, cases[i].in.s + at, n, out));
	}
	buf_add(&got, out, encode_end(&e, out));
	buf_addspan(&want, cases[i].out);
	buf_adds(&want, ".\r\n");
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.s, want.s, want.len);
	buf_free(&got);
	buf_free(&want);
	free(out);
}

static void
encodes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t step = 1; step <= 32; step++) {
			print_message("# case %zu, pieces of %zu\n", i, step);
			check(i, step);
		}
}

/* What is counted is what a client gets, dots that were put in taken away. */
static void
counts(void **state)
{
	struct wire_count c;
	struct span in;
	uint64_t want;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (cases[i].top != WHOLE)
			continue;
		in = cases[i].in;
		for (size_t step = 1; step <= 8; step++) {
			memset(&c, 0, sizeof(c));
			for (size_t at = 0; at < in.len; at += step)
				wire_count_some(&c, in.s + at, in.len - at < step ? in.len - at : step);
			want = in.len;
			for (size_t k = 0; k < in.len; k++)
				want += in.s[k] == '\n' && (k == 0 || in.s[k - 1] != '\r');
			want += in.len > 0 && in.s[in.len - 1] != '\n' ? 2 : 0;
			assert_true(wire_count_end(&c) == want);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes),
		cmocka_unit_test(counts),
	};

	return cmocka_run_group_tests_name("pop3_encode", tests, NULL, NULL);
}
