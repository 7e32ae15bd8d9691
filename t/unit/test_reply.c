/* Tests of lib/mail/reply.c and lib/mail/date.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mail/date.h"
#include "lib/mail/reply.h"

/* clang-format off */
static const struct {
	struct reply reply;
	const char *octets;
} formats[] = {
	{ { 250, "2.1.5", "ok" }, "250 2.1.5 ok\r\n" },
	{ { 354, "", "go on" }, "354 go on\r\n" },
	{ { 250, "", "house.example\nSIZE 10\n8BITMIME" }, "250-house.example\r\n250-SIZE 10\r\n250 8BITMIME\r\n" },
	{ { 550, "5.7.1", "one\ntwo" }, "550-5.7.1 one\r\n550 5.7.1 two\r\n" },
	{ { 550, "5.7.1", "one\r\ntwo\n" }, "550-5.7.1 one?\r\n550 5.7.1 two\r\n" },
	{ { 250, "2.0.0", "" }, "250 2.0.0\r\n" },
	{ { 250, "", NULL }, "250 \r\n" },
	{ { 550, "5.1.1", "<a\x1b[31m\xc3\xa9>" }, "550 5.1.1 <a?[31m?\?>\r\n" },
};
static const struct {
	const char *text;
	int code;
	const char *enhanced;
} enhanced[] = {
	{ "2.1.5 ok", 250, "2.1.5" },
	{ "5.7.1", 550, "5.7.1" },
	{ "5.7.1\nmore", 550, "5.7.1" },
	{ "4.123.456 x", 451, "4.123.456" },
	{ "4.1234.5 x", 451, "" },
	{ "4.1.2345 x", 451, "" },
	{ "4.1.2x", 451, "" },
	{ "5.1.1 x", 450, "" }, /* the class is not the reply's */
	{ "3.0.0 x", 354, "" },
	{ "5.1", 550, "" },
	{ "5..1 x", 550, "" },
	{ "ok", 250, "" },
	{ "", 250, "" },
};
static const struct {
	const char *zone;
	time_t when;
	const char *text;
} dates[] = {
	{ "UTC0", 0, "Thu, 01 Jan 1970 00:00:00 +0000" },
	{ "UTC0", 1795315490, "Sun, 22 Nov 2026 02:44:50 +0000" },
	{ "XXX-5:30", 1795315490, "Sun, 22 Nov 2026 08:14:50 +0530" },
	{ "XXX+3:30", 1795315490, "Sat, 21 Nov 2026 23:14:50 -0330" },
	{ "XXX+0:30", 1795315490, "Sun, 22 Nov 2026 02:14:50 -0030" },
};
/* clang-format on */

static void
formats_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(formats); i++) {
		struct buf out = BUF_INIT(4096);

		reply_format(&formats[i].reply, &out);
		assert_string_equal(buf_str(&out), formats[i].octets);
		buf_free(&out);
	}
}

/* No line is over 512 octets with its CRLF, and no octet of the text is lost. */
static void
breaks_long_lines(void **state)
{
	(void)state;
	for (int blanks = 0; blanks < 2; blanks++) {
		struct buf out = BUF_INIT(8192), text = BUF_INIT(8192);
		struct reply r = { 550, "5.7.1", NULL };
		struct span rest;
		size_t x = 0, lines = 0;

		for (int i = 0; i < 1200; i++)
			buf_addc(&text, blanks && i % 10 == 9 ? ' ' : 'x');
		r.text = buf_str(&text);
		reply_format(&r, &out);
		rest = buf_span(&out);
		while (rest.len > 0) {
			struct span line = span_cut(&rest, '\n');

			assert_in_range(line.len + 1, 12, 512);
			lines++;
			assert_int_equal(line.s[3], rest.len > 0 ? '-' : ' ');
			for (size_t i = 0; i < line.len; i++)
				x += line.s[i] == 'x';
		}
		assert_int_equal(lines, 3);
		assert_int_equal(x, blanks ? 1080 : 1200);
		buf_free(&out);
		buf_free(&text);
	}
}

static void
finds_enhanced_codes(void **state)
{
	char out[12];

	(void)state;
	for (size_t i = 0; i < COUNT(enhanced); i++) {
		reply_enhanced(span_of(enhanced[i].text), enhanced[i].code, out);
		assert_string_equal(out, enhanced[i].enhanced);
	}
}

static void
knows_three_outcomes(void **state)
{
	(void)state;
	assert_int_equal(reply_outcome(250), SENT);
	assert_int_equal(reply_outcome(450), RETRY);
	assert_int_equal(reply_outcome(550), FAILED);
	assert_int_equal(reply_outcome(354), RETRY);
	assert_int_equal(reply_outcome(0), RETRY);
	assert_int_equal(reply_outcome(650), RETRY);
}

static void
writes_dates(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(dates); i++) {
		struct buf out = BUF_INIT(64);

		setenv("TZ", dates[i].zone, 1);
		tzset();
		date_add(&out, dates[i].when);
		assert_string_equal(buf_str(&out), dates[i].text);
		buf_free(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_lines),
		cmocka_unit_test(breaks_long_lines),
		cmocka_unit_test(finds_enhanced_codes),
		cmocka_unit_test(knows_three_outcomes),
		cmocka_unit_test(writes_dates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
