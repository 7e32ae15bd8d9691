/* Tests of lib/net/sasl.c, with the examples of the RFCs: those that start with a nonce get it by standing in front of
 * the library's own source of nonces. */
#include <gsasl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "lib/net/sasl.h"

/* --- a nonce of our choice ------------------------------------------------------------ */

static const char *nonce = "abcdef";
static bool nonce_due;

int
gsasl_nonce(char *data, size_t n)
{
	memset(data, 7, n);
	nonce_due = true;
	return GSASL_OK;
}

int
gsasl_base64_to(const char *in, size_t n, char **out, size_t *out_n)
{
	struct buf b = BUF_INIT(65536);

	if (nonce_due)
		buf_adds(&b, nonce);
	else
		base64_add(&b, in, n);
	nonce_due = false;
	*out = strdup(buf_str(&b));
	if (out_n != NULL)
		*out_n = b.len;
	buf_free(&b);
	return *out != NULL ? GSASL_OK : GSASL_MALLOC_ERROR;
}

/* --- conversations ---------------------------------------------------------------------- */

enum { OK, REFUSED }; /* of sasl_success() at the end */

/* What the server says and what we answer, not in base64. */
struct turn {
	const char *s, *c;
	int rv;
};
struct conversation {
	const char *name, *nonce, *only, *offered;
	struct sasl_login login;
	struct turn turns[5];
	int end;
	const char *why;
};

#define ANN .login = "user", .password = "pencil"
#define R1 "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"
#define R256 "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define TOKEN "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
#define JSON "{\"status\":\"invalid_token\",\"scope\":\"example_scope\"}"

