/* Tests of lib/mail/path.c and lib/mail/domain.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/limits.h"
#include "lib/mail/domain.h"
#include "lib/mail/path.h"

#define R PATH_REVERSE
#define F PATH_FORWARD

/* clang-format off */
static const struct {
	const char *in;
	enum path_kind kind;
	ssize_t used; /* or -errno */
	const char *local, *domain;
} cases[] = {
	{ "<ann@example.org> SIZE=9", R, 17, "ann", "example.org" },
	{ "<ann@example.org>", F, 17, "ann", "example.org" },
	{ "<Ann.Lee+x@Sub.Example.ORG>", F, 27, "Ann.Lee+x", "Sub.Example.ORG" },
	{ "<>", R, 2, "", "" },
	{ "<> BODY=8BITMIME", R, 2, "", "" },
	{ "<>", F, -EINVAL, NULL, NULL },
	{ "<postmaster>", F, 12, "postmaster", "" },
	{ "<PostMaster>", F, 12, "PostMaster", "" },
	{ "<john>", F, 6, "john", "" },
	{ "<john>", R, -EINVAL, NULL, NULL },
	/* atoms: every special of RFC 5322 that is atext, and '%' and '!' mean nothing */
	{ "<!#$%&'*+-/=?^_`{|}~@a.example>", F, 31, "!#$%&'*+-/=?^_`{|}~", "a.example" },
	{ "<a%b@c.example>", F, 15, "a%b", "c.example" },
	{ "<x!y@c.example>", F, 15, "x!y", "c.example" },
	{ "<a.b@c.example>", F, 15, "a.b", "c.example" },
	{ "<.a@c.example>", F, -EINVAL, NULL, NULL },
	{ "<a.@c.example>", F, -EINVAL, NULL, NULL },
	{ "<a..b@c.example>", F, -EINVAL, NULL, NULL },
	{ "<a b@c.example>", F, -EINVAL, NULL, NULL },
	{ "<a(b)@c.example>", F, -EINVAL, NULL, NULL },
	{ "<a,b@c.example>", F, -EINVAL, NULL, NULL },
	{ "<a:b@c.example>", F, -EINVAL, NULL, NULL },
	{ "<a;b@c.example>", F, -EINVAL, NULL, NULL },
	{ "<a\\b@c.example>", F, -EINVAL, NULL, NULL },
	{ "<a\"b@c.example>", F, -EINVAL, NULL, NULL },
	{ "<a\x01" "b@c.example>", F, -EINVAL, NULL, NULL },
	{ "<a\x7f" "b@c.example>", F, -EINVAL, NULL, NULL },
	{ "<a\rb@c.example>", F, -EINVAL, NULL, NULL },
	{ "<a\nb@c.example>", F, -EINVAL, NULL, NULL },
	/* one '@' only */
	{ "<a@b@c.example>", F, -EINVAL, NULL, NULL },
	{ "<a@b@c.example>", R, -EINVAL, NULL, NULL },
	{ "<@c.example>", F, -EINVAL, NULL, NULL },
	{ "<a@>", F, -EINVAL, NULL, NULL },
	{ "<@>", F, -EINVAL, NULL, NULL },
	/* quoted strings */
	{ "<\"a b\"@c.example>", F, 17, "\"a b\"", "c.example" },
	{ "<\"a@b\"@c.example>", F, 17, "\"a@b\"", "c.example" },
	{ "<\"a>b\"@c.example>", F, 17, "\"a>b\"", "c.example" },
	{ "<\"a\\\"b\"@c.example>", F, 18, "\"a\\\"b\"", "c.example" },
	{ "<\"a\\\\\"@c.example>", F, 17, "\"a\\\\\"", "c.example" },
	{ "<\"\"@c.example>", F, 14, "\"\"", "c.example" },
	{ "<\"ann\">", F, 7, "\"ann\"", "" },
	{ "<\"a@c.example>", F, -EINVAL, NULL, NULL },
	{ "<\"a\\\"@c.example>", F, -EINVAL, NULL, NULL },
	{ "<\"a\"b@c.example>", F, -EINVAL, NULL, NULL },
	{ "<\"a\".b@c.example>", F, -EINVAL, NULL, NULL },
	{ "<\"a\tb\"@c.example>", F, -EINVAL, NULL, NULL },
	{ "<\"a\rb\"@c.example>", F, -EINVAL, NULL, NULL },
	{ "<\"a\\\nb\"@c.example>", F, -EINVAL, NULL, NULL },
	{ "<\"a\\\xc3\xa9\"@c.example>", F, -EINVAL, NULL, NULL },
	/* domains */
	{ "<a@b>", F, 5, "a", "b" },
	{ "<a@b-c.example>", F, 15, "a", "b-c.example" },
	{ "<a@1.2.3.4>", F, 11, "a", "1.2.3.4" },
	{ "<a@c.example.>", F, 14, "a", "c.example" },
	{ "<a@c.example..>", F, -EINVAL, NULL, NULL },
	{ "<a@.>", F, -EINVAL, NULL, NULL },
	{ "<a@.c.example>", F, -EINVAL, NULL, NULL },
	{ "<a@c..example>", F, -EINVAL, NULL, NULL },
	{ "<a@-c.example>", F, -EINVAL, NULL, NULL },
	{ "<a@c-.example>", F, -EINVAL, NULL, NULL },
	{ "<a@c.example->", F, -EINVAL, NULL, NULL },
	{ "<a@c_d.example>", F, -EINVAL, NULL, NULL },
	{ "<a@c.example/../x>", F, -EINVAL, NULL, NULL },
	{ "<a@c .example>", F, -EINVAL, NULL, NULL },
	/* address literals */
	{ "<a@[192.0.2.1]>", F, 15, "a", "[192.0.2.1]" },
	{ "<a@[IPv6:2001:db8::1]>", F, 22, "a", "[IPv6:2001:db8::1]" },
	{ "<a@[ipv6:::1]>", F, 14, "a", "[ipv6:::1]" },
	{ "<a@[IPv6:::ffff:192.0.2.1]>", F, 27, "a", "[IPv6:::ffff:192.0.2.1]" },
	{ "<a@[192.0.2]>", F, -EINVAL, NULL, NULL },
	{ "<a@[192.0.2.256]>", F, -EINVAL, NULL, NULL },
	{ "<a@[192.0.2.1.5]>", F, -EINVAL, NULL, NULL },
	{ "<a@[2001:db8::1]>", F, -EINVAL, NULL, NULL },
	{ "<a@[IPv6:192.0.2.1]>", F, -EINVAL, NULL, NULL },
	{ "<a@[IPv6:2001:db8::1%eth0]>", F, -EINVAL, NULL, NULL },
	{ "<a@[IPv6:]>", F, -EINVAL, NULL, NULL },
	{ "<a@[]>", F, -EINVAL, NULL, NULL },
	{ "<a@[Tag:content]>", F, -EINVAL, NULL, NULL },
	{ "<a@[192.0.2.1>", F, -EINVAL, NULL, NULL },
	{ "<a@[192.0.2.1].example>", F, -EINVAL, NULL, NULL },
	/* source routes: skipped */
	{ "<@a.example:ann@c.example>", F, 26, "ann", "c.example" },
	{ "<@a.example,@b.example:ann@c.example>", R, 37, "ann", "c.example" },
	{ "<@a.example:ann>", F, -EINVAL, NULL, NULL },
	{ "<@a.example,:ann@c.example>", F, -EINVAL, NULL, NULL },
	{ "<@a.example,b.example:ann@c.example>", F, -EINVAL, NULL, NULL },
	{ "<@a.example ann@c.example>", F, -EINVAL, NULL, NULL },
	{ "<@a.example:>", F, -EINVAL, NULL, NULL },
	{ "<@a.example:>", R, -EINVAL, NULL, NULL },
	/* brackets */
	{ "", F, -EINVAL, NULL, NULL },
	{ "ann@c.example", F, -EINVAL, NULL, NULL },
	{ "<ann@c.example", F, -EINVAL, NULL, NULL },
	{ " <ann@c.example>", F, -EINVAL, NULL, NULL },
	{ "< ann@c.example>", F, -EINVAL, NULL, NULL },
	{ "<ann@c.example >", F, -EINVAL, NULL, NULL },
	{ "<<ann@c.example>>", F, -EINVAL, NULL, NULL },
	{ "<ann@c.example>>", F, 15, "ann", "c.example" },
	/* SMTPUTF8: RFC 3629, no overlong forms, surrogates, or beyond U+10FFFF */
	{ "<\xc5\xbc\xc3\xb3\xc5\x82w@c.example>", F, 19, "\xc5\xbc\xc3\xb3\xc5\x82w", "c.example" },
	{ "<\"\xc5\xbc w\"@c.example>", F, 18, "\"\xc5\xbc w\"", "c.example" },
	{ "<a@b\xc3\xbc" "cher.example>", F, 19, "a", "b\xc3\xbc" "cher.example" },
	{ "<a@B\xc3\xbc" "cher.example>", F, 19, "a", "B\xc3\xbc" "cher.example" },
	{ "<\xf0\x9f\x93\xae@c.example>", F, 16, "\xf0\x9f\x93\xae", "c.example" },
	{ "<\xc0\xaf@c.example>", F, -EINVAL, NULL, NULL },
	{ "<\xe0\x80\xaf@c.example>", F, -EINVAL, NULL, NULL },
	{ "<\xed\xa0\x80@c.example>", F, -EINVAL, NULL, NULL },
	{ "<\xf4\x90\x80\x80@c.example>", F, -EINVAL, NULL, NULL },
	{ "<\xff@c.example>", F, -EINVAL, NULL, NULL },
	{ "<\xc3@c.example>", F, -EINVAL, NULL, NULL },
	{ "<a@\xc3.example>", F, -EINVAL, NULL, NULL },
	{ "<a@\xc3", F, -EINVAL, NULL, NULL },
	/* no U-label: U+FF20, U+3002 (a full stop by looks), upper case, emoji */
	{ "<a\xef\xbc\xa0" "c.example>", R, -EINVAL, NULL, NULL },
	{ "<a@c\xe3\x80\x82" "example>", F, -EINVAL, NULL, NULL },
	{ "<a@\xef\xbd\x83.example>", F, -EINVAL, NULL, NULL },
	{ "<a@\xc3\x9c.example>", F, -EINVAL, NULL, NULL },
};

