/*
 * The end of data and nothing but it: every case whole, then octet by octet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "smtpd/body.h"

#define N(s) (s), sizeof(s) - 1
#define NOT_ENDED (-1)

static const struct {
	const char *in;
	size_t n;
	long used;          /* octets up to the end; NOT_ENDED */
	enum body_fault fault;
	const char *out;    /* when there is no fault */
	size_t out_len;
	uint64_t wire;
} cases[] = {
	/* the one end */
	{ N("a\r\n.\r\n"), 6, BODY_FINE, N("a\n"), 3 },
	{ N(".\r\n"), 3, BODY_FINE, N(""), 0 },
	{ N("\r\n.\r\n"), 5, BODY_FINE, N("\n"), 2 },
	{ N("a\r\n.\r\nQUIT\r\n"), 6, BODY_FINE, N("a\n"), 3 },
	{ N("a\r\n.\r\n.\r\n"), 6, BODY_FINE, N("a\n"), 3 },
	/* transparency (RFC 5321, 4.5.2) */
	{ N("..\r\n.\r\n"), 7, BODY_FINE, N(".\n"), 3 },
	{ N("...\r\n.\r\n"), 8, BODY_FINE, N("..\n"), 4 },
	{ N(".a\r\n.\r\n"), 7, BODY_FINE, N("a\n"), 3 },
	{ N("a.\r\n.\r\n"), 7, BODY_FINE, N("a.\n"), 4 },
	{ N("a\r\n..b\r\n.\r\n"), 11, BODY_FINE, N("a\n.b\n"), 7 },
	{ N(". \r\n.\r\n"), 7, BODY_FINE, N(" \n"), 3 },
	{ N("a\r\n. \r\n.\r\n"), 10, BODY_FINE, N("a\n \n"), 6 },
	/* NUL and eight bits pass */
	{ N("a\0b\r\n.\r\n"), 8, BODY_FINE, N("a\0b\n"), 5 },
	{ N("a\r\n.\0\r\n.\r\n"), 10, BODY_FINE, N("a\n\0\n"), 6 },
	{ N("\xc3\xa9\r\n.\r\n"), 7, BODY_FINE, N("\xc3\xa9\n"), 4 },
	/* what others took for an end */
	{ N("a\n.\nx\r\n.\r\n"), 10, BODY_BARE_LF, N(""), 0 },
	{ N("a\n.\r\nx\r\n.\r\n"), 11, BODY_BARE_LF, N(""), 0 },
	{ N("a\r\n.\nx\r\n.\r\n"), 11, BODY_BARE_LF, N(""), 0 },
	{ N("a\r.\rx\r\n.\r\n"), 10, BODY_BARE_CR, N(""), 0 },
	{ N("a\r.\r\nx\r\n.\r\n"), 11, BODY_BARE_CR, N(""), 0 },
	{ N("a\r\n.\rx\r\n.\r\n"), 11, BODY_BARE_CR, N(""), 0 },
	{ N("a\r\n.\r\r\nx\r\n.\r\n"), 13, BODY_BARE_CR, N(""), 0 },
	{ N("a\r\r\n.\r\n"), 7, BODY_BARE_CR, N(""), 0 },
	{ N("a\n\n.\n\nx\r\n.\r\n"), 12, BODY_BARE_LF, N(""), 0 },
	{ N("a\n\r.\r\nx\r\n.\r\n"), 12, BODY_BARE_LF, N(""), 0 },
	{ N(".\nx\r\n.\r\n"), 8, BODY_BARE_LF, N(""), 0 },
	{ N(".\rx\r\n.\r\n"), 8, BODY_BARE_CR, N(""), 0 },
	/* no end at all */
	{ N("a\r\n."), NOT_ENDED, BODY_FINE, N("a\n"), 3 },
	{ N("a\r\n.\r"), NOT_ENDED, BODY_FINE, N("a\n"), 3 },
	{ N("a\r\n\r\n"), NOT_ENDED, BODY_FINE, N("a\n\n"), 5 },
	{ N("a\n.\n"), NOT_ENDED, BODY_BARE_LF, N(""), 0 },
	{ N("a\r.\r"), NOT_ENDED, BODY_BARE_CR, N(""), 0 },
	/* longer than a vector, line ends at every place of it */
	{ N("0123456789abcde\r\n0123456789abcdef\r\n0123456789abcdefg\r\n.\r\n"), 57, BODY_FINE,
	    N("0123456789abcde\n0123456789abcdef\n0123456789abcdefg\n"), 54 },
	{ N("0123456789abcdef0123456789abcdef\n\r\n.\r\n"), 38, BODY_BARE_LF, N(""), 0 },
	{ N("0123456789abcdef0123456789abcde\r.\r\n.\r\n"), 38, BODY_BARE_CR, N(""), 0 },
};

