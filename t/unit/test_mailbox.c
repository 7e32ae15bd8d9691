/* test_mailbox: address lists as they are really written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/mail/mailbox.h"

/* Each entry as phrase|comment|local|domain, with extra@ in front of local for a@b@c. */
static const struct {
	const char *in, *out;
} lists[] = {
	{ "", "" },
	{ "ann@example.org", "[||ann|example.org]" },
	{ "Ann Archer <ann@example.org>, bob@example.org", "[Ann Archer||ann|example.org][||bob|example.org]" },
	{ "Ann<ann@example.org>", "[Ann||ann|example.org]" },
	{ "\"Archer, Ann\" <ann@example.org>", "[Archer, Ann||ann|example.org]" },
	{ "Archer, Ann <ann@example.org>", "[Archer, Ann||ann|example.org]" },
	{ "ann(the boss)@example.org (Ann \\(HQ\\))", "[|the boss Ann (HQ)|ann|example.org]" },
	{ "((nested) still) ann@example.org", "[|(nested) still|ann|example.org]" },
	{ "ann @ example . org", "[||ann|example.org]" },
	{ "<  ann @ example.org  >", "[||ann|example.org]" },
	{ "Staff: ann@example.org, Bob <bob@example.org>;", "[||ann|example.org][Bob||bob|example.org]" },
	{ "undisclosed-recipients:;", "" },
	{ "a, b; Team: x, y; Ann <ann@example.org>", "[Ann||ann|example.org]" },
	{ "ann@example.org;bob@example.org; x", "[||ann|example.org][||bob|example.org]" },
	{ ", , ann@example.org, ,", "[||ann|example.org]" },
	{ "<@a.example,@b.example:ann@example.org>", "[||ann|example.org]" },
	{ "Ann <ann@example.org", "[Ann||ann|example.org]" },
	{ "Ann <ann@example.org, Bob <bob@example.org>", "[Ann||ann|example.org][Bob||bob|example.org]" },
	{ "Ann <ann@example.org> Bob <bob@example.org>", "[Ann||ann|example.org][Bob||bob|example.org]" },
	{ "\"never closed <ann@example.org>, bob@example.org", "" },
	{ "(never closed <ann@example.org>, bob@example.org", "" },
	{ "mailto:ann@example.org", "[||ann|example.org]" },
	{ "<MAILTO:ann@example.org>", "[||ann|example.org]" },
	{ "'ann@example.org'", "[||ann|example.org]" },
	{ "\"'ann@example.org'\" <bob@example.org>", "['ann@example.org'||bob|example.org]" },
	{ "\"ann@example.org\"", "" },
	{ "\"ann@example.org\" <bob@example.org>", "[ann@example.org||bob|example.org]" },
	{ "\"john doe\"@example.org", "[||john doe|example.org]" },
	{ "\"a@b\"@example.org", "[||a@b|example.org]" },
	{ "ann@@example.org", "" },
	{ "ann@b@example.org", "[||ann@b|example.org]" },
	{ "a@b@c@d", "" },
	{ "@example.org, ann@", "" },
	{ "ann@[IPv6:2001:db8::1]", "[||ann|[IPv6:2001:db8::1]]" },
	{ "=?utf-8?Q?Archer,_Ann?= <ann@example.org>", "[=?utf-8?Q?Archer,_Ann?=||ann|example.org]" },
	{ "=?utf-8?Q?ann@example.org?=", "" },
	{ "=?utf-8?Q?<bob@example.org>?= <ann@example.org>", "[=?utf-8?Q?<bob@example.org>?=||ann|example.org]" },
	{ "andrew mail@example.org", "[andrew||mail|example.org]" },
};

static void
add(struct buf *b, struct span s)
{
	buf_addspan(b, s);
	buf_addc(b, '|');
}

static void
list_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++) {
		struct arena *arena = arena_new();
		struct buf got = BUF_INIT(4096);
		struct mailbox_entry *e;
		size_t n = mailbox_list(span_of(lists[i].in), arena, &e);

		for (size_t k = 0; k < n; k++) {
			buf_addc(&got, '[');
			add(&got, e[k].phrase);
			add(&got, e[k].comment);
			if (e[k].extra.s != NULL) {
				buf_addspan(&got, e[k].extra);
				buf_addc(&got, '@');
			}
			add(&got, e[k].local);
			buf_addspan(&got, e[k].domain);
			buf_addc(&got, ']');
		}
		if (strcmp(buf_str(&got), lists[i].out) != 0)
			fail_msg("%s: %s, expected %s", lists[i].in, buf_str(&got), lists[i].out);
		buf_free(&got);
		arena_free(arena);
	}
}

static const struct {
	const char *in, *local, *domain; /* NULL: none */
} texts[] = {
	{ "ann@example.org", "ann", "example.org" },
	{ "<ann@example.org>", "ann", "example.org" },
	{ "delivered to ann@example.org via bob@example.org", "ann", "example.org" },
	{ "Ann <ann@example.org> x@y", "ann", "example.org" },
	{ "\"a b\"@example.org", "a b", "example.org" },
	{ "ann @ example.org", "ann", "example.org" },
	{ "ann", NULL, NULL },
	{ "", NULL, NULL },
	{ "<>", NULL, NULL },
	{ "a@@b x@y", NULL, NULL },
};

static void
text_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct arena *arena = arena_new();
		struct mailbox_entry e;
		size_t n = mailbox_address(span_of(texts[i].in), arena, &e);

		if (n != (texts[i].local != NULL) ||
		    (n == 1 && !(span_is(e.local, texts[i].local) && span_is(e.domain, texts[i].domain))))
			fail_msg("%s", texts[i].in);
		arena_free(arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(list_rows), cmocka_unit_test(text_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