static const struct {
	const char *in, *canonical, *key;
} forms[] = {
	{ "Ann@Example.ORG", "Ann@example.org", "ann@example.org" },
	{ "ann@example.org.", "ann@example.org", "ann@example.org" },
	{ "Ann", "Ann", "ann" },
	{ "\"Ann\"@example.org", "Ann@example.org", "ann@example.org" },
	{ "\"a\\nn\"@example.org", "ann@example.org", "ann@example.org" },
	{ "\"a.b\"@example.org", "a.b@example.org", "a.b@example.org" },
	{ "\"a..b\"@example.org", "\"a..b\"@example.org", "\"a..b\"@example.org" },
	{ "\".\"@example.org", "\".\"@example.org", "\".\"@example.org" },
	{ "\"A b\"@example.org", "\"A b\"@example.org", "\"a b\"@example.org" },
	{ "\"a\\ b\"@example.org", "\"a b\"@example.org", "\"a b\"@example.org" },
	{ "\"a\\\"b\"@example.org", "\"a\\\"b\"@example.org", "\"a\\\"b\"@example.org" },
	{ "\"a\\\\b\"@example.org", "\"a\\\\b\"@example.org", "\"a\\\\b\"@example.org" },
	{ "\"x@y\"@example.org", "\"x@y\"@example.org", "\"x@y\"@example.org" },
	{ "\"\"@example.org", "\"\"@example.org", "\"\"@example.org" },
	{ "\"\\a\"", "a", "a" },
	{ "a@[192.0.2.1]", "a@[192.0.2.1]", "a@[192.0.2.1]" },
	{ "a@[ipv6:2001:DB8:0:0::1]", "a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]" },
	/* U-labels travel as written; maps know the A-label */
	{ "\xc3\x89va@B\xc3\xbc" "cher.example", "\xc3\x89va@b\xc3\xbc" "cher.example", "\xc3\x89va@xn--bcher-kva.example" },
	{ "a@XN--BCHER-KVA.example", "a@xn--bcher-kva.example", "a@xn--bcher-kva.example" },
	/* the same letter in two pieces: one key */
	{ "a@bu\xcc\x88" "cher.example", "a@bu\xcc\x88" "cher.example", "a@xn--bcher-kva.example" },
};
/* clang-format on */

