/* test_words: the value of a map entry, taken apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/store/words.h"

static const struct {
	const char *in;
	const char *out; /* <name=value> of each; NULL: refused */
} cases[] = {
	{ "", "" },
	{ "  \t ", "" },
	{ "local", "<=local>" },
	{ "  local   relay ", "<=local><=relay>" },
	{ "name=Ann", "<name=Ann>" },
	{ "name=", "<name=>" },
	{ "name= x", "<name=><=x>" },
	{ "name=\"Jan Kowalski\" disabled", "<name=Jan Kowalski><=disabled>" },
	{ "name=\"\"", "<name=>" },
	{ "a=\"x \\\"y\\\" \\\\ \\n\"", "<a=x \"y\" \\ \\n>" },
	{ "\"two words\" b", "<=two words><=b>" },
	{ "\"a=b\"", "<=a=b>" },
	{ "a=b=c", "<a=b=c>" },
	{ "$y$j9T$abc/.= x", "<=$y$j9T$abc/.=><=x>" },
	{ "=x", "<==x>" },
	{ "copy-to=a,b\tforward=c", "<copy-to=a,b><forward=c>" },
	{ "a=x\"y", "<a=x\"y>" },
	{ "a=\"x", NULL },
	{ "a=\"x\\\"", NULL },
	{ "a=\"x\"y", NULL },
	{ "\"", NULL },
};

static void
taken_apart(void **state)
{
	struct arena *mem = arena_new();
	struct buf got = BUF_INIT(4096), why = BUF_INIT(4096);
	struct words w;
	size_t i, j;
	int rv;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		/* A copy of its own size, so that a sanitizer sees its end. */
		char *in = mem_dupn(cases[i].in, strlen(cases[i].in));

		buf_reset(&got);
		buf_reset(&why);
		rv = words_parse((struct span){ in, strlen(in) }, mem, &w,
		    &why);
		assert_int_equal(rv, cases[i].out == NULL ? -1 : 0);
		assert_int_equal(why.len == 0, rv == 0);
		for (j = 0; rv == 0 && j < w.n; j++)
			buf_addf(&got, "<%.*s=%.*s>", (int)w.w[j].name.len,
			    w.w[j].name.s, (int)w.w[j].value.len,
			    w.w[j].value.s);
		if (rv == 0)
			assert_string_equal(buf_str(&got), cases[i].out);
		free(in);
	}
	buf_free(&got);
	buf_free(&why);
	arena_free(mem);
}

static void
found_by_name(void **state)
{
	struct arena *mem = arena_new();
	struct buf why = BUF_INIT(100);
	const struct span *v;
	struct words w;

	(void)state;
	assert_int_equal(words_parse(SPAN("local a=1 b=\"2 3\" a=4"), mem, &w,
	    &why), 0);
	v = words_get(&w, "a");
	assert_non_null(v);
	assert_true(span_is(*v, "1"));
	v = words_get(&w, "b");
	assert_non_null(v);
	assert_true(span_is(*v, "2 3"));
	assert_null(words_get(&w, "local"));
	assert_null(words_get(&w, ""));
	buf_free(&why);
	arena_free(mem);
}

static void
nearest(void **state)
{
	static const char *const names[] = { "postmaster", "catch-all",
		"alias-of", "relay", "mx", NULL };
	static const struct {
		const char *wrong, *meant;
	} rows[] = {
		{ "postmastr", "postmaster" }, { "catchall", "catch-all" },
		{ "alias_of", "alias-of" }, { "realy", "relay" },
		{ "mail_root", NULL }, { "", NULL }, { "xy", NULL },
	};
	const char *got;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		got = words_nearest(span_of(rows[i].wrong), names);
		if (rows[i].meant == NULL)
			assert_null(got);
		else
			assert_string_equal(got, rows[i].meant);
	}
}

static void
entries(void **state)
{
	static const struct {
		const char *line, *key, *value;
	} rows[] = {
		{ "", "", "" },
		{ "# all of it", "", "" },
		{ "ann", "ann", "" },
		{ "ann  bob, carl # two\r", "ann", "bob, carl" },
		{ "ann bob#carl", "ann", "bob#carl" },
		{ "ann name=\"a # b\" # c", "ann", "name=\"a # b\"" },
		{ "ann name=\"a \\\" # b", "ann", "name=\"a \\\" # b" },
		{ "\"two words\"@d.example x", "\"two words\"@d.example", "x" },
		{ "\"a\\\" b\"@d.example x", "\"a\\\" b\"@d.example", "x" },
		{ "\"open\\", "\"open\\", "" },
		{ "  goes on \t", "", "goes on" },
	};
	struct span key, value;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		words_entry(words_line(span_of(rows[i].line)), &key, &value);
		assert_true(span_is(key, rows[i].key));
		assert_true(span_is(value, rows[i].value));
	}
}

static void
argv_rows(void **state)
{
	static const struct {
		const char *in, *first, *last;
		size_t n; /* 0: an error */
	} rows[] = {
		{ "/usr/bin/pass show isp", "/usr/bin/pass", "isp", 3 },
		{ "tool --name=value \"two words\"", "tool", "two words", 3 },
		{ "a b c", "a", "c", 3 },
		{ "a b c d", NULL, NULL, 0 },
		{ "", NULL, NULL, 0 },
		{ "a \"b", NULL, NULL, 0 },
		{ "a name=\"x y\"", "a", "name=x y", 2 },
	};
	struct arena *mem = arena_new();
	struct buf why = BUF_INIT(200);
	char *words[4];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int rv = words_argv(span_of(rows[i].in), mem, words, 3, &why);

		assert_int_equal(rv, rows[i].n > 0 ? 0 : -1);
		if (rv == -1)
			continue;
		assert_string_equal(words[0], rows[i].first);
		assert_string_equal(words[rows[i].n - 1], rows[i].last);
		assert_null(words[rows[i].n]);
	}
	assert_true(why.len > 0);
	buf_free(&why);
	arena_free(mem);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries),
		cmocka_unit_test(argv_rows),
		cmocka_unit_test(taken_apart),
		cmocka_unit_test(found_by_name),
		cmocka_unit_test(nearest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
