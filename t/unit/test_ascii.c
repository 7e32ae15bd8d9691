/* test_ascii: lib/base/ascii.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/ascii.h"

static void
classes(void **state)
{
	int c;

	(void)state;
	for (c = -128; c < 256; c++) {
		bool upper = c >= 0x41 && c <= 0x5a;
		bool lower = c >= 0x61 && c <= 0x7a;
		bool digit = c >= 0x30 && c <= 0x39;

		assert_int_equal(ascii_alpha(c), upper || lower);
		assert_int_equal(ascii_digit(c), digit);
		assert_int_equal(ascii_alnum(c), upper || lower || digit);
		assert_int_equal(ascii_space(c), c == 0x20 || c == 0x09);
		assert_int_equal(ascii_print(c), c >= 0x20 && c <= 0x7e);
		assert_int_equal(ascii_lower(c), upper ? c + 32 : c);
	}
}

static void
utf8(void **state)
{
	/* RFC 3629, 3, and the ill-formed sequences of its section 10 */
	static const struct {
		const char *s;
		size_t n, used;
		unsigned cp;
	} cases[] = {
		{ "a", 1, 1, 0x61 },
		{ "\0", 1, 1, 0 },
		{ "\x7f", 1, 1, 0x7f },
		{ "\xc2\x80", 2, 2, 0x80 },
		{ "\xdf\xbf", 2, 2, 0x7ff },
		{ "\xe0\xa0\x80", 3, 3, 0x800 },
		{ "\xe2\x89\xa2", 3, 3, 0x2262 },
		{ "\xef\xbf\xbf", 3, 3, 0xffff },
		{ "\xf0\x90\x80\x80", 4, 4, 0x10000 },
		{ "\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff },
		{ "", 0, 0, 0 },
		{ "\x80", 1, 0, 0 },             /* continuation alone */
		{ "\xc0\x80", 2, 0, 0 },         /* overlong NUL */
		{ "\xc1\xbf", 2, 0, 0 },         /* overlong */
		{ "\xe0\x80\xaf", 3, 0, 0 },     /* overlong */
		{ "\xf0\x80\x80\xaf", 4, 0, 0 }, /* overlong */
		{ "\xed\xa0\x80", 3, 0, 0 },     /* surrogate */
		{ "\xed\xbf\xbf", 3, 0, 0 },     /* surrogate */
		{ "\xf4\x90\x80\x80", 4, 0, 0 }, /* above U+10FFFF */
		{ "\xf5\x80\x80\x80", 4, 0, 0 },
		{ "\xff", 1, 0, 0 },
		{ "\xc3", 1, 0, 0 },             /* cut */
		{ "\xe2\x89", 2, 0, 0 },         /* cut */
		{ "\xc3\x28", 2, 0, 0 },         /* no continuation */
	};
	struct buf b = BUF_INIT(16);
	unsigned cp;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		cp = 0;
		assert_int_equal(utf8_char(cases[i].s, cases[i].n, &cp),
		    cases[i].used);
		assert_int_equal(cp, cases[i].cp);
		if (cases[i].used == 0)
			continue;
		buf_reset(&b);
		utf8_add(&b, cp);
		assert_int_equal(b.len, cases[i].used);
		assert_memory_equal(b.s, cases[i].s, b.len);
	}
	assert_true(utf8_valid("na\xc3\xafve", 6));
	assert_true(utf8_valid("", 0));
	assert_false(utf8_valid("na\xc3", 3));
	buf_reset(&b);
	utf8_add(&b, 0xd800);
	assert_string_equal(b.s, "\xef\xbf\xbd");
	buf_free(&b);
}

