/* test_mime: encoded words, charsets, and when two spellings of a name are one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/mail/mime.h"
#include "lib/mail/uni.h"

static const struct {
	const char *in, *out;
} phrases[] = {
	{ "plain", "plain" },
	{ "=?utf-8?Q?J=C3=BCrgen_M?=", "J\xc3\xbcrgen M" },
	{ "=?UTF-8?b?SsO8cmdlbg==?=", "J\xc3\xbcrgen" },
	{ "=?utf-8?B?SsO8cmdlbg?=", "J\xc3\xbcrgen" },
	{ "=?iso-8859-1?Q?J=FCrgen?= M", "J\xc3\xbcrgen M" },
	{ "a =?us-ascii?Q?b?= =?us-ascii?Q?c?= d", "a bc d" },
	{ "=?utf-8?B?SsM=?= =?utf-8?B?vHJnZW4=?=", "J\xc3\xbcrgen" },
	{ "=?utf-8?Q?a?=\t =?iso-8859-1?Q?=FC?=", "a\xc3\xbc" },
	{ "=?utf-8*de?Q?J=C3=BCrgen?=", "J\xc3\xbcrgen" },
	{ "x =?x-nobody-knows?Q?Ann?= y", "x  y" },
	{ "=?us-ascii?Q?J=FCrgen?=", "J\xef\xbf\xbdrgen" },
	{ "=?utf-8?Q?J=FCrgen?=", "J\xef\xbf\xbdrgen" },
	{ "=?utf-8?Q?=41nn?=", "Ann" },
	{ "=?iso-2022-jp?B?GyRCOzNFRBsoQg==?=", "\xe5\xb1\xb1\xe7\x94\xb0" },
	{ "=?utf-8?X?Ann?=", "=?utf-8?X?Ann?=" },
	{ "=?utf-8?Q?open", "=?utf-8?Q?open" },
	{ "= =? ?=", "= =? ?=" },
	{ "=?utf-8/../..?Q?Ann?=", "" },
	{ "=?utf-8//TRANSLIT?Q?Ann?=", "" },
};

static void
phrase_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(phrases); i++) {
		struct buf out = BUF_INIT(4096);

		mime_decode(span_of(phrases[i].in), &out);
		if (strcmp(buf_str(&out), phrases[i].out) != 0)
			fail_msg("%s: %s", phrases[i].in, buf_str(&out));
		buf_free(&out);
	}
}

static void
raw_octets(void **state)
{
	struct buf out = BUF_INIT(100);

	(void)state;
	uni_from_header(SPAN("J\xc3\xbcrgen"), &out);
	assert_string_equal(buf_str(&out), "J\xc3\xbcrgen");
	buf_reset(&out);
	uni_from_header(SPAN("J\xfcrgen \x80\x81"), &out);
	assert_string_equal(buf_str(&out), "J\xc3\xbcrgen \xe2\x82\xac\xef\xbf\xbd");
	buf_free(&out);
}

static const struct {
	const char *a, *b;
	bool same;
} words[] = {
	{ "Ann", "ANN", true },
	{ "M\xc3\xbcller", "Mueller", true },
	{ "M\xc3\xbcller", "Muller", true },
	{ "Mueller", "Muller", false },
	{ "Mu\xcc\x88ller", "M\xc3\xbcller", true },
	{ "S\xc3\xb8ren", "Soeren", true },
	{ "\xc3\x85se", "Aase", true },
	{ "\xc3\x85se", "Ase", true },
	{ "Stra\xc3\x9f""e", "Strasse", true },
	{ "O'Hara", "OHara", true },
	{ "O\xe2\x80\x99Hara", "O'Hara", true },
	{ "\xc5\x81ukasz", "Lukasz", true },
	{ "\xc3\x9e\xc3\xb3ra", "Thora", true },
	{ "Ren\xc3\xa9""e", "RENEE", true },
	{ "\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd", "\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd", true },
	{ "Ann", "Anne", false },
};

static void
word_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(words); i++) {
		struct arena *arena = arena_new();
		struct uni_word *a, *b;

		assert_int_equal(uni_words(span_of(words[i].a), arena, &a), 1);
		assert_int_equal(uni_words(span_of(words[i].b), arena, &b), 1);
		if (uni_word_eq(a, b) != words[i].same)
			fail_msg("%s %s", words[i].a, words[i].b);
		arena_free(arena);
	}
}

static void
cutting(void **state)
{
	struct arena *arena = arena_new();
	struct uni_word *w, *initial;

	(void)state;
	assert_int_equal(uni_words(SPAN("Dr. Ann-Marie Archer_2 (Sales)\xef\xbf\xbd"), arena, &w), 6);
	assert_int_equal(uni_words(SPAN(" .,- "), arena, &w), 0);
	assert_int_equal(uni_words(SPAN("\xc3\x85se"), arena, &w), 1);
	assert_int_equal(uni_words(SPAN("A."), arena, &initial), 1);
	assert_int_equal(initial->letters, 1);
	assert_true(uni_word_begins(w, initial));
	arena_free(arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(phrase_rows), cmocka_unit_test(raw_octets),
		cmocka_unit_test(word_rows), cmocka_unit_test(cutting) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
