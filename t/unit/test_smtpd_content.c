/* Tests of smtpd/match.c, smtpd/fixup.c, smtpd/rate.c and of masks in smtpd/attachment.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtpd/attachment.h"
#include "smtpd/fixup.h"
#include "smtpd/match.h"
#include "smtpd/rate.h"

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

#define DATE "Date: Thu, 01 Jan 1970 00:00:00 +0000\n"
#define FROM "From: <ann@example.org>\n"
#define ID "Message-ID: <7kq3@mx.example.org>\n"
static const struct {
	const char *in, *out;
} messages[] = {
	{ "Subject: x\n\nhello\n", "Subject: x\n" DATE FROM ID "\nhello\n" },
	{ "date: 1\nFROM : 2\nMessage-Id:\n 3\n\nhello\n", "date: 1\nFROM : 2\nMessage-Id:\n 3\n\nhello\n" },
	{ "X-Date: 1\nSubject: a\n From: 2\n\nDate: 3\n", "X-Date: 1\nSubject: a\n From: 2\n" DATE FROM ID "\nDate: 3\n" },
	{ "Message-ID-Of-Something: 1\n\n", "Message-ID-Of-Something: 1\n" DATE FROM ID "\n" },
	{ "\nhello\n", DATE FROM ID "\nhello\n" },
	{ "hello\nyou\n", DATE FROM ID "\nhello\nyou\n" },
	{ "hello, you: \n\nx\n", DATE FROM ID "\nhello, you: \n\nx\n" },
	{ " hello\n", DATE FROM ID "\n hello\n" },
	{ "From ann Sun Nov 22\nDate: 1\n\n", "From ann Sun Nov 22\nDate: 1\n" FROM ID "\n" },
	{ "Subject: x\nFrom: y\n", "Subject: x\nFrom: y\n" DATE ID }, /* a header is all there is */
	{ "", DATE FROM ID },
};
/* clang-format on */

/* What smtpd makes of a message that comes in pieces of step octets. */
static void
completed(const char *in, size_t step, struct buf *out)
{
	const struct fixup_facts facts = { "7kq3", "mx.example.org", "ann@example.org", 0 };
	struct buf fields = BUF_INIT(FIXUP_OCTETS);
	enum fixup_place place = FIXUP_LATER;
	size_t n = strlen(in), at = 0, used;
	struct fixup f;

	fixup_init(&f);
	while (at < n && place == FIXUP_LATER) {
		place = fixup_scan(&f, in + at, n - at < step ? n - at : step, &used);
		at += used;
	}
	assert_int_equal(f.wanted, place == FIXUP_LATER);
	fixup_add(&f, &facts, &fields);
	if (place == FIXUP_ABOVE) {
		buf_addc(&fields, '\n');
		at = 0;
	}
	buf_add(out, in, at);
	buf_addspan(out, buf_span(&fields));
	buf_add(out, in + at, n - at);
	buf_free(&fields);
}

static void
completes(void **state)
{
	struct buf out = BUF_INIT(4096);

	(void)state;
	for (size_t i = 0; i < COUNT(messages); i++)
		for (size_t step = 1; step < 100; step += 13) {
			buf_reset(&out);
			completed(messages[i].in, step, &out);
			assert_string_equal(buf_str(&out), messages[i].out);
		}
	buf_free(&out);
}

static void
counts(void **state)
{
	struct rate *r = rate_new();
	int64_t now = 1000000;

	(void)state;
	for (int i = 0; i < 60; i++)
		assert_true(rate_take(r, "login", "ann", 60, now + i));
	assert_false(rate_take(r, "login", "ann", 60, now + 100));
	assert_true(rate_take(r, "login", "bob", 60, now + 100));
	assert_true(rate_take(r, "device", "ann", 60, now + 100));
	assert_false(rate_take(r, "login", "ann", 60, now + 50000));
	assert_true(rate_take(r, "login", "ann", 60, now + 60001)); /* one a minute comes back */
	assert_false(rate_take(r, "login", "ann", 60, now + 60002));
	for (int i = 0; i < 60; i++) /* and all of them in two hours */
		assert_true(rate_take(r, "login", "ann", 60, now + 7200000));
	assert_false(rate_take(r, "login", "ann", 60, now + 7200000));
}

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
		cmocka_unit_test(completes),
		cmocka_unit_test(counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
