/* Tests of smtpd/match.c, smtpd/patterns.c, smtpd/fixup.c, smtpd/rate.c and of masks in smtpd/attachment.c. */
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
#include "smtpd/patterns.h"
#include "smtpd/rate.h"

/* clang-format off */
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order people read
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

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order people read
static const struct {
	const char *regex;
	bool fold;
	const char *before; /* repeated, so that the text takes several looks */
	const char *text;
	bool found;
} regexes[] = {
	{ "p[i1]lls", true, "x\n", "cheap P1LLS here", true },
	{ "p[i1]lls", false, "x\n", "cheap P1LLS here", false },
	{ "\\bcat\\b", true, "x ", "cat", true },
	{ "\\bcat\\b", true, "x ", "category", false },
	{ "\\bcat\\b", true, "x", "cat", false },       /* looks back over the edge */
	{ "(?<!x)cat", true, "x", "cat", false },
	{ "^cat$", true, "x\n", "cat\ny", true },
	{ "^cat$", true, "x\n", "cats\ny", false },
	{ "^cat$", true, "\xc3\xa4", "cat\ny", false },   /* edges inside of characters */
	{ "\xc3\x84.?CAT", true, "\xc3\xa4", "cat", true },
	{ "\xc3\x84{3}CAT", false, "\xc3\xa4", "cat", false },
	{ "cat", true, "\xe4", "cat", true },            /* no UTF-8 */
	{ "^x{50}y$", true, "x", "y", false },
	{ "x{50}y$", true, "x", "y", true },
	{ "\\Acat", true, "x\n", "cat", false },
	{ "x[^;]*;|evil", true, "x ", "evil", true },     /* what seems to begin earlier and does not end */
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

static int
sought(const char *regex, bool fold, struct span before, struct span text, size_t step)
{
	struct patterns *p = patterns_new();
	struct buf why = BUF_INIT(1000), in = BUF_INIT(1 << 20);
	int found;

	patterns_add(p, regex_new(span_of(regex), fold, &why), 1, 7);
	assert_int_equal(why.len, 0);
	buf_addspan(&in, before);
	buf_addspan(&in, text);
	patterns_begin(p, 1);
	for (size_t i = 0; i < in.len; i += step)
		patterns_feed(p, (struct span){ in.s + i, in.len - i < step ? in.len - i : step });
	patterns_end(p);
	assert_int_equal(patterns_gave_up(p), -1);
	found = patterns_found(p);
	patterns_free(p);
	buf_free(&in);
	buf_free(&why);
	return found;
}

/* Wherever the edge of the window lies. */
static void
finds_regexes(void **state)
{
	struct buf before = BUF_INIT(1 << 20);

	(void)state;
	for (size_t i = 0; i < COUNT(regexes); i++) {
		size_t n = strlen(regexes[i].before);

		for (size_t at = PATTERNS_WINDOW - 5; at < PATTERNS_WINDOW + 2; at++) {
			buf_reset(&before);
			while (before.len < at)
				buf_add(&before, regexes[i].before, n);
			if (sought(regexes[i].regex, regexes[i].fold, buf_span(&before), span_of(regexes[i].text), at % 3 == 0 ? 1 : 4096) !=
			    (regexes[i].found ? 7 : -1))
				fail_msg("%s behind %zu octets of %s", regexes[i].regex, before.len, regexes[i].before);
		}
	}
	buf_free(&before);
}

/* What would take for ever gives up, the rest goes on; texts are apart; the first rule counts. */
static void
gives_up(void **state)
{
	static const char *const all[] = { "(a+)+$", "b.*c", "b" };
	struct patterns *p = patterns_new();
	struct buf why = BUF_INIT(1000), text = BUF_INIT(1 << 20);

	(void)state;
	for (unsigned i = 0; i < COUNT(all); i++)
		patterns_add(p, regex_new(span_of(all[i]), true, &why), i == 2 ? 2 : 1, i);
	while (text.len < 100000)
		buf_adds(&text, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!");
	patterns_begin(p, 1);
	patterns_feed(p, buf_span(&text));
	patterns_feed(p, SPAN("b"));
	patterns_begin(p, 1);
	patterns_feed(p, SPAN("c"));
	patterns_end(p);
	assert_int_equal(patterns_gave_up(p), 0);
	assert_int_equal(patterns_found(p), -1);
	patterns_begin(p, 3);
	patterns_feed(p, SPAN("bc"));
	patterns_end(p);
	assert_int_equal(patterns_found(p), 1);
	patterns_reset(p);
	assert_int_equal(patterns_found(p), -1);
	assert_int_equal(patterns_gave_up(p), -1);
	patterns_free(p);
	buf_free(&text);
	buf_free(&why);
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
		cmocka_unit_test(finds_regexes),
		cmocka_unit_test(gives_up),
		cmocka_unit_test(fits),
		cmocka_unit_test(completes),
		cmocka_unit_test(counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