/* In pieces of step octets. Octets taken when it ended, else NOT_ENDED. */
static long
feed(struct body *b, const char *in, size_t n, size_t step, char *out, size_t *out_len)
{
	size_t at = 0, made;

	*out_len = 0;
	while (at < n && !b->ended) {
		size_t piece = n - at < step ? n - at : step;
		size_t used = body_feed(b, in + at, piece, out + *out_len, &made);

		*out_len += made;
		assert_true(used == piece || b->ended);
		at += used;
	}
	return b->ended ? (long)at : NOT_ENDED;
}

static void
ends_and_faults(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t step = 1; step <= cases[i].n; step++) {
			struct body b;
			char out[256];
			size_t len;

			body_init(&b, 0, 50, false);
			assert_int_equal(feed(&b, cases[i].in, cases[i].n, step, out, &len), cases[i].used);
			assert_int_equal(b.fault, cases[i].fault);
			if (b.fault != BODY_FINE)
				continue;
			assert_int_equal(len, cases[i].out_len);
			assert_memory_equal(out, cases[i].out, len);
			assert_int_equal(b.octets, len);
			assert_int_equal(body_wire_octets(&b), cases[i].wire);
		}
	}
}

static void
normalized(void **state)
{
	static const struct {
		const char *in, *out;
		enum body_fault fault;
	} rows[] = {
		{ "a\nb\r\n.\r\n", "a\nb\n", BODY_FINE },
		{ "a\n.\nb\r\n.\r\n", "a\n.\nb\n", BODY_FINE },
		{ "a\n.\r\nb\r\n.\r\n", "a\n.\nb\n", BODY_FINE },
		{ "a\n..\r\nb\r\n.\r\n", "a\n..\nb\n", BODY_FINE },
		{ "a\r\n.\nb\r\n.\r\n", NULL, BODY_BARE_LF },
		{ "a\rb\r\n.\r\n", NULL, BODY_BARE_CR },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t step = 1; step < 16; step++) {
			struct body b;
			char out[64];
			size_t len, n = strlen(rows[i].in);

			body_init(&b, 0, 50, true);
			assert_int_equal(feed(&b, rows[i].in, n, step, out, &len), (long)n);
			assert_int_equal(b.fault, rows[i].fault);
			if (rows[i].out == NULL)
				continue;
			assert_int_equal(len, strlen(rows[i].out));
			assert_memory_equal(out, rows[i].out, len);
		}
	}
}

