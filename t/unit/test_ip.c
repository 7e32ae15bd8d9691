/* Tests of lib/net/ip.c. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/net/ip.h"

/* clang-format off */
static const struct {
	const char *in, *text, *literal; /* NULL: no address */
} addresses[] = {
	{ "192.0.2.1", "192.0.2.1", "[192.0.2.1]" },
	{ "0.0.0.0", "0.0.0.0", "[0.0.0.0]" },
	{ "2001:DB8:0:0::1", "2001:db8::1", "[IPv6:2001:db8::1]" },
	{ "::1", "::1", "[IPv6:::1]" },
	{ "::ffff:192.0.2.1", "192.0.2.1", "[192.0.2.1]" },
	{ "::ffff:c000:201", "192.0.2.1", "[192.0.2.1]" },
	{ "::192.0.2.1", "::192.0.2.1", "[IPv6:::192.0.2.1]" },
	{ "192.0.2", NULL, NULL },
	{ "192.0.2.256", NULL, NULL },
	{ "192.0.2.01", NULL, NULL },
	{ "192.0.2.1 ", NULL, NULL },
	{ "3221225985", NULL, NULL },
	{ "0xc0.0.2.1", NULL, NULL },
	{ "", NULL, NULL },
	{ ":", NULL, NULL },
	{ "1::2::3", NULL, NULL },
	{ "fe80::1%lo", NULL, NULL },
	{ "2001:db8:0000:0000:0000:0000:0000:0001:0000:0000:0000", NULL, NULL },
};
static const struct {
	const char *prefix, *in, *out; /* an address within, one beside it */
} prefixes[] = {
	{ "192.0.2.0/24", "192.0.2.255", "192.0.3.0" },
	{ "192.0.2.128/25", "192.0.2.128", "192.0.2.127" },
	{ "192.0.2.4/31", "192.0.2.5", "192.0.2.6" },
	{ "192.0.2.7/32", "192.0.2.7", "192.0.2.6" },
	{ "192.0.2.7", "::ffff:192.0.2.7", "192.0.2.8" },
	{ "0.0.0.0/0", "255.255.255.255", "::1" },
	{ "::ffff:192.0.2.0/120", "192.0.2.9", "192.0.3.9" },
	{ "2001:db8::/32", "2001:db8:ffff::1", "2001:db9::" },
	{ "2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::" },
	{ "2001:db8::1", "2001:db8::1", "2001:db8::2" },
	{ "::/0", "2001:db8::", "192.0.2.1" },
	{ "192.0.2.1/24", NULL, NULL }, /* an address or a net? */
	{ "192.0.2.0/33", NULL, NULL },
	{ "192.0.2.0/", NULL, NULL },
	{ "192.0.2.0/-1", NULL, NULL },
	{ "192.0.2.0/+8", NULL, NULL },
	{ "192.0.2.0/24/8", NULL, NULL },
	{ "/24", NULL, NULL },
	{ "::/129", NULL, NULL },
	{ "::ffff:192.0.2.0/95", NULL, NULL },
	{ "192.0.2.0/4294967328", NULL, NULL },
};
static const struct {
	const char *in, *text;
} literals[] = {
	{ "[192.0.2.1]", "192.0.2.1" },
	{ "[IPv6:2001:db8::1]", "2001:db8::1" },
	{ "[ipV6:::1]", "::1" },
	{ "[2001:db8::1]", NULL },
	{ "[IPv6:192.0.2.1]", NULL },
	{ "[IPv6:]", NULL },
	{ "[]", NULL },
	{ "[", NULL },
	{ "", NULL },
	{ "192.0.2.1", NULL },
	{ "[192.0.2.1", NULL },
	{ "[192.0.2.1]x", NULL },
};
/* clang-format on */

static struct ip
ip(const char *s)
{
	struct ip out;

	if (ip_parse(span_of(s), &out) == -1)
		fail_msg("no address: %s", s);
	return out;
}

static void
reads_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(addresses); i++) {
		struct buf out = BUF_INIT(128);
		struct ip a;
		int rv = ip_parse(span_of(addresses[i].in), &a);

		assert_int_equal(rv, addresses[i].text != NULL ? 0 : -1);
		if (rv == -1)
			continue;
		ip_add(&out, &a);
		assert_string_equal(buf_str(&out), addresses[i].text);
		buf_reset(&out);
		ip_add_literal(&out, &a);
		assert_string_equal(buf_str(&out), addresses[i].literal);
		buf_free(&out);
	}
}

static void
reads_prefixes(void **state)
{
	struct ip_prefix p;

	(void)state;
	for (size_t i = 0; i < COUNT(prefixes); i++) {
		int rv = ip_prefix_parse(span_of(prefixes[i].prefix), &p);
		struct ip a;

		if (rv != (prefixes[i].in != NULL ? 0 : -1))
			print_error("%s\n", prefixes[i].prefix);
		assert_int_equal(rv, prefixes[i].in != NULL ? 0 : -1);
		if (rv == -1)
			continue;
		a = ip(prefixes[i].in);
		assert_true(ip_in(&a, &p));
		a = ip(prefixes[i].out);
		assert_false(ip_in(&a, &p));
	}
}

static void
reads_literals(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(literals); i++) {
		struct buf out = BUF_INIT(128);
		struct ip a;
		int rv = ip_literal_parse(span_of(literals[i].in), &a);

		assert_int_equal(rv, literals[i].text != NULL ? 0 : -1);
		if (rv == 0) {
			ip_add(&out, &a);
			assert_string_equal(buf_str(&out), literals[i].text);
		}
		buf_free(&out);
	}
}

static void
loopback_is_one_address(void **state)
{
	struct ip a;

	(void)state;
	a = ip("127.0.0.1");
	assert_true(ip_loopback(&a));
	a = ip("::ffff:127.0.0.1");
	assert_true(ip_loopback(&a));
	a = ip("::1");
	assert_true(ip_loopback(&a));
	a = ip("127.0.0.2");
	assert_false(ip_loopback(&a));
}

static void
goes_through_sockaddr(void **state)
{
	static const char *const rows[] = { "192.0.2.1", "2001:db8::1", "::1" };
	struct sockaddr_storage ss;
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(7) };
	struct ip a, b;
	uint16_t port;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		a = ip(rows[i]);
		assert_int_equal(ip_to_sockaddr(&a, 2525, &ss), a.v6 ?
		    sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		assert_int_equal(ip_from_sockaddr((struct sockaddr *)&ss, &b,
		    &port), 0);
		assert_true(ip_eq(&a, &b));
		assert_int_equal(port, 2525);
	}
	/* what a socket for both families reports */
	memcpy(&in6.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\377\377\300\0\2\1", 16);
	memcpy(&ss, &in6, sizeof(in6));
	assert_int_equal(ip_from_sockaddr((struct sockaddr *)&ss, &b, &port), 0);
	a = ip("192.0.2.1");
	assert_true(ip_eq(&a, &b));
	ss.ss_family = AF_UNIX;
	assert_int_equal(ip_from_sockaddr((struct sockaddr *)&ss, &b, &port), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_addresses),
		cmocka_unit_test(reads_prefixes),
		cmocka_unit_test(reads_literals),
		cmocka_unit_test(loopback_is_one_address),
		cmocka_unit_test(goes_through_sockaddr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
