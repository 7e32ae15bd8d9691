/* test_buf: lib/base/buf.c and lib/base/mem.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"

static void
grows_up_to_its_ceiling(void **state)
{
	struct buf b = BUF_INIT(1000);
	size_t i;

	(void)state;
	assert_string_equal(buf_str(&b), "");
	for (i = 0; i < 1000; i++) {
		buf_addc(&b, (char)('a' + i % 26));
		assert_int_equal(b.len, i + 1);
		assert_int_equal(b.s[b.len], '\0');
	}
	assert_false(buf_over(&b));
	buf_addc(&b, 'x');
	assert_true(buf_over(&b));
	assert_int_equal(b.len, 1000);
	for (i = 0; i < 1000; i++)
		assert_int_equal(b.s[i], 'a' + i % 26);
	buf_reset(&b);
	assert_false(buf_over(&b));
	assert_int_equal(b.len, 0);
	buf_free(&b);
	assert_int_equal(b.max, 1000);
}

static void
cut_at_the_ceiling_without_holes(void **state)
{
	struct buf b = BUF_INIT(5);

	(void)state;
	buf_adds(&b, "abc");
	buf_adds(&b, "defg");
	assert_string_equal(b.s, "abcde");
	assert_true(buf_over(&b));
	buf_reset(&b);
	buf_adds(&b, "abcdefgh");
	buf_drop(&b, 4);
	buf_adds(&b, "x"); /* there is room, but something is missing in front */
	assert_string_equal(b.s, "e");
	buf_free(&b);

	buf_init(&b, 0);
	buf_adds(&b, "");
	assert_false(buf_over(&b));
	buf_adds(&b, "a");
	assert_true(buf_over(&b));
	assert_string_equal(buf_str(&b), "");
	buf_free(&b);
}

static void
any_octets(void **state)
{
	struct buf b = BUF_INIT(SIZE_MAX);

	(void)state;
	buf_add(&b, "a\0b\0", 4);
	buf_addspan(&b, SPAN("\0\xff"));
	assert_int_equal(b.len, 6);
	assert_memory_equal(b.s, "a\0b\0\0\xff", 7);
	buf_drop(&b, 2);
	assert_memory_equal(b.s, "b\0\0\xff", 5);
	buf_drop(&b, 99);
	assert_int_equal(b.len, 0);
	assert_int_equal(b.s[0], '\0');
	buf_free(&b);
}

static void
formats_short_and_long(void **state)
{
	struct buf b = BUF_INIT(5000), cut = BUF_INIT(10);
	char text[1024];

	(void)state;
	memset(text, 'y', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	buf_addf(&b, "%d-%s", 42, "x");
	assert_string_equal(b.s, "42-x");
	buf_addf(&b, "%s!", text);
	assert_int_equal(b.len, 4 + 1023 + 1);
	assert_int_equal(b.s[b.len - 1], '!');
	buf_addf(&cut, "%s", text);
	assert_true(buf_over(&cut));
	assert_string_equal(cut.s, "yyyyyyyyyy");
	buf_free(&b);
	buf_free(&cut);
}

static void
wipe_leaves_nothing(void **state)
{
	struct buf b = BUF_INIT(100);
	size_t i;

	(void)state;
	buf_adds(&b, "password");
	buf_reset(&b);
	buf_wipe(&b);
	for (i = 0; i < b.cap; i++)
		assert_int_equal(b.s[i], 0);
	buf_free(&b);
}

static void
spans(void **state)
{
	static const struct {
		const char *in;
		const char *first;
		const char *rest; /* NULL: none */
	} cuts[] = {
		{ "a:b:c", "a", "b:c" },
		{ "abc", "abc", NULL },
		{ ":b", "", "b" },
		{ "a:", "a", "" },
		{ "", "", NULL },
	};
	struct span rest, first;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cuts); i++) {
		rest = span_of(cuts[i].in);
		first = span_cut(&rest, ':');
		assert_true(span_is(first, cuts[i].first));
		if (cuts[i].rest == NULL)
			assert_null(rest.s);
		else
			assert_true(span_is(rest, cuts[i].rest));
	}
	assert_true(span_is(span_trim(SPAN(" \t a b\r\n")), "a b"));
	assert_true(span_is(span_trim(SPAN(" \r\n")), ""));
	assert_true(span_case_is(SPAN("EhLo"), "ehlo"));
	assert_false(span_case_is(SPAN("ehl"), "ehlo"));
	assert_false(span_case_is(SPAN("[hlo"), "{hlo")); /* not letters */
	assert_true(span_begins(SPAN("Post=a "), "post=", &rest));
	assert_true(span_is(rest, "a "));
	assert_true(span_begins(SPAN("post="), "post=", &rest));
	assert_int_equal(rest.len, 0);
	assert_false(span_begins(SPAN("post"), "post=", &rest));
	assert_false(span_begins((struct span){ NULL, 0 }, "p", NULL));
	assert_true(span_eq((struct span){ NULL, 0 }, SPAN("")));
	assert_false(span_is(SPAN("a\0b"), "a"));
}

static void
arenas(void **state)
{
	struct arena *a = arena_new();
	unsigned char *p[2000];
	char *large;
	size_t i, j, n;

	(void)state;
	for (i = 0; i < COUNT(p); i++) {
		n = i % 97;
		p[i] = arena_alloc(a, n);
		assert_int_equal((uintptr_t)p[i] % _Alignof(max_align_t), 0);
		for (j = 0; j < n; j++)
			assert_int_equal(p[i][j], 0);
		memset(p[i], (int)i & 0xff, n);
		if (i % 100 == 0) {
			large = arena_alloc(a, 50000);
			memset(large, 'L', 50000);
		}
	}
	for (i = 0; i < COUNT(p); i++)
		for (j = 0; j < i % 97; j++)
			assert_int_equal(p[i][j], i & 0xff);
	assert_string_equal(arena_dupn(a, "abcdef", 3), "abc");
	arena_reset(a);
	for (i = 0; i < 500; i++) {
		p[i] = arena_alloc(a, 16);
		for (j = 0; j < 16; j++)
			assert_int_equal(p[i][j], 0);
	}
	arena_free(a);
	arena_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_up_to_its_ceiling),
		cmocka_unit_test(cut_at_the_ceiling_without_holes),
		cmocka_unit_test(any_octets),
		cmocka_unit_test(formats_short_and_long),
		cmocka_unit_test(wipe_leaves_nothing),
		cmocka_unit_test(spans),
		cmocka_unit_test(arenas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
