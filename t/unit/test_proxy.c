/* Tests of lib/net/proxy.c, after HAProxy's proxy-protocol.txt. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/net/proxy.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\xc0\0\2\1" "\xc6\x33\x64\1" "\xdc\4" "\0\x19" /* 192.0.2.1:56324 → 198.51.100.1:25 */
#define X11 "xxxxxxxxxxx"

/* clang-format off */
#define OCTETS(s) s, sizeof(s) - 1
static const struct {
	const char *in;
	size_t len;
	ssize_t used; /* or -errno; 0: more */
	const char *peer, *local; /* NULL: not told */
	uint16_t peer_port, local_port;
} cases[] = {
	{ OCTETS("PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\nEHLO"), 44, "192.0.2.1", "198.51.100.1", 56324, 25 },
	{ OCTETS("PROXY TCP6 2001:db8::1 ::ffff:192.0.2.9 0 65535\r\n"), 49, "2001:db8::1", "192.0.2.9", 0, 65535 },
	{ OCTETS("PROXY UNKNOWN\r\n"), 15, NULL, NULL, 0, 0 },
	{ OCTETS("PROXY UNKNOWN ffff:f...f:ffff 1 2\r\n"), 35, NULL, NULL, 0, 0 },
	{ OCTETS("PROXY TCP4 2001:db8::1 192.0.2.1 1 2\r\n"), -EINVAL, NULL, NULL, 0, 0 },
	{ OCTETS("PROXY TCP6 192.0.2.1 192.0.2.1 1 2\r\n"), -EINVAL, NULL, NULL, 0, 0 },
	{ OCTETS("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"), -EINVAL, NULL, NULL, 0, 0 },
	{ OCTETS("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n"), -EINVAL, NULL, NULL, 0, 0 },
	{ OCTETS("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n"), -EINVAL, NULL, NULL, 0, 0 },
	{ OCTETS("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n"), -EINVAL, NULL, NULL, 0, 0 },
	{ OCTETS("PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n"), -EINVAL, NULL, NULL, 0, 0 },
	{ OCTETS("PROXY TCP4\r\n"), -EINVAL, NULL, NULL, 0, 0 },
	{ OCTETS("PROXY \r\n"), -EINVAL, NULL, NULL, 0, 0 },
	{ OCTETS("PROXY UNKNOWN\n"), -EINVAL, NULL, NULL, 0, 0 },
	{ OCTETS("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n"), -EINVAL, NULL, NULL, 0, 0 },
	{ OCTETS("proxy UNKNOWN\r\n"), -EINVAL, NULL, NULL, 0, 0 },
	{ OCTETS("EHLO x\r\n"), -EINVAL, NULL, NULL, 0, 0 },
	{ OCTETS("PROXY UNKNOWN"), 0, NULL, NULL, 0, 0 },
	{ OCTETS("PRO"), 0, NULL, NULL, 0, 0 },
	{ OCTETS(""), 0, NULL, NULL, 0, 0 },
	/* 107 octets are the most, CRLF included */
	{ OCTETS("PROXY UNKNOWN " X11 X11 X11 X11 X11 X11 X11 X11 "xxx\r\n"), 107, NULL, NULL, 0, 0 },
	{ OCTETS("PROXY UNKNOWN " X11 X11 X11 X11 X11 X11 X11 X11 "xxxx\r\n"), -EMSGSIZE, NULL, NULL, 0, 0 },

	{ OCTETS(SIGNATURE "\x21\x11\0\x0c" V4 "EHLO"), 28, "192.0.2.1", "198.51.100.1", 56324, 25 },
	{ OCTETS(SIGNATURE "\x21\x11\0\x0f" V4 "\4\0\0"), 31, "192.0.2.1", "198.51.100.1", 56324, 25 },
	{ OCTETS(SIGNATURE "\x20\0\0\0"), 16, NULL, NULL, 0, 0 },
	{ OCTETS(SIGNATURE "\x20\x11\0\x0c" V4), 28, NULL, NULL, 0, 0 }, /* LOCAL: addresses do not count */
	{ OCTETS(SIGNATURE "\x21\x12\0\x0c" V4), 28, NULL, NULL, 0, 0 }, /* UDP */
	{ OCTETS(SIGNATURE "\x21\0\0\1x"), 17, NULL, NULL, 0, 0 },
	{ OCTETS(SIGNATURE "\x21\x11\0\x0b" V4), -EINVAL, NULL, NULL, 0, 0 }, /* too short for its family */
	{ OCTETS(SIGNATURE "\x22\x11\0\x0c" V4), -EINVAL, NULL, NULL, 0, 0 }, /* no such command */
	{ OCTETS(SIGNATURE "\x11\x11\0\x0c" V4), -EINVAL, NULL, NULL, 0, 0 }, /* no such version */
	{ OCTETS(SIGNATURE "\x21\x41\0\x0c" V4), -EINVAL, NULL, NULL, 0, 0 }, /* no such family */
	{ OCTETS(SIGNATURE "\x21\x11\x03\xf1"), -EMSGSIZE, NULL, NULL, 0, 0 },
	{ OCTETS(SIGNATURE "\x21\x11\x03\xf0"), 0, NULL, NULL, 0, 0 }, /* 1024 in all */
	{ OCTETS("\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0c" V4), -EINVAL, NULL, NULL, 0, 0 },
};
/* clang-format on */