static void
words_there_and_back(void **state)
{
	static const struct {
		const char *in;
		size_t n;
		const char *also, *word;
	} cases[] = {
		{ "", 0, NULL, "%" },
		{ "ann@example.org", 15, NULL, "ann@example.org" },
		{ "a b", 3, NULL, "a%20b" },
		{ "%", 1, NULL, "%25" },
		{ "\0\xff\n", 3, NULL, "%00%FF%0A" },
		{ "a,b", 3, ",", "a%2Cb" },
		{ "~!\x7f", 3, NULL, "~!%7F" },
	};
	struct buf b = BUF_INIT(1024);
	char out[64], all[256];
	size_t i;
	ssize_t n;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		buf_reset(&b);
		word_encode(&b, cases[i].in, cases[i].n, cases[i].also);
		assert_string_equal(b.s, cases[i].word);
		n = word_decode(out, b.s, b.len);
		assert_int_equal(n, cases[i].n);
		assert_memory_equal(out, cases[i].in, cases[i].n);
		assert_int_equal(out[n], '\0');
	}
	for (i = 0; i < sizeof(all); i++)
		all[i] = (char)i;
	buf_reset(&b);
	word_encode(&b, all, sizeof(all), NULL);
	for (i = 0; i < b.len; i++)
		assert_true(b.s[i] > 0x20 && b.s[i] < 0x7f);
	assert_int_equal(word_decode(b.s, b.s, b.len), sizeof(all));
	assert_memory_equal(b.s, all, sizeof(all)); /* in place */
	buf_free(&b);
}

static void
not_words(void **state)
{
	static const char *const bad[] = { "", "a b", "%%", "%4", "a%4", "%4g",
		"%g4", "a%", "\x7f", "a\n", "\xc3\xa9" };
	char out[16];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++)
		assert_int_equal(word_decode(out, bad[i], strlen(bad[i])), -1);
}

static void
base64_test_vectors(void **state)
{
	/* RFC 4648, 10 */
	static const char *const pairs[][2] = { { "", "" }, { "f", "Zg==" },
		{ "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" } };
	struct buf b = BUF_INIT(100);
	char out[16];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(pairs); i++) {
		buf_reset(&b);
		base64_add(&b, pairs[i][0], strlen(pairs[i][0]));
		assert_string_equal(buf_str(&b), pairs[i][1]);
		assert_int_equal(base64_decode(out, pairs[i][1],
		    strlen(pairs[i][1])), strlen(pairs[i][0]));
		assert_memory_equal(out, pairs[i][0], strlen(pairs[i][0]));
	}
	buf_free(&b);
}

static void
base64_every_length(void **state)
{
	struct buf b = BUF_INIT(1000);
	unsigned char in[260], *out;
	size_t n, i;

	(void)state;
	for (i = 0; i < sizeof(in); i++)
		in[i] = (unsigned char)(i * 37 + 11);
	for (n = 0; n <= sizeof(in); n++) {
		buf_reset(&b);
		base64_add(&b, in, n);
		assert_int_equal(b.len, (n + 2) / 3 * 4);
		/* exactly the room that is promised to be enough */
		out = malloc(b.len / 4 * 3 + (b.len == 0));
		assert_int_equal(base64_decode(out, buf_str(&b), b.len), n);
		assert_memory_equal(out, in, n);
		if (n > 0) {
			/* every other length mod 4 is refused */
			assert_int_equal(base64_decode(out, b.s, b.len - 1), -1);
			assert_int_equal(base64_decode(out, b.s, b.len - 2), -1);
			assert_int_equal(base64_decode(out, b.s, b.len - 3), -1);
		}
		free(out);
	}
	buf_free(&b);
}

static void
base64_strict(void **state)
{
	static const char *const bad[] = { "Zg", "Zg=", "Zm9", "Zg==Zg==",
		"Z===", "====", "=g==", "Zm9v\n", "Zm9 ", "Zm-_", "Zh==",
		"Zm9=", "Zg=g" };
	char out[16];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++)
		assert_int_equal(base64_decode(out, bad[i], strlen(bad[i])), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes),
		cmocka_unit_test(utf8),
		cmocka_unit_test(words_there_and_back),
		cmocka_unit_test(not_words),
		cmocka_unit_test(base64_test_vectors),
		cmocka_unit_test(base64_every_length),
		cmocka_unit_test(base64_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
