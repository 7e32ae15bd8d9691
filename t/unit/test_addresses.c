/* Tests of lib/mail/addresses.c and lib/mail/head.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/mail/addresses.h"
#include "lib/mail/head.h"

/* clang-format off */
static const struct {
	const char *in;
	const char *addresses; /* each with ';'; NULL: an error */
	const char *completed; /* with house.example; NULL: as in */
} rows[] = {
	{ "ann@example.org", "ann@example.org;", NULL },
	{ "ann", "ann;", "ann@house.example" },
	{ " ann , bob@b.example,carol ", "ann;bob@b.example;carol;", " ann@house.example , bob@b.example,carol@house.example " },
	{ "Ann Lee <ann@example.org>", "ann@example.org;", NULL },
	{ "Ann Lee <ann>", "ann;", "Ann Lee <ann@house.example>" },
	{ "\"Lee, Ann\" <ann@example.org>, bob", "ann@example.org;bob;", "\"Lee, Ann\" <ann@example.org>, bob@house.example" },
	{ "<ann@example.org>", "ann@example.org;", NULL },
	{ "root (Cron Daemon)", "root;", "root@house.example (Cron Daemon)" },
	{ "(who) ann (a (nested, \\) one))@(here)example.org", "ann@example.org;", NULL },
	{ "ann @ example . org", "ann@example.org;", NULL },
	{ "\"ann lee\"@example.org", "\"ann lee\"@example.org;", NULL },
	{ "\"a@b\"", "\"a@b\";", "\"a@b\"@house.example" },
	{ "\"a\\\"b, c\"@d.example", "\"a\\\"b, c\"@d.example;", NULL },
	{ "<@a.example,@b.example:ann@c.example>, x@y.example", "ann@c.example;x@y.example;", NULL },
	{ "ann@[IPv6:2001:db8::1], bob@[192.0.2.1]", "ann@[IPv6:2001:db8::1];bob@[192.0.2.1];", NULL },
	{ "friends: ann, Bob <bob@b.example>;, carol", "ann;bob@b.example;carol;", "friends: ann@house.example, Bob <bob@b.example>;, carol@house.example" },
	{ "undisclosed-recipients:;", "", NULL },
	{ "ann,\n bob,\r\n\tcarol", "ann;bob;carol;", "ann@house.example,\n bob@house.example,\r\n\tcarol@house.example" },
	{ "\"a\n b\"@example.org", "\"a b\"@example.org;", NULL },
	{ "ann,,bob,", "ann;bob;", "ann@house.example,,bob@house.example," },
	{ "", "", NULL },
	{ " (nobody) ", "", NULL },
	{ "=?utf-8?q?=C5=BB?= <z@example.org>", "z@example.org;", NULL },
	{ "ann bob", NULL, NULL },
	{ "ann@example.org bob@example.org", NULL, NULL },
	{ "ann <a@b.example> more", NULL, NULL },
	{ "<a@b.example", NULL, NULL },
	{ "<>", NULL, NULL },
	{ "<a b@c.example>", NULL, NULL },
	{ "\"ann", NULL, NULL },
	{ "ann (unclosed", NULL, NULL },
	{ "<@a.example>", NULL, NULL },
	{ "<@a.example:>", NULL, NULL },
};
/* clang-format on */

static void
reads_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf seen = BUF_INIT(4096), why = BUF_INIT(4096);
		struct arena *mem = arena_new();
		size_t n = strlen(rows[i].in);
		char *s = malloc(n + 1);
		struct addresses list;
		int rv;

		memcpy(s + 1, rows[i].in, n);
		rv = addresses_parse((struct span){ s + 1, n }, mem, &list, &why);
		if (rv != (rows[i].addresses != NULL ? 0 : -1))
			print_error("%s: %s\n", rows[i].in, buf_str(&why));
		assert_int_equal(rv, rows[i].addresses != NULL ? 0 : -1);
		assert_int_equal(why.len > 0, rv == -1);
		for (size_t k = 0; rv == 0 && k < list.n; k++) {
			buf_addspan(&seen, list.a[k].text);
			buf_addc(&seen, ';');
		}
		if (rv == 0) {
			assert_string_equal(buf_str(&seen), rows[i].addresses);
			buf_reset(&seen);
			addresses_complete((struct span){ s + 1, n }, &list,
			    SPAN("house.example"), &seen);
			assert_string_equal(buf_str(&seen),
			    rows[i].completed != NULL ? rows[i].completed :
			    rows[i].in);
		}
		arena_free(mem);
		free(s);
		buf_free(&seen);
		buf_free(&why);
	}
}

static void
writes_heads(void **state)
{
	/* clang-format off */
	static const struct {
		const char *sender, *mailbox, *original, *head;
	} heads[] = {
		{ "ann@a.example", NULL, NULL, "Return-Path: <ann@a.example>\n" },
		{ "", NULL, "x@b.example", "Return-Path: <>\n" },
		{ "", "bob@b.example", NULL, "Return-Path: <>\nDelivered-To: bob@b.example\n" },
		{ "", "bob@b.example", "bob@b.example", "Return-Path: <>\nDelivered-To: bob@b.example\n" },
		{ "", "bob@b.example", "sales@b.example",
		  "Return-Path: <>\nX-Original-To: sales@b.example\nDelivered-To: bob@b.example\n" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < COUNT(heads); i++) {
		struct buf out = BUF_INIT(1024);

		head_add(&out, heads[i].sender, heads[i].mailbox,
		    heads[i].original);
		assert_string_equal(buf_str(&out), heads[i].head);
		buf_free(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_lists),
		cmocka_unit_test(writes_heads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
