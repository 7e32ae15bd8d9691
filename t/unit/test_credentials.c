/* Tests of lib/mail/credentials.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/ascii.h"
#include "lib/mail/credentials.h"

/* clang-format off */
static const struct {
	const char *mechanism, *initial;  /* initial NULL: none */
	const char *lines[3];             /* what follows */
	enum credentials_step end;
	const char *login, *password;
} cases[] = {
	/* RFC 4616, 4: "\0tim\0tanstaaftanstaaf" */
	{ "PLAIN", "AHRpbQB0YW5zdGFhZnRhbnN0YWFm", { NULL }, CREDENTIALS_READY, "tim", "tanstaaftanstaaf" },
	{ "plain", NULL, { "AHRpbQB0YW5zdGFhZnRhbnN0YWFm" }, CREDENTIALS_READY, "tim", "tanstaaftanstaaf" },
	{ "PLAIN", NULL, { NULL }, CREDENTIALS_MORE, "", "" },
	/* "Ursel\0Kurt\0xipj3plmq" (RFC 4616, 4): Kurt for Ursel, which nobody may here */
	{ "PLAIN", "VXJzZWwAS3VydAB4aXBqM3BsbXE=", { NULL }, CREDENTIALS_MALFORMED, NULL, NULL },
	{ "PLAIN", "YW5uAGFubgBzZWNyZXQ=", { NULL }, CREDENTIALS_READY, "ann", "secret" }, /* ann for ann */
	{ "PLAIN", "=", { NULL }, CREDENTIALS_MALFORMED, NULL, NULL },
	{ "PLAIN", NULL, { "" }, CREDENTIALS_MALFORMED, NULL, NULL },
	{ "PLAIN", NULL, { "*" }, CREDENTIALS_CANCELLED, NULL, NULL },
	{ "PLAIN", "YW5u", { NULL }, CREDENTIALS_MALFORMED, NULL, NULL },        /* "ann" */
	{ "PLAIN", "AGFubg==", { NULL }, CREDENTIALS_MALFORMED, NULL, NULL },    /* "\0ann" */
	{ "PLAIN", "AGFubgA=", { NULL }, CREDENTIALS_MALFORMED, NULL, NULL },    /* "\0ann\0" */
	{ "PLAIN", "AABzZWNyZXQ=", { NULL }, CREDENTIALS_MALFORMED, NULL, NULL },  /* "\0\0secret" */
	{ "PLAIN", "AGFubgBhAGI=", { NULL }, CREDENTIALS_MALFORMED, NULL, NULL },  /* "\0ann\0a\0b" */
	{ "PLAIN", "AGFubgBzZWNyZXQ", { NULL }, CREDENTIALS_MALFORMED, NULL, NULL }, /* no padding */
	{ "PLAIN", "AGFubgBzZWNy ZXQ=", { NULL }, CREDENTIALS_MALFORMED, NULL, NULL },
	{ "LOGIN", NULL, { "YW5u", "c2VjcmV0" }, CREDENTIALS_READY, "ann", "secret" },
	{ "LOGIN", "YW5u", { "c2VjcmV0" }, CREDENTIALS_READY, "ann", "secret" },
	{ "LOGIN", NULL, { "YW5u", "*" }, CREDENTIALS_CANCELLED, NULL, NULL },
	{ "LOGIN", NULL, { "" }, CREDENTIALS_MALFORMED, NULL, NULL },
	{ "LOGIN", "YW5u", { "" }, CREDENTIALS_MALFORMED, NULL, NULL },
	{ "CRAM-MD5", NULL, { NULL }, CREDENTIALS_UNKNOWN, NULL, NULL },
	{ "", NULL, { NULL }, CREDENTIALS_UNKNOWN, NULL, NULL },
};
/* clang-format on */

static void
each_dialogue(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct span none = { NULL, 0 };
		struct credentials c;
		enum credentials_step step = credentials_begin(&c, span_of(cases[i].mechanism),
		    cases[i].initial != NULL ? span_of(cases[i].initial) : none);

		for (size_t k = 0; cases[i].lines[k] != NULL; k++) {
			assert_int_equal(step, CREDENTIALS_MORE);
			step = credentials_feed(&c, span_of(cases[i].lines[k]));
		}
		if (step != cases[i].end)
			print_error("case %zu\n", i);
		assert_int_equal(step, cases[i].end);
		if (cases[i].login != NULL) {
			assert_string_equal(c.login, cases[i].login);
			assert_string_equal(c.password, cases[i].password);
		}
		credentials_wipe(&c);
		assert_int_equal(c.password[0], 0);
	}
}

static void
challenges_of_login(void **state)
{
	struct credentials c;

	(void)state;
	assert_int_equal(credentials_begin(&c, SPAN("LOGIN"), (struct span){ NULL, 0 }), CREDENTIALS_MORE);
	assert_string_equal(c.challenge, "VXNlcm5hbWU6"); /* "Username:" */
	assert_int_equal(credentials_feed(&c, SPAN("YW5u")), CREDENTIALS_MORE);
	assert_string_equal(c.challenge, "UGFzc3dvcmQ6"); /* "Password:" */
}

/* As long as may be, and one octet longer, in base64. */
static void
lengths(void **state)
{
	struct credentials c;
	char line[4 * LIMIT_PASSWORD];
	struct buf b = BUF_INIT(sizeof(line));
	char text[LIMIT_PASSWORD + 4];

	(void)state;
	for (size_t more = 0; more < 2; more++) {
		memset(text, 'x', sizeof(text));
		text[0] = '\0';
		text[1] = 'a';
		text[2] = '\0';
		buf_reset(&b);
		base64_add(&b, text, 3 + LIMIT_PASSWORD + more);
		assert_int_equal(credentials_begin(&c, SPAN("PLAIN"), buf_span(&b)),
		    more ? CREDENTIALS_MALFORMED : CREDENTIALS_READY);
	}
	memset(line, 'A', sizeof(line));
	assert_int_equal(credentials_begin(&c, SPAN("PLAIN"), (struct span){ line, sizeof(line) }), CREDENTIALS_MALFORMED);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_dialogue),
		cmocka_unit_test(challenges_of_login),
		cmocka_unit_test(lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