/* A device's message: LF ends lines as CRLF does, and so the last one. */
static void
of_devices(void **state)
{
	static const struct {
		const char *in, *out;
		long used;
		enum body_fault fault;
	} rows[] = {
		{ "a\nb\n.\n", "a\nb\n", 6, BODY_FINE },
		{ "a\r\nb\r\n.\r\n", "a\nb\n", 9, BODY_FINE },
		{ "a\n.\r\nQUIT\n", "a\n", 5, BODY_FINE },
		{ "a\r\n.\nQUIT\n", "a\n", 5, BODY_FINE },
		{ ".\n", "", 2, BODY_FINE },
		{ "\n\n.\n", "\n\n", 4, BODY_FINE },
		{ "a\n..\n..b\n.c\n.\n", "a\n.\n.b\nc\n", 14, BODY_FINE },
		{ "a.\n.\n", "a.\n", 5, BODY_FINE },
		{ "a\n. \n.\n", "a\n \n", 7, BODY_FINE },
		{ "a\rb\n.\n", NULL, 6, BODY_BARE_CR },
		{ "a\r\r\n.\n", NULL, 6, BODY_BARE_CR },
		{ "a\n.\rb\n.\n", NULL, 8, BODY_BARE_CR },
		{ "a\nb", "a\nb", NOT_ENDED, BODY_FINE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t step = 1; step < 16; step++) {
			struct body b;
			char out[64];
			size_t len;

			body_init(&b, 0, 50, false);
			b.lf_ends = true;
			assert_int_equal(feed(&b, rows[i].in, strlen(rows[i].in), step, out, &len), rows[i].used);
			assert_int_equal(b.fault, rows[i].fault);
			if (rows[i].out == NULL)
				continue;
			assert_int_equal(len, strlen(rows[i].out));
			assert_memory_equal(out, rows[i].out, len);
		}
	}
}

/* n-1, n and n+1: "abc" CRLF is 5 octets (RFC 1870: without the dot line). */
static void
size_limit(void **state)
{
	static const char in[] = "abc\r\n.\r\n";

	(void)state;
	for (uint64_t limit = 4; limit <= 6; limit++) {
		for (size_t step = 1; step < sizeof(in); step++) {
			struct body b;
			char out[16];
			size_t len;

			body_init(&b, limit, 50, false);
			assert_int_equal(feed(&b, in, sizeof(in) - 1, step, out, &len), 8);
			assert_int_equal(b.fault, limit < 5 ? BODY_TOO_LARGE : BODY_FINE);
		}
	}
}

static void
received_fields(void **state)
{
	/* two fields; the rest only looks like it */
	static const char in[] = "Received: a\r\n\tReceived: folded\r\nX-Received: b\r\nreCEIVED:c\r\nReceived : d\r\n"
	    "Receive: e\r\n\r\nReceived: body\r\n.\r\n";

	(void)state;
	for (uint64_t limit = 1; limit <= 3; limit++) {
		for (size_t step = 1; step < sizeof(in); step++) {
			struct body b;
			char out[256];
			size_t len;

			body_init(&b, 0, limit, false);
			assert_int_equal(feed(&b, in, sizeof(in) - 1, step, out, &len), (long)sizeof(in) - 1);
			assert_int_equal(b.fault, limit < 2 ? BODY_LOOP : BODY_FINE);
			assert_int_equal(b.received, 2);
		}
	}
}

static void
eight_bits(void **state)
{
	static const struct {
		const char *in;
		bool eightbit;
	} rows[] = {
		{ "plain 0123456789abcdef\r\n.\r\n", false },
		{ "0123456789abcdef\xff\r\n.\r\n", true },
		{ "\x80""0123456789abcdef\r\n.\r\n", true },
		{ "a\r\n.\r\nNOOP \xff 0123456789abcdef\r\n", false }, /* behind the end: not ours */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t step = 1; step < 40; step++) {
			struct body b;
			char out[64];
			size_t len;

			body_init(&b, 0, 50, false);
			assert_true(feed(&b, rows[i].in, strlen(rows[i].in), step, out, &len) > 0);
			assert_int_equal(b.eightbit, rows[i].eightbit);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_and_faults),
		cmocka_unit_test(normalized),
		cmocka_unit_test(of_devices),
		cmocka_unit_test(size_limit),
		cmocka_unit_test(received_fields),
		cmocka_unit_test(eight_bits),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
