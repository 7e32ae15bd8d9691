/* test_sort: whose is it? The corpus has the many cases; these are its corners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "collector/sort.h"

#define DOMAIN "kind=domain host=h login=l domain=example.org mailbox=all@example.org users=ann,bob,carol " \
	"name=\"ann:Ann Archer\" alias=bob:robert public=staff fallback=carol trusted=.isp.example "
#define SHARED "kind=shared host=h login=l mailbox=mail@isp.example users=ann,bob,carol name=\"ann:Ann Archer\" " \
	"name=\"bob:Bob Archer\" name=\"carol:M\xc3\xbcller, Carol Ann\" public=staff fallback=carol alias=bob:bob@home.example "
#define HOP "Received: from a.example (a.example [192.0.2.1]) by mx.isp.example with ESMTP; x\n"

static const struct {
	const char *entry, *header, *users; /* separated by commas; class behind a blank */
} rows[] = {
	/* what the zone holds is believed, what lies below is not */
	{ DOMAIN, "X-Original-To: bob@example.org\n" HOP "To: ann@example.org\n", "bob envelope-header" },
	{ DOMAIN, HOP "X-Original-To: bob@example.org\nTo: ann@example.org\n", "ann header-recipient" },
	{ DOMAIN "envelope_position=any", HOP "X-Original-To: bob@example.org\nTo: ann@example.org\n", "bob envelope-header" },
	{ DOMAIN, "Delivered-To: nobody@example.org\n" HOP "To: ann@example.org\n", "carol fallback" },
	{ DOMAIN, "Delivered-To: all@example.org\n" HOP "To: ann@example.org\n", "ann header-recipient" },
	{ DOMAIN, "Delivered-To: id7@isp.example\n" HOP "To: ann@example.org\n", "ann header-recipient" },
	{ DOMAIN, "Delivered-To: ann@@example.org\n" HOP "To: bob@example.org\n", "bob header-recipient" },
	{ DOMAIN "envelope=Delivered-To:2", "Delivered-To: ann@example.org\nDelivered-To: bob@example.org\n" HOP, "bob envelope-header" },
	{ DOMAIN "strip_prefix=isp-", "Delivered-To: isp-ann@example.org\n" HOP, "ann envelope-header" },
	{ DOMAIN, "X-Envelope-To: ann@example.org, bob@example.org\n" HOP, "ann,bob envelope-header" },
	{ DOMAIN "envelope=none", "X-Envelope-To: bob@example.org\n" HOP "To: ann@example.org\n", "ann header-recipient" },
	{ DOMAIN, "Received: from a (a [192.0.2.1]) by mx.isp.example for <bob@example.org>; x\nTo: ann@example.org\n", "bob received-for" },
	{ DOMAIN, "Received: from a (a [192.0.2.1]) by mx.isp.example.evil.example for <bob@example.org>; x\nTo: ann@example.org\n", "ann header-recipient" },
	/* an inside hop does not end it: LMTP, a private address, a verified name; HELO is no name */
	{ DOMAIN, "Received: from x by b.isp.example with LMTP; x\nX-Original-To: bob@example.org\n" HOP "To: ann@example.org\n", "bob envelope-header" },
	{ DOMAIN, "Received: from x (x [10.0.0.1]) by b.isp.example; x\nX-Original-To: bob@example.org\n" HOP, "bob envelope-header" },
	{ DOMAIN, "Received: from c.isp.example (evil.example [192.0.2.9]) by b.isp.example; x\nX-Original-To: bob@example.org\n" HOP "To: ann@example.org\n", "ann header-recipient" },
	{ DOMAIN, "Received: from b.isp.example ([fe80::1:2%11]) by c.isp.example; x\nX-Original-To: bob@example.org\n" HOP "To: ann@example.org\n", "bob envelope-header" },
	{ DOMAIN, "Received: by 2002:a05::1; x\nX-Original-To: bob@example.org\n" HOP, "bob envelope-header" },
	{ DOMAIN, "Received: by web.isp.example (from userid 33); x\nX-Original-To: bob@example.org\nTo: ann@example.org\n", "ann header-recipient" },
	/* To and Cc */
	{ DOMAIN, "To: Robert@Example.ORG., x@else.example\nCc: ann+list@example.org\n", "ann,bob header-recipient" },
	{ DOMAIN "domain=b\xc3\xbc" "cher.example", "To: ann@B\xc3\x9c" "CHER.Example\nCc: bob@xn--BCHER-kva.example\n", "ann,bob header-recipient" },
	{ DOMAIN "domain=fa\xc3\x9f.example", "To: ann@FA\xc3\x9f.example\nCc: bob@fass.example\n", "ann header-recipient" },
	{ DOMAIN, "To: staff@example.org\n", "ann,bob,carol public" },
	{ DOMAIN, "To: ann@sub.example.org\n", "carol fallback" },
	{ DOMAIN, "To: \"bob@example.org\" <ann@example.org>\n", "ann header-recipient" },
	{ DOMAIN, "To: x@else.example\nResent-To: bob@example.org\nResent-From: a\nResent-To: ann@example.org\n", "bob header-recipient" },
	{ DOMAIN, "Subject: hi\n\nTo: ann@example.org\n", "carol fallback" },
	{ DOMAIN "parse_subject=yes", "Subject: for (ann@example.org) now\n", "ann header-recipient" },
	{ DOMAIN "list=dev.example.net:ann list=x@y.example:bob", "List-Id: Dev <dev.example.net>\nTo: carol@example.org\nSender: x@y.example\n", "ann,bob list-rule" },
	{ DOMAIN "cc=ann:bob cc=bob:carol", "To: ann@example.org\n", "ann,bob header-recipient" },
	{ DOMAIN, "X-Collected-For: ann@here.example\nTo: ann@example.org, bob@example.org\n", "bob header-recipient" },
	{ DOMAIN, "X-Collected-For: ann@here.example\nTo: ann@example.org\n", " loop-rejected" },
	{ DOMAIN, "X-Collected-For: ann@there.example\nTo: ann@example.org\n", "ann header-recipient" },
	{ DOMAIN "max_hops=1", HOP HOP "To: ann@example.org\n", " loop-rejected" },
	{ DOMAIN "max_hops=2", HOP HOP "To: ann@example.org\n", "ann header-recipient" },
	/* the header as it comes */
	{ DOMAIN, ">From x\nTo : a\r\n\tnn@example.org\n", "carol fallback" },
	{ DOMAIN, "From x y\nT\nnonsense\n bob@example.org\nTo\t:\r\n ann@example.org\r\n", "ann header-recipient" },
	{ DOMAIN, "X: y\rTo: bob@example.org\n \t\nTo: ann@example.org\n", "ann header-recipient" },
	/* one address, several people */
	{ SHARED, "To: Ann <mail@isp.example>\n", "ann display-name" },
	{ SHARED, "To: Archer <mail@isp.example>\n", "carol fallback" },
	{ SHARED, "To: B. Archer <mail@isp.example>\n", "bob display-name" },
	{ SHARED, "To: Dr. Ann Archer (Sales) <mail@isp.example>\n", "ann display-name" },
	{ SHARED, "To: MUELLER <mail@isp.example>\n", "carol display-name" },
	{ SHARED, "To: =?utf-8?q?Carol_M=C3=BCller?= <mail@isp.example>\n", "carol display-name" },
	{ SHARED, "To: mail@isp.example (Bob)\n", "bob display-name" },
	{ SHARED, "To: bob@mail@isp.example\n", "bob display-name" },
	{ SHARED, "To: mail+ann@isp.example\n", "ann header-recipient" },
	{ SHARED, "To: Ann <bob@home.example>\n", "bob header-recipient" },
	{ SHARED, "To: Bob <other@isp.example>\n", "carol fallback" },
	{ SHARED, "To: staff <mail@isp.example>\n", "ann,bob,carol public" },
	{ SHARED, "To: Ann <mail@isp.example>, Bob <mail@isp.example>\n", "ann,bob display-name" },
	{ SHARED, "Delivered-To: mail+bob@isp.example\n" "To: Ann <mail@isp.example>\n", "bob envelope-header" },
	{ SHARED, "Delivered-To: mail+zoe@isp.example\n" "To: Ann <mail@isp.example>\n", "ann display-name" },
	{ "kind=single host=h login=l users=ann", "To: bob@example.org\n", "ann single" },
};