static char *
span_copy(struct span t)
{
	return mem_dupn(t.s, t.len);
}

static void
parses(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct path p = { .local = SPAN("untouched") };
		/* exactly its octets: reading on is seen by the sanitizer */
		size_t n = strlen(cases[i].in);
		char *s = malloc(n + 1), *t;
		ssize_t used;

		memcpy(s + 1, cases[i].in, n);
		used = path_parse(s + 1, n, cases[i].kind, &p);
		if ((used < 0 ? -errno : used) != cases[i].used)
			print_error("row %zu: %s\n", i, cases[i].in);
		assert_int_equal(used < 0 ? -errno : used, cases[i].used);
		if (used < 0) {
			assert_true(span_is(p.local, "untouched"));
		} else {
			t = span_copy(p.local);
			assert_string_equal(t, cases[i].local);
			free(t);
			t = span_copy(p.domain);
			assert_string_equal(t, cases[i].domain);
			free(t);
			assert_int_equal(p.bare, used > 2 && !p.domain.len);
		}
		free(s);
	}
}

/* However early it ends, what stands there is no path. */
static void
refuses_every_beginning(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (ssize_t n = 0; n < cases[i].used; n++) {
			char *s = malloc((size_t)n + 1);
			struct path p;

			memcpy(s, cases[i].in, (size_t)n);
			assert_int_equal(path_parse(s, (size_t)n,
			    cases[i].kind, &p), -1);
			free(s);
		}
	}
}