/* clang-format off */
static const struct conversation conversations[] = {
	{ "SCRAM-SHA-1", "fyko+d2lbbFgONRv9qkxdawL", NULL, "PLAIN SCRAM-SHA-1", { ANN }, { /* RFC 5802, 5 */
		{ "", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", 1 },
		{ R1 ",s=QSXCR+Q6sek8bf92,i=4096", "c=biws," R1 ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", 1 },
		{ "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", "", 0 } }, OK, "" },
	{ "SCRAM-SHA-256", "rOprNGfwEbeRWgbNEkqO", NULL, "LOGIN scram-sha-256 SCRAM-SHA-1", { ANN }, { /* RFC 7677, 3 */
		{ "", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", 1 },
		{ R256 ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		  "c=biws," R256 ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", 1 },
		{ "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "", 0 } }, OK, "" },
	{ "a server that does not know the password", "rOprNGfwEbeRWgbNEkqO", NULL, "SCRAM-SHA-256", { ANN }, {
		{ "", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", 1 },
		{ R256 ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		  "c=biws," R256 ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", 1 },
		{ "v=7rriTRBi23WpRZ/wtup+mMhUZUn/dB5nLTJRsjl95G4=", NULL, -1 } }, REFUSED,
		"SCRAM-SHA-256: the server does not know our password, or is somebody else" },
	{ "success before the proof", "rOprNGfwEbeRWgbNEkqO", NULL, "SCRAM-SHA-256", { ANN }, {
		{ "", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", 1 },
		{ R256 ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		  "c=biws," R256 ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", 1 } }, REFUSED,
		"SCRAM-SHA-256: the server says that we are logged in before it has proved to know the password: it "
		"may not be the right one" },
	{ "a nonce that is not ours", "abcdef", NULL, "SCRAM-SHA-1", { ANN }, {
		{ "", "n,,n=user,r=abcdef", 1 },
		{ "r=abcdeg12,s=QSXCR+Q6sek8bf92,i=4096", NULL, -1 } }, REFUSED, NULL },
	{ "work without end", "abcdef", NULL, "SCRAM-SHA-1", { ANN }, {
		{ "", "n,,n=user,r=abcdef", 1 },
		{ "r=abcdef12,s=QSXCR+Q6sek8bf92,i=2000001", NULL, -1 } }, REFUSED,
		"the server wants more than 2000000 iterations" },
	{ "the server's error", "abcdef", NULL, "SCRAM-SHA-1", { ANN }, {
		{ "", "n,,n=user,r=abcdef", 1 }, { "e=unknown-user", NULL, -1 } }, REFUSED, NULL },
	{ "with a binding", "abcdef", NULL, "SCRAM-SHA-1 SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS",
		{ ANN, .binding = { "tls-exporter:0123\0" "56789", 23 } }, {
		{ "", "p=tls-exporter,,n=user,r=abcdef", 1 },
		{ "r=abcdef12,s=QSXCR+Q6sek8bf92,i=1",
		  "c=cD10bHMtZXhwb3J0ZXIsLDAxMjMANTY3ODk=,r=abcdef12,p=*", 1 } }, REFUSED, NULL },
	{ "with the older binding", "abcdef", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS",
		{ ANN, .binding = { "tls-unique:abcdefghijkl", 23 } }, {
		{ "", "p=tls-unique,,n=user,r=abcdef", 1 },
		{ "r=abcdef12,s=QSXCR+Q6sek8bf92,i=1",
		  "c=cD10bHMtdW5pcXVlLCxhYmNkZWZnaGlqa2w=,r=abcdef12,p=*", 1 } }, REFUSED, NULL },
	{ "a binding the server does not offer", "abcdef", NULL, "SCRAM-SHA-1",
		{ ANN, .binding = { "tls-exporter:abcdefghij", 23 } }, {
		{ "", "n,,n=user,r=abcdef", 1 } }, REFUSED, NULL },
	{ "a binding offered and not wanted", "abcdef", "SCRAM-SHA-1", "SCRAM-SHA-1 SCRAM-SHA-1-PLUS",
		{ ANN, .binding = { "tls-unique:abcdefghijkl", 23 } }, {
		{ "", "n,,n=user,r=abcdef", 1 } }, REFUSED, NULL },
	{ "names that need quoting", "abcdef", NULL, "SCRAM-SHA-1", { .login = "a=b,c", .password = "p" }, {
		{ "", "n,,n=a=3Db=2Cc,r=abcdef", 1 } }, REFUSED, NULL },
	{ "CRAM-MD5", NULL, "CRAM-MD5", "CRAM-MD5 SCRAM-SHA-256", /* RFC 2195, 2 */
		{ .login = "tim", .password = "tanstaaftanstaaf" }, {
		{ "<1896.697170952@postoffice.reston.mci.net>", "tim b913a602c7eda7a495b4e6e7334d3890", 0 } }, OK, "" },
	{ "PLAIN", NULL, NULL, "LOGIN PLAIN GSSAPI", { .login = "tim", .password = "tanstaaftanstaaf" }, { /* RFC 4616, 4 */
		{ "", "?tim?tanstaaftanstaaf", 0 } }, OK, "" },
	{ "PLAIN asked twice", NULL, NULL, "PLAIN", { .login = "tim", .password = "tanstaaftanstaaf" }, {
		{ "", "?tim?tanstaaftanstaaf", 0 }, { "more?", NULL, -1 } }, REFUSED,
		"the server asks for more than PLAIN has" },
	{ "LOGIN", NULL, NULL, "CRAM-MD5 LOGIN", { ANN }, {
		{ "Username:", "user", 1 }, { "Password:", "pencil", 0 } }, OK, "" },
	{ "LOGIN without words", NULL, NULL, "LOGIN", { ANN }, {
		{ "", "user", 1 }, { "", "pencil", 0 } }, OK, "" },
	{ "LOGIN, success in the middle", NULL, NULL, "LOGIN", { ANN }, { { "Username:", "user", 1 } }, REFUSED, NULL },
	{ "OAUTHBEARER", NULL, NULL, "AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER", /* RFC 7628, 4.1 */
		{ .login = "user@example.com", .token = TOKEN, .host = "server.example.com", .port = 143 }, {
		{ "", "n,a=user@example.com,\1host=server.example.com\1port=143\1auth=Bearer " TOKEN "\1\1", 0 } },
		OK, "" },
	{ "OAUTHBEARER refused", NULL, NULL, "OAUTHBEARER", { .login = "a,b=c", .token = TOKEN }, { /* 4.3 */
		{ "", "n,a=a=2Cb=3Dc,\1auth=Bearer " TOKEN "\1\1", 0 }, { JSON, "\1", 1 }, { "", NULL, -1 } }, REFUSED,
		"the server refuses the token: " JSON "the server asks for more than OAUTHBEARER has" },
	{ "OAUTHBEARER refused and taken", NULL, NULL, "OAUTHBEARER", { .login = "a", .token = TOKEN }, {
		{ "", "n,a=a,\1auth=Bearer " TOKEN "\1\1", 0 }, { JSON, "\1", 1 } }, REFUSED,
		"the server refuses the token: " JSON "the server takes a token that it has refused" },
	{ "XOAUTH2", NULL, NULL, "PLAIN XOAUTH2", { .login = "someuser@example.com", .token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg" }, {
		{ "", "user=someuser@example.com\1auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\1\1", 0 } },
		OK, "" },
	{ "XOAUTH2 refused", NULL, NULL, "XOAUTH2", { .login = "a", .token = "t" }, {
		{ "", "user=a\1auth=Bearer t\1\1", 0 }, { "{\"status\":\"400\"}\n\x1b", "", 1 } }, REFUSED,
		"the server refuses the token: {\"status\":\"400\"}??the server takes a token that it has refused" },
};
/* clang-format on */

/* "?" stands for NUL, a "*" at the end for anything. */
static bool
is_said(const char *expected, const struct buf *out)
{
	char said[8192];
	ssize_t n = base64_decode(said, buf_str(out), out->len);
	size_t len = strlen(expected);

	if (n < 0 || (size_t)n >= sizeof(said))
		return false;
	for (ssize_t i = 0; i < n; i++)
		if (said[i] == '\0')
			said[i] = '?';
	if (len > 0 && expected[len - 1] == '*')
		return (size_t)n >= len - 1 && memcmp(said, expected, len - 1) == 0;
	return (size_t)n == len && memcmp(said, expected, len) == 0;
}

static void
converse(const struct conversation *c)
{
	struct buf why = BUF_INIT(4096), challenge = BUF_INIT(16384), out = BUF_INIT(16384);
	struct sasl *s;

	if (c->nonce != NULL)
		nonce = c->nonce;
	s = sasl_client(span_of(c->offered), &c->login, c->only, true, &why);
	assert_non_null(s);
	for (const struct turn *t = c->turns; t->s != NULL; t++) {
		buf_reset(&challenge);
		buf_reset(&out);
		base64_add(&challenge, t->s, strlen(t->s));
		if (sasl_step(s, buf_span(&challenge), &out, &why) != t->rv)
			fail_msg("%s: at \"%s\": %s", c->name, t->s, buf_str(&why));
		if (t->rv != -1 && !is_said(t->c, &out))
			fail_msg("%s: said %s", c->name, buf_str(&out));
		if (t->rv == -1)
			assert_int_equal(out.len, 0);
	}
	if (sasl_success(s, &why) != (c->end == OK ? 0 : -1))
		fail_msg("%s: success is %s", c->name, c->end == OK ? "refused" : "taken");
	buf_free(&challenge);
	buf_free(&out);
	if (c->why != NULL && strncmp(buf_str(&why), c->why, strlen(c->why)) != 0)
		fail_msg("%s: %s", c->name, buf_str(&why));
	buf_free(&why);
	sasl_free(s);
}

static void
speaks_the_mechanisms(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(conversations); i++)
		converse(&conversations[i]);
}

/* --- which mechanism -------------------------------------------------------------------- */

/* clang-format off */
static const struct {
	const char *offered, *only, *password, *token, *binding;
	bool private;
	const char *mechanism; /* or why there is none */
} choices[] = {
	{ "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256", NULL, "p", NULL, "", true, "SCRAM-SHA-256" },
	{ "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1", NULL, "p", NULL, "", false, "SCRAM-SHA-1" },
	{ "SCRAM-SHA-256-PLUS SCRAM-SHA-256", NULL, "p", NULL, "", true, "SCRAM-SHA-256" },
	{ "SCRAM-SHA-256-PLUS SCRAM-SHA-256", NULL, "p", NULL, "tls-unique:x", true, "SCRAM-SHA-256-PLUS" },
	{ "SCRAM-SHA-1-PLUS SCRAM-SHA-256", NULL, "p", NULL, "tls-unique:x", true, "SCRAM-SHA-1-PLUS" },
	{ "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1", "SCRAM", "p", NULL, "", false, "SCRAM-SHA-1" },
	{ "SCRAM-SHA-1 SCRAM-SHA-256-PLUS SCRAM-SHA-256", "scram", "p", NULL, "", true, "SCRAM-SHA-256" },
	{ "PLAIN LOGIN CRAM-MD5", "SCRAM", "p", NULL, "", true, "cannot log in with SCRAM (it offers: PLAIN LOGIN CRAM-MD5)" },
	{ "LOGIN  PLAIN", NULL, "p", NULL, "", true, "PLAIN" },
	{ "IMAP4rev1 SASL-IR AUTH=LOGIN auth=plain IDLE", NULL, "p", NULL, "", true, "PLAIN" },
	{ "LOGIN", "", "p", NULL, "", true, "LOGIN" },
	{ "LOGIN PLAIN", "login", "p", NULL, "", true, "LOGIN" },
	{ "PLAIN XOAUTH2 OAUTHBEARER", NULL, NULL, "t", "", true, "OAUTHBEARER" },
	{ "PLAIN XOAUTH2", NULL, NULL, "t", "", true, "XOAUTH2" },
	{ "PLAIN XOAUTH2", NULL, "p", NULL, "", true, "PLAIN" },
	{ "PLAIN LOGIN", NULL, "p", NULL, "", false, "the server takes the password in the clear only, and there is no TLS"
	  " (it offers: PLAIN LOGIN)" },
	{ "PLAIN SCRAM-SHA-1", "PLAIN", "p", NULL, "", false,
	  "the server takes the password in the clear only, and there is no TLS (it offers: PLAIN SCRAM-SHA-1)" },
	{ "CRAM-MD5", NULL, "p", NULL, "", true,
	  "the server offers no way to log in with a password that we know (it offers: CRAM-MD5)" },
	{ "PLAIN\r\nx", "SCRAM-SHA-256", "p", NULL, "", true, "cannot log in with SCRAM-SHA-256 (it offers: PLAIN??x)" },
	{ "PLAIN", NULL, NULL, "t", "", true,
	  "the server offers no way to log in with a token that we know (it offers: PLAIN)" },
	{ " ", NULL, "p", NULL, "", true,
	  "the server offers no way to log in with a password that we know (it offers: nothing)" },
};
/* clang-format on */

static void
chooses_the_best(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(choices); i++) {
		struct sasl_login l = { .login = "ann", .password = choices[i].password, .token = choices[i].token,
			.binding = span_of(choices[i].binding) };
		struct buf why = BUF_INIT(4096);
		struct sasl *s = sasl_client(span_of(choices[i].offered), &l, choices[i].only, choices[i].private, &why);

		assert_string_equal(s != NULL ? sasl_mechanism(s) : buf_str(&why), choices[i].mechanism);
		if (s != NULL)
			assert_int_equal(sasl_initial(s), strcmp(choices[i].mechanism, "LOGIN") != 0);
		sasl_free(s);
		buf_free(&why);
	}
}

/* --- what is no challenge ------------------------------------------------------------------ */

static void
challenges_have_limits(void **state)
{
	const struct sasl_login l = { .login = "ann", .password = "p" };
	struct buf why = BUF_INIT(4096), out = BUF_INIT(4096), big = BUF_INIT(LIMIT_SASL + 4);
	struct sasl *s = sasl_client(SPAN("CRAM-MD5"), &l, "CRAM-MD5", false, &why);

	(void)state;
	assert_non_null(s);
	while (big.len < LIMIT_SASL)
		buf_adds(&big, "AAAA");
	assert_int_equal(sasl_step(s, buf_span(&big), &out, &why), 0);
	sasl_free(s);
	s = sasl_client(SPAN("CRAM-MD5"), &l, "CRAM-MD5", false, &why);
	buf_adds(&big, "AAAA");
	assert_int_equal(sasl_step(s, buf_span(&big), &out, &why), -1);
	assert_string_equal(buf_str(&why), "CRAM-MD5: the server's challenge is too long");
	buf_reset(&why);
	assert_int_equal(sasl_step(s, SPAN("AAAA"), &out, &why), -1); /* once broken, for good */
	sasl_free(s);
	buf_reset(&why);
	s = sasl_client(SPAN("LOGIN"), &l, NULL, true, &why);
	assert_int_equal(sasl_step(s, SPAN("VXNlcm5hbWU"), &out, &why), -1);
	assert_string_equal(buf_str(&why), "LOGIN: the server's challenge is not base64");
	assert_int_equal(sasl_success(s, &why), -1);
	sasl_free(s);
	buf_free(&why);
	buf_free(&out);
	buf_free(&big);
}

static void
tokens_are_one_field(void **state)
{
	static const char *const tokens[] = { "a\001host=evil", "a\r\nQUIT", "\n" };
	struct buf why = BUF_INIT(4096);

	(void)state;
	for (size_t i = 0; i < COUNT(tokens); i++) {
		struct sasl_login l = { .login = "ann", .token = tokens[i] };

		buf_reset(&why);
		assert_null(sasl_client(SPAN("XOAUTH2"), &l, NULL, true, &why));
		assert_string_equal(buf_str(&why), "the login or the token has control characters in it");
	}
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(speaks_the_mechanisms),
		cmocka_unit_test(chooses_the_best),
		cmocka_unit_test(challenges_have_limits),
		cmocka_unit_test(tokens_are_one_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