static void
sort_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct arena *arena = arena_new();
		struct buf why = BUF_INIT(1000), got = BUF_INIT(1000);
		struct upstream up;
		struct sort_account *a = NULL;
		struct sort_header h;
		struct sort_result r;

		if (upstream_parse(span_of(rows[i].entry), arena, &up, &why) == -1 ||
		    (a = sort_account_new(&up, "here.example", &why)) == NULL)
			fail_msg("%s: %s", rows[i].entry, buf_str(&why));
		sort_header_read(span_of(rows[i].header), arena, &h);
		sort_message(a, &h, arena, &r, NULL);
		for (size_t k = 0; sort_account_user(a, k) != NULL; k++)
			if (r.gets[k] && r.count > 0)
				buf_addf(&got, "%s%s", got.len > 0 ? "," : "", sort_account_user(a, k));
		buf_addf(&got, " %s", sort_class_name(r.class));
		if (strcmp(buf_str(&got), rows[i].users) != 0)
			fail_msg("%s: %s, expected %s", rows[i].header, buf_str(&got), rows[i].users);
		sort_account_free(a);
		buf_free(&why);
		buf_free(&got);
		arena_free(arena);
	}
}

static void
digest_of(const char *header, struct span body, size_t step, unsigned char out[DIGEST_OCTETS])
{
	struct arena *arena = arena_new();
	struct sort_header h;
	struct sort_digest *d;

	sort_header_read(span_of(header), arena, &h);
	d = sort_digest_new(&h);
	for (size_t i = 0; i < body.len; i += step)
		sort_digest_body(d, body.s + i, body.len - i < step ? body.len - i : step);
	sort_digest_end(d, out);
	arena_free(arena);
}