static void
tells_utf8(void **state)
{
	struct path p;

	(void)state;
	assert_int_equal(path_parse("<a@b.example>", 13, F, &p), 13);
	assert_false(p.utf8);
	assert_int_equal(path_parse("<\xc3\xa9@b.example>", 14, F, &p), 14);
	assert_true(p.utf8);
	assert_int_equal(path_parse("<a@\xc3\xa9.example>", 14, F, &p), 14);
	assert_true(p.utf8);
	assert_int_equal(path_parse("<\xc3\xa9>", 4, F, &p), 4);
	assert_true(p.utf8);
}

static void
refuses_nul(void **state)
{
	static const char in[] = "<a\0b@c.example>", dom[] = "<a@c\0.example>",
	    lit[] = "<a@[192.0.2.1\0]>", quoted[] = "<\"a\0b\"@c.example>";
	struct path p;

	(void)state;
	assert_int_equal(path_parse(in, sizeof(in) - 1, F, &p), -1);
	assert_int_equal(path_parse(dom, sizeof(dom) - 1, F, &p), -1);
	assert_int_equal(path_parse(lit, sizeof(lit) - 1, F, &p), -1);
	assert_int_equal(path_parse(quoted, sizeof(quoted) - 1, F, &p), -1);
	assert_int_equal(path_parse_address("a@b\0", 4, &p), -1);
}

/* local octets, "@", a domain of so many octets in labels of at most 50 */
static int
parse_of_length(size_t local, size_t domain, bool brackets)
{
	char s[1024], *e = s;
	struct path p;

	*e++ = '<';
	memset(e, 'l', local);
	e += local;
	*e++ = '@';
	for (size_t i = 0; i < domain; i++)
		*e++ = i % 50 == 49 && i + 1 < domain ? '.' : 'd';
	*e++ = '>';
	errno = 0;
	if (!brackets)
		return path_parse_address(s + 1, (size_t)(e - s) - 2, &p) == -1 ?
		    errno : 0;
	return path_parse(s, (size_t)(e - s), F, &p) == -1 ? errno : 0;
}

