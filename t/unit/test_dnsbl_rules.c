/* Tests of lib/net/dnsbl_rules.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/net/dnsbl_rules.h"

static bool
counts(const struct dnsbl_rule *r, const char *answer)
{
	struct ip ip;

	assert_int_equal(ip_parse(span_of(answer), &ip), 0);
	return dnsbl_counts(r, ip.octets);
}

static void
test_rules(void **state)
{
	struct dnsbl_rules r = { .n = 0 };
	struct buf why = BUF_INIT(500);

	(void)state;
	assert_int_equal(dnsbl_rules_parse(SPAN("zen.example*3, list.example=127.0.[0;2].[2;4..6]*1 https://list.example/a,b.example*-4"),
	    &r, &why), 0);
	assert_int_equal(r.n, 3);
	assert_string_equal(r.list[0].name, "zen.example");
	assert_string_equal(r.list[0].url, "https://zen.example/");
	assert_int_equal(r.list[0].weight, 3);
	assert_string_equal(r.list[1].url, "https://list.example/a");
	assert_int_equal(r.list[2].weight, -4);
	assert_true(counts(&r.list[0], "127.0.0.2"));
	assert_true(counts(&r.list[0], "127.0.0.254"));
	assert_false(counts(&r.list[0], "127.0.0.1"));
	assert_false(counts(&r.list[0], "127.0.0.255"));
	assert_false(counts(&r.list[0], "127.0.1.2"));
	assert_false(counts(&r.list[0], "128.0.0.2"));
	assert_true(counts(&r.list[1], "127.0.2.5"));
	assert_true(counts(&r.list[1], "127.0.0.2"));
	assert_false(counts(&r.list[1], "127.0.0.3"));
	assert_false(counts(&r.list[1], "127.0.1.4"));
	dnsbl_rules_free(&r);
	assert_int_equal(dnsbl_rules_parse(SPAN(" "), &r, &why), 0);
	assert_int_equal(r.n, 0);
	/* Whatever a filter says, some answers never count. */
	assert_int_equal(dnsbl_rules_parse(SPAN("all.example=[0..255].[0..255].[0..255].[0..255]"), &r, &why), 0);
	assert_true(counts(&r.list[0], "127.255.254.255"));
	assert_false(counts(&r.list[0], "127.255.255.254"));
	assert_false(counts(&r.list[0], "127.255.255.0"));
	assert_false(counts(&r.list[0], "126.0.0.1"));
	dnsbl_rules_free(&r);
	buf_free(&why);
}

static void
test_wrong(void **state)
{
	static const char *const wrong[] = {
		"a.example*", "a.example*0", "a.example*1001", "a.example*x", "a.example*--1", "a.example=", "a.example=127.0.0",
		"a.example=127.0.0.256", "a.example=127.0.0.[2", "a.example=127.0.0.[]", "a.example=127.0.0.[4..2]",
		"a.example=127.0.0.2.3", "a.example=127.0.0.[2]x", "a.example=127.0.0.", "example", "a example", "a.example, ,b.example", ",",
		"a.exam/ple", ".a.example",
		"a.1,a.2,a.3,a.4,a.5,a.6,a.7,a.8,a.9,a.10,a.11,a.12,a.13,a.14,a.15,a.16,a.17",
	};
	struct dnsbl_rules r = { .n = 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct buf why = BUF_INIT(500);

		assert_int_equal(dnsbl_rules_parse(span_of(wrong[i]), &r, &why), -1);
		assert_true(why.len > 0);
		assert_int_equal(r.n, 0);
		buf_free(&why);
	}
}

/* RFC 5782, 2.1 and 2.4. */
static void
test_query(void **state)
{
	static const char *const cases[][2] = {
		{ "192.0.2.99", "99.2.0.192.bad.example.com" },
		{ "2001:db8:1:2:3:4:567:89ab",
		    "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bad.example.com" },
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct buf name = BUF_INIT(300);
		struct ip ip;

		assert_int_equal(ip_parse(span_of(cases[i][0]), &ip), 0);
		dnsbl_query(&name, &ip, "bad.example.com");
		assert_string_equal(buf_str(&name), cases[i][1]);
		buf_free(&name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
