/* lib/mail/bearer.c: the examples of RFC 7628 (4.1, 4.3) and Google's XOAUTH2; what no client may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/ascii.h"
#include "lib/mail/bearer.h"

static const struct {
	enum bearer_kind kind;
	const char *said;
	const char *login, *token; /* NULL: refused */
} cases[] = {
	{ BEARER_OAUTH, "n,a=user@example.com,\1host=server.example.com\1port=143\1auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1",
	    "user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==" },
	{ BEARER_OAUTH, "n,,\1auth=Bearer abc\1\1", "", "abc" },
	{ BEARER_OAUTH, "y,,\1auth=bearer  abc \1\1", "", "abc" },
	{ BEARER_OAUTH, "n,a=o=2Chara=3D@example.com,\1auth=Bearer abc\1\1", "o,hara=@example.com", "abc" },
	{ BEARER_XOAUTH2, "user=someuser@example.com\1auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\1\1",
	    "someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg" },
	{ BEARER_OAUTH, "p=tls-exporter,,\1auth=Bearer abc\1\1", NULL, NULL },
	{ BEARER_OAUTH, "n,a=user=2Z,\1auth=Bearer abc\1\1", NULL, NULL },
	{ BEARER_OAUTH, "n,a=user=2,\1auth=Bearer abc\1\1", NULL, NULL },
	{ BEARER_OAUTH, "n,u=user,\1auth=Bearer abc\1\1", NULL, NULL },
	{ BEARER_OAUTH, "n,\1auth=Bearer abc\1\1", NULL, NULL },
	{ BEARER_OAUTH, "n,,x\1auth=Bearer abc\1\1", NULL, NULL },
	{ BEARER_OAUTH, "n,,\1auth=Bearer abc\1", NULL, NULL },
	{ BEARER_OAUTH, "n,,\1auth=Bearer abc", NULL, NULL },
	{ BEARER_OAUTH, "n,,\1auth=Bearer abc\1\1x", NULL, NULL },
	{ BEARER_OAUTH, "n,,\1auth=Bearer \1\1", NULL, NULL },
	{ BEARER_OAUTH, "n,,\1auth=Bearer a b\1\1", NULL, NULL },
	{ BEARER_OAUTH, "n,,\1auth=Bearer a\nb\1\1", NULL, NULL },
	{ BEARER_OAUTH, "n,,\1auth=Basic abc\1\1", NULL, NULL },
	{ BEARER_OAUTH, "n,,\1auth=Bearer abc\1auth=Bearer def\1\1", NULL, NULL },
	{ BEARER_OAUTH, "n,,\1\1", NULL, NULL },
	{ BEARER_OAUTH, "n,,", NULL, NULL },
	{ BEARER_OAUTH, "", NULL, NULL },
	{ BEARER_XOAUTH2, "auth=Bearer abc\1\1", NULL, NULL },
	{ BEARER_XOAUTH2, "user=\1auth=Bearer abc\1\1", NULL, NULL },
	{ BEARER_XOAUTH2, "user=x\1\1", NULL, NULL },
};

static void
test_parse(void **state)
{
	static struct bearer b;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int rv = bearer_parse(cases[i].kind, span_of(cases[i].said), &b);

		if (rv != (cases[i].login == NULL ? -1 : 0))
			fail_msg("case %zu: %d", i, rv);
		if (rv == 0) {
			assert_string_equal(b.login, cases[i].login);
			assert_string_equal(b.token, cases[i].token);
		}
	}
}

/* Every beginning of a message is none, and is not read over its end. */
static void
test_cut(void **state)
{
	const char *whole = cases[0].said;
	static struct bearer b;

	(void)state;
	for (size_t n = 0; n < strlen(whole); n++) {
		char *part = mem_dupn(whole, n);

		assert_int_equal(bearer_parse(BEARER_OAUTH, (struct span){ part, n }, &b), -1);
		free(part);
	}
}

static void
test_long(void **state)
{
	struct buf said = BUF_INIT(64 * 1024);
	static struct bearer b;

	(void)state;
	buf_adds(&said, "n,,\1auth=Bearer ");
	for (int i = 0; i < BEARER_TOKEN - 1; i++)
		buf_addc(&said, 'x');
	buf_adds(&said, "\1\1");
	assert_int_equal(bearer_parse(BEARER_OAUTH, buf_span(&said), &b), 0);
	buf_reset(&said);
	buf_adds(&said, "n,,\1auth=Bearer ");
	for (int i = 0; i < BEARER_TOKEN; i++)
		buf_addc(&said, 'x');
	buf_adds(&said, "\1\1");
	assert_int_equal(bearer_parse(BEARER_OAUTH, buf_span(&said), &b), -1);
	buf_reset(&said);
	buf_adds(&said, "n,a=");
	for (int i = 0; i < LIMIT_ADDRESS + 1; i++)
		buf_addc(&said, 'x');
	buf_adds(&said, ",\1auth=Bearer x\1\1");
	assert_int_equal(bearer_parse(BEARER_OAUTH, buf_span(&said), &b), -1);
	buf_free(&said);
}

static void
test_words(void **state)
{
	struct buf out = BUF_INIT(256);
	char text[256] = "";

	(void)state;
	assert_int_equal(bearer_mechanism(SPAN("oauthbearer")), BEARER_OAUTH);
	assert_int_equal(bearer_mechanism(SPAN("XOAUTH2")), BEARER_XOAUTH2);
	assert_int_equal(bearer_mechanism(SPAN("XOAUTH")), BEARER_NONE);
	bearer_refusal(BEARER_OAUTH, &out);
	assert_true(base64_decode(text, out.s, out.len) > 0);
	assert_string_equal(text, "{\"status\":\"invalid_token\"}");
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_words),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