static void
keeps_limits(void **state)
{
	/* clang-format off */
	static const struct {
		size_t local, domain;
		int error;
	} rows[] = {
		{ 63, 20, 0 }, { 64, 20, 0 }, { 65, 20, EMSGSIZE },
		{ 10, 242, 0 }, { 10, 243, 0 }, { 10, 244, EMSGSIZE }, /* the path: 255, 256, 257 */
		{ 64, 189, 0 }, { 64, 190, EMSGSIZE },
		{ 1, 252, 0 }, { 1, 254, EMSGSIZE }, { 1, 255, EMSGSIZE }, { 1, 256, EMSGSIZE },
	};
	/* clang-format on */
	struct span label = { "ddddddddddddddddddddddddddddddddddddddddddddddddd"
			      "dddddddddddddddd", 63 };
	char s[600];
	struct path p;
	int n;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (int brackets = 0; brackets < 2; brackets++)
			assert_int_equal(parse_of_length(rows[i].local,
			    rows[i].domain, brackets), rows[i].error);
	}
	for (; label.len <= 64; label.len++) { /* RFC 1035: a label */
		n = snprintf(s, sizeof(s), "a@%.*s.example", (int)label.len,
		    label.s);
		assert_int_equal(path_parse_address(s, (size_t)n, &p),
		    label.len == 63 ? 0 : -1);
	}
	/* the octets of a source route count */
	n = snprintf(s, sizeof(s), "<@%050d,@%050d,@%050d,@%050d:a@%0*d>", 1, 1,
	    1, 1, 256 - 212, 1);
	assert_int_equal(n, 256);
	assert_int_equal(path_parse(s, (size_t)n, F, &p), 256);
	n = snprintf(s, sizeof(s), "<@%050d,@%050d,@%050d,@%050d:a@%0*d>", 1, 1,
	    1, 1, 257 - 212, 1);
	assert_int_equal(path_parse(s, (size_t)n, F, &p), -1);
	assert_int_equal(errno, EMSGSIZE);
}

static void
knows_one_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++) {
		struct buf out = BUF_INIT(1024);
		struct path p;

		if (path_parse_address(forms[i].in, strlen(forms[i].in), &p) == -1)
			fail_msg("no address: %s", forms[i].in);
		path_canonical(&p, &out);
		assert_string_equal(buf_str(&out), forms[i].canonical);
		buf_reset(&out);
		path_key(&p, &out);
		assert_string_equal(buf_str(&out), forms[i].key);
		buf_free(&out);
	}
}

static void
null_sender_is_nothing(void **state)
{
	struct buf out = BUF_INIT(64);
	struct path p;

	(void)state;
	assert_int_equal(path_parse("<>", 2, R, &p), 2);
	path_canonical(&p, &out);
	path_key(&p, &out);
	assert_string_equal(buf_str(&out), "");
	buf_free(&out);
}

static void
addresses_are_whole(void **state)
{
	static const char *const bad[] = { "", "<a@b>", "a@b ", " a@b", "a@b>",
		"@x:a@b", "a@b,c@d", "a@", "@b" };
	struct path p;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(path_parse_address(bad[i], strlen(bad[i]), &p),
		    -1);
	assert_int_equal(path_parse_address("ann", 3, &p), 0);
	assert_true(p.bare);
}

static void
folds_domains(void **state)
{
	/* clang-format off */
	static const struct {
		const char *in, *ascii;
		int error;
	} rows[] = {
		{ "Example.ORG.", "example.org", 0 },
		{ "b\xc3\xbc" "cher.example", "xn--bcher-kva.example", 0 },
		{ "fa\xc3\x9f.example", "xn--fa-hia.example", 0 }, /* IDNA2008: not "fass" */
		{ "\xef\xbd\x83.example", NULL, EINVAL },
		{ "", "", 0 },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT(1024);
		int rv = domain_to_ascii(span_of(rows[i].in), &out);

		assert_int_equal(rv == -1 ? errno : 0, rows[i].error);
		assert_string_equal(buf_str(&out),
		    rows[i].ascii != NULL ? rows[i].ascii : "");
		buf_free(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(refuses_every_beginning),
		cmocka_unit_test(tells_utf8),
		cmocka_unit_test(refuses_nul),
		cmocka_unit_test(keeps_limits),
		cmocka_unit_test(knows_one_form),
		cmocka_unit_test(null_sender_is_nothing),
		cmocka_unit_test(addresses_are_whole),
		cmocka_unit_test(folds_domains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
