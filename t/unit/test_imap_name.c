/* test_imap_name: folder names in modified UTF-7, quoting, sets of UIDs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "collector/imap_name.h"

static const struct {
	const char *utf8, *name; /* NULL: it is no UTF-8 */
} names[] = {
	{ "INBOX", "INBOX" },
	{ "", "" },
	{ "a&b", "a&-b" },
	{ "&", "&-" },
	{ "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", "~peter/mail/&U,BTFw-/&ZeVnLIqe-" }, /* RFC 3501, 5.1.3 */
	{ "Entw\xc3\xbcrfe", "Entw&APw-rfe" },
	{ "\xc3\xbc&\xc3\xbc", "&APw-&-&APw-" },
	{ "\xc3\xbc", "&APw-" },
	{ "\xc3\xa4\xc3\xb6\xc3\xbc", "&AOQA9gD8-" },
	{ "\xf0\x9f\x93\xac x", "&2D3c7A- x" },
	{ "\xf4\x8f\xbf\xbf", "&2,,f,w-" },
	{ "a\xff", NULL },
	{ "a\xed\xa0\x80", NULL },
};

static void
name_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		struct buf b = BUF_INIT(200);

		assert_int_equal(imap_name_add(&b, span_of(names[i].utf8)), names[i].name == NULL ? -1 : 0);
		if (names[i].name != NULL)
			assert_string_equal(buf_str(&b), names[i].name);
		buf_free(&b);
	}
}

static void
quoting(void **state)
{
	struct buf b = BUF_INIT(200);

	(void)state;
	imap_name_quote(&b, SPAN("a \"b\" \\ {5}"));
	assert_string_equal(buf_str(&b), "\"a \\\"b\\\" \\\\ {5}\"");
	buf_free(&b);
	assert_true(imap_name_quotable(SPAN("a b")));
	assert_false(imap_name_quotable(SPAN("p\xc3\xa4ss")));
	assert_false(imap_name_quotable(SPAN("a\r\nb")));
	assert_false(imap_name_quotable(SPAN("a\0b")));
}

static int
count(void *arg, uint32_t first, uint32_t last)
{
	*(uint64_t *)arg += last - first + 1;
	return last == 13 ? -1 : 0;
}

static void
sets(void **state)
{
	static const uint32_t uids[] = { 1, 2, 3, 7, 9, 10, 4294967294, 4294967295 };
	struct imap_set set = { 0 };
	struct buf b = BUF_INIT(200);
	uint64_t n = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(uids); i++)
		imap_set_add(&set, &b, uids[i]);
	imap_set_end(&set, &b);
	assert_string_equal(buf_str(&b), "1:3,7,9:10,4294967294:4294967295");
	assert_int_equal(imap_set_each(buf_span(&b), count, &n), 0);
	assert_int_equal(n, COUNT(uids));
	n = 0;
	assert_int_equal(imap_set_each(SPAN("5:2"), count, &n), 0);
	assert_int_equal(n, 4);
	assert_int_equal(imap_set_each(SPAN("5:*"), count, &n), -1);
	assert_int_equal(imap_set_each(SPAN("1,"), count, &n), -1);
	assert_int_equal(imap_set_each(SPAN("4294967296"), count, &n), -1);
	assert_int_equal(imap_set_each(SPAN("13"), count, &n), -1);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(name_rows), cmocka_unit_test(quoting),
		cmocka_unit_test(sets) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
