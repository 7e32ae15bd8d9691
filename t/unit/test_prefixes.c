/* test_prefixes: networks as people write them, cut into prefixes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "router/prefixes.h"

static void
add(void *arg, const struct ip_prefix *p)
{
	struct buf *out = arg;

	if (out->len > 0)
		buf_addc(out, ' ');
	ip_add(out, &p->ip);
	buf_addf(out, "/%u", p->bits);
}

static const struct {
	const char *text, *want, *why;
} rows[] = {
	{ "192.0.2.1", "192.0.2.1/32", "" },
	{ "192.0.2.0/24", "192.0.2.0/24", "" },
	{ "0.0.0.0/0", "0.0.0.0/0", "" },
	{ "10.0.0.0/255.0.0.0", "10.0.0.0/8", "" },
	{ "192.0.2.0/255.255.255.255", "192.0.2.0/32", "" },
	{ "0.0.0.0/0.0.0.0", "0.0.0.0/0", "" },
	{ "2001:db8::/32", "2001:db8::/32", "" },
	{ "2001:db8::1", "2001:db8::1/128", "" },
	{ "192.0.2.10-192.0.2.20",
	  "192.0.2.10/31 192.0.2.12/30 192.0.2.16/30 192.0.2.20/32", "" },
	{ "192.0.2.0-192.0.2.255", "192.0.2.0/24", "" },
	{ "192.0.2.255-192.0.3.0", "192.0.2.255/32 192.0.3.0/32", "" },
	{ "192.0.2.7-192.0.2.7", "192.0.2.7/32", "" },
	{ "0.0.0.0-255.255.255.255", "0.0.0.0/0", "" },
	{ "255.255.255.254-255.255.255.255", "255.255.255.254/31", "" },
	{ "0.0.0.0-0.0.0.2", "0.0.0.0/31 0.0.0.2/32", "" },
	{ "0.0.0.1-255.255.255.254",
	  "0.0.0.1/32 0.0.0.2/31 0.0.0.4/30 0.0.0.8/29 0.0.0.16/28 "
	  "0.0.0.32/27 0.0.0.64/26 0.0.0.128/25 0.0.1.0/24 0.0.2.0/23 "
	  "0.0.4.0/22 0.0.8.0/21 0.0.16.0/20 0.0.32.0/19 0.0.64.0/18 "
	  "0.0.128.0/17 0.1.0.0/16 0.2.0.0/15 0.4.0.0/14 0.8.0.0/13 "
	  "0.16.0.0/12 0.32.0.0/11 0.64.0.0/10 0.128.0.0/9 1.0.0.0/8 "
	  "2.0.0.0/7 4.0.0.0/6 8.0.0.0/5 16.0.0.0/4 32.0.0.0/3 64.0.0.0/2 "
	  "128.0.0.0/2 192.0.0.0/3 224.0.0.0/4 240.0.0.0/5 248.0.0.0/6 "
	  "252.0.0.0/7 254.0.0.0/8 255.0.0.0/9 255.128.0.0/10 "
	  "255.192.0.0/11 255.224.0.0/12 255.240.0.0/13 255.248.0.0/14 "
	  "255.252.0.0/15 255.254.0.0/16 255.255.0.0/17 255.255.128.0/18 "
	  "255.255.192.0/19 255.255.224.0/20 255.255.240.0/21 "
	  "255.255.248.0/22 255.255.252.0/23 255.255.254.0/24 "
	  "255.255.255.0/25 255.255.255.128/26 255.255.255.192/27 "
	  "255.255.255.224/28 255.255.255.240/29 255.255.255.248/30 "
	  "255.255.255.252/31 255.255.255.254/32", "" },
	{ "2001:db8::f-2001:db8::11", "2001:db8::f/128 2001:db8::10/127", "" },
	{ "192.0.2.5/24", "", "the address has bits behind the prefix: is "
	  "192.0.2.0/24 meant?" },
	{ "10.1.0.0/255.0.0.0", "", "the address has bits behind the prefix: "
	  "is 10.0.0.0/8 meant?" },
	{ "192.0.2.0/33", "", "\"33\" is no prefix length and no mask" },
	{ "192.0.2.0/", "", "\"\" is no prefix length and no mask" },
	{ "192.0.2.0/255.0.255.0", "", "\"255.0.255.0\" is no prefix length "
	  "and no mask" },
	{ "192.0.2.20-192.0.2.10", "", "the range ends before it begins" },
	{ "192.0.2.20-2001:db8::", "", "a range has the form ADDRESS-ADDRESS, "
	  "both IPv4 or both IPv6" },
	{ "192.0.2.20-", "", "a range has the form ADDRESS-ADDRESS, both IPv4 "
	  "or both IPv6" },
	{ "example", "", "\"example\" is no address, network or range, and "
	  "begins with none of sender:, rcpt:, helo:, at:, cert: and cert-name:" },
	{ "", "", "\"\" is no address, network or range, and begins with "
	  "none of sender:, rcpt:, helo:, at:, cert: and cert-name:" },
};

static void
cut(void **state)
{
	struct buf got = BUF_INIT(65536), why = BUF_INIT(1000);
	size_t i;
	int rv;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		buf_reset(&got);
		buf_reset(&why);
		rv = prefixes_parse(span_of(rows[i].text), add, &got, &why);
		assert_int_equal(rv, rows[i].why[0] == '\0' ? 0 : -1);
		assert_string_equal(buf_str(&got), rows[i].want);
		assert_string_equal(buf_str(&why), rows[i].why);
	}
	buf_free(&got);
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