static ssize_t
parse(const char *s, size_t len, struct proxy *p)
{
	ssize_t n;

	memset(p, 0, sizeof(*p));
	n = proxy_parse((struct span){ s, len }, p);
	return n == -1 ? -errno : n;
}

static void
is_address(const struct ip *got, const char *want)
{
	struct ip ip;

	assert_int_equal(ip_parse(span_of(want), &ip), 0);
	assert_true(ip_eq(got, &ip));
}

static void
test_headers(void **state)
{
	struct proxy p;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse(cases[i].in, cases[i].len, &p), cases[i].used);
		assert_int_equal(p.told, cases[i].peer != NULL);
		if (!p.told)
			continue;
		is_address(&p.peer, cases[i].peer);
		is_address(&p.local, cases[i].local);
		assert_int_equal(p.peer_port, cases[i].peer_port);
		assert_int_equal(p.local_port, cases[i].local_port);
	}
}

/* Octet by octet: "more" until the last one, or wrong at once. */
static void
test_slowly(void **state)
{
	struct proxy p;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t whole = cases[i].used > 0 ? (size_t)cases[i].used : cases[i].len;
		ssize_t n = 0;

		for (size_t len = 0; len <= whole && n == 0; len++) {
			n = parse(cases[i].in, len, &p);
			assert_true(n == 0 || len == whole || cases[i].used < 0);
		}
		assert_int_equal(n, cases[i].used);
	}
}

static void
test_begins(void **state)
{
	(void)state;
	assert_true(proxy_begins(SPAN("PROXY TCP4")));
	assert_true(proxy_begins((struct span){ OCTETS(SIGNATURE "x") }));
	assert_false(proxy_begins(SPAN("PROXY")));
	assert_false(proxy_begins(SPAN("\r\n\r\n")));
	assert_false(proxy_begins(SPAN("EHLO PROXY ")));
	/* as lines: the first, and what is behind it */
	assert_true(proxy_begins_with(SPAN("PROXY TCP4 192.0.2.1"), SPAN("")));
	assert_true(proxy_begins_with(SPAN(""), (struct span){ OCTETS("\r\n\0\r\nQUIT\n\x21") }));
	assert_false(proxy_begins_with(SPAN(""), (struct span){ OCTETS("\r\n\0\r\nQUIT") }));
	assert_false(proxy_begins_with(SPAN(""), SPAN("\r\nQUIT\r\n")));
	assert_false(proxy_begins_with(SPAN("QUIT"), (struct span){ OCTETS("\r\n\0\r\nQUIT\n") }));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_slowly),
		cmocka_unit_test(test_begins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
