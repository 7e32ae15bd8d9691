/* Tests of smtpd/match.c and of masks in smtpd/attachment.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtpd/attachment.h"
#include "smtpd/match.h"

/* clang-format off */
static const struct {
	const char *strings[4]; /* to look for: numbers 0, 1 ... */
	bool fold;
	const char *text;
	int found;
} cases[] = {
	{ { "pills" }, true, "cheap PILLS here", 0 },
	{ { "pills" }, false, "cheap PILLS here", -1 },
	{ { "PILLS" }, false, "cheap PILLS here", 0 },
	{ { "pills" }, true, "cheap pill", -1 },
	{ { "cheap*pills" }, true, "cheap, very cheap pills", 0 },
	{ { "cheap*pills" }, true, "pills cheap", -1 },
	{ { "cheap*pills" }, true, "cheapills", -1 }, /* no octet counts for two pieces */
	{ { "ab*ba" }, true, "aba", -1 },
	{ { "ab*ba" }, true, "abba", 0 },
	{ { "*cheap*pills*" }, true, "cheappills", 0 },
	{ { "aa*aa*aa" }, true, "aaaaa", -1 },
	{ { "aa*aa*aa" }, true, "aaaaaa", 0 },
	{ { "cheap pills" }, true, "cheap \r\n\t pills", 0 }, /* blanks are a blank */
	{ { "cheap \t pills" }, true, "cheap pills", 0 },
	{ { "she", "he", "hers", "his" }, true, "ushers", 0 },
	{ { "xyz", "he", "hers", "his" }, true, "ushers", 1 },
	{ { "xyz", "his", "hers" }, true, "ahishers", 1 },
	{ { "abcd", "bc" }, true, "abce", 1 },     /* inside a longer one that fails */
	{ { "\xc3\xa4rger" }, true, "so ein \xc3\xa4RGER", 0 },
	{ { "a" }, true, "", -1 },
};

static const struct {
	const char *mask, *name;
	bool fits;
} masks[] = {
	{ "*.exe", "a.exe", true }, { "*.exe", ".exe", true }, { "*.exe", "a.exe.txt", false },
	{ "*.exe", "a.ex", false }, { "a.exe", "a.exe", true }, { "a.exe", "ba.exe", false },
	{ "*.doc?", "a.docm", true }, { "*.doc?", "a.doc", false }, { "?.x", "\xc3\xa9.x", true },
	{ "*", "", true }, { "", "", true }, { "?", "", false }, { "*a*b*c", "xxaxxbxxc", true },
	{ "*a*b*c", "xxaxxcxxb", false }, { "*.*.exe", "a.pdf.exe", true }, { "*.*.exe", "a.exe", false },
};
/* clang-format on */

static void
finds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct match *m = match_new(cases[i].fold);

		for (unsigned k = 0; k < 4 && cases[i].strings[k] != NULL; k++)
			match_add(m, span_of(cases[i].strings[k]), 1, k);
		match_begin(m, 1);
		match_feed(m, span_of(cases[i].text));
		assert_int_equal(match_found(m), cases[i].found);
		match_reset(m);
		assert_int_equal(match_found(m), -1);
		match_begin(m, 1); /* an octet at a time */
		for (size_t k = 0; cases[i].text[k] != '\0'; k++)
			match_feed(m, (struct span){ cases[i].text + k, 1 });
		assert_int_equal(match_found(m), cases[i].found);
		match_reset(m);
		match_begin(m, 2); /* a text that nobody asked for */
		match_feed(m, span_of(cases[i].text));
		assert_int_equal(match_found(m), -1);
		match_free(m);
	}
}

static void
texts_are_apart(void **state)
{
	struct match *m = match_new(true);

	(void)state;
	match_add(m, SPAN("cheap*pills"), 1, 0);
	match_begin(m, 1);
	match_feed(m, SPAN("cheap"));
	match_begin(m, 1);
	match_feed(m, SPAN("pills"));
	assert_int_equal(match_found(m), -1);
	match_free(m);
}

static void
fits(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(masks); i++)
		if (attachment_fits(masks[i].mask, span_of(masks[i].name)) != masks[i].fits)
			fail_msg("%s, %s", masks[i].mask, masks[i].name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds),
		cmocka_unit_test(texts_are_apart),
		cmocka_unit_test(fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