static bool
same(const char *h1, struct span b1, const char *h2, struct span b2)
{
	unsigned char first[DIGEST_OCTETS], second[DIGEST_OCTETS], slow[DIGEST_OCTETS];

	digest_of(h1, b1, 100000, first);
	digest_of(h2, b2, 100000, second);
	digest_of(h2, b2, 1, slow);
	assert_memory_equal(second, slow, DIGEST_OCTETS);
	return memcmp(first, second, DIGEST_OCTETS) == 0;
}

static void
digests(void **state)
{
	static char white[30000], more[30001];

	(void)state;
	assert_true(same("To: a\n", SPAN("x\r\ny\r\n"), "X-Other: b\nReceived: c\nTo:   a\r\n", SPAN("x\ny\n\n \t\r\n")));
	assert_false(same("To: a\n", SPAN("x\n"), "To: b\n", SPAN("x\n")));
	assert_false(same("To: a\n", SPAN("x\n"), "Cc: a\n", SPAN("x\n")));
	assert_false(same("To: a\n", SPAN("x\n"), "To: a\n", SPAN("x \ny\n")));
	assert_false(same("To: a\n", SPAN("x\ry\n"), "To: a\n", SPAN("x\ny\n")));
	assert_false(same("To: a\n", SPAN("x"), "To: a\n", SPAN(" x")));
	memset(white, ' ', sizeof(white));
	memset(more, ' ', sizeof(more));
	white[0] = more[0] = 'x';
	assert_true(same("To: a\n", SPAN("x"), "To: a\n", (struct span){ white, sizeof(white) }));
	more[30000] = 'y';
	assert_false(same("To: a\n", SPAN("x"), "To: a\n", (struct span){ more, sizeof(more) }));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(sort_rows), cmocka_unit_test(digests) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
