/* lib/mail/scram.c: the example of RFC 7677, 3, what a client may not say, verifiers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/ascii.h"
#include "lib/mail/scram.h"

#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define C_NONCE "rOprNGfwEbeRWgbNEkqO"
#define S_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define BINDING "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define FINAL "c=biws,r=" C_NONCE S_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="

static void
pencil(struct scram_verifier *v)
{
	v->iterations = 4096;
	v->salt_n = (size_t)base64_decode(v->salt, SALT, strlen(SALT));
	scram_derive(v, "pencil");
}

static enum scram_step
first(struct scram *s, const char *said)
{
	struct buf text = BUF_INIT(LIMIT_SASL);
	enum scram_step step;

	base64_add(&text, said, strlen(said));
	step = scram_first(s, buf_span(&text));
	buf_free(&text);
	return step;
}

static enum scram_step
final(struct scram *s, const char *said, struct buf *out)
{
	struct buf text = BUF_INIT(LIMIT_SASL);
	enum scram_step step;

	base64_add(&text, said, strlen(said));
	step = scram_final(s, buf_span(&text), out);
	buf_free(&text);
	return step;
}

static void
is_said(const struct buf *out, const char *want)
{
	char got[600] = "";

	assert_true(base64_decode(got, out->s, out->len) >= 0);
	assert_string_equal(got, want);
}

static void
example_of_the_rfc(void **state)
{
	struct buf out = BUF_INIT(LIMIT_SASL);
	struct scram s;

	(void)state;
	scram_init(&s, false, "");
	assert_int_equal(first(&s, "n,,n=user,r=" C_NONCE), SCRAM_MORE);
	assert_string_equal(s.login, "user");
	pencil(&s.verifier);
	scram_challenge(&s, S_NONCE, &out);
	is_said(&out, "r=" C_NONCE S_NONCE ",s=" SALT ",i=4096");
	buf_reset(&out);
	assert_int_equal(final(&s, FINAL, &out), SCRAM_MORE);
	is_said(&out, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
	buf_free(&out);
	scram_wipe(&s);
	scram_wipe(&s);
}

static void
first_messages(void **state)
{
	static const struct {
		const char *said, *binding;
		bool plus;
		enum scram_step step;
		const char *login;
	} cases[] = {
		{ "n,,n=user,r=x", "", false, SCRAM_MORE, "user" },
		{ "n,a=user,n=user,r=x", "", false, SCRAM_MORE, "user" },
		{ "n,a=ann,n=user,r=x", "", false, SCRAM_MALFORMED, NULL },
		{ "n,user,n=user,r=x", "", false, SCRAM_MALFORMED, NULL },
		{ "n,,n=a=2Cb=3Dc,r=x", "", false, SCRAM_MORE, "a,b=c" },
		{ "n,,n=a=2cb,r=x", "", false, SCRAM_MALFORMED, NULL },
		{ "n,,n=a=,r=x", "", false, SCRAM_MALFORMED, NULL },
		{ "n,,n=,r=x", "", false, SCRAM_MALFORMED, NULL },
		{ "n,,n=user,r=", "", false, SCRAM_MALFORMED, NULL },
		{ "n,,n=user,r=a b", "", false, SCRAM_MALFORMED, NULL },
		{ "n,,n=user,r=x,ext=1", "", false, SCRAM_MORE, "user" },
		{ "n,,m=must,n=user,r=x", "", false, SCRAM_MALFORMED, NULL },
		{ "n,,r=x,n=user", "", false, SCRAM_MALFORMED, NULL },
		{ "n,,n=user", "", false, SCRAM_MALFORMED, NULL },
		{ "n,", "", false, SCRAM_MALFORMED, NULL },
		{ "n", "", false, SCRAM_MALFORMED, NULL },
		{ "x,,n=user,r=x", "", false, SCRAM_MALFORMED, NULL },
		{ "y,,n=user,r=x", "", false, SCRAM_MORE, "user" },
		{ "y,,n=user,r=x", BINDING, false, SCRAM_WRONG, "user" }, /* somebody hid what we offered */
		{ "n,,n=user,r=x", BINDING, false, SCRAM_MORE, "user" },
		{ "p=tls-exporter,,n=user,r=x", BINDING, true, SCRAM_MORE, "user" },
		{ "p=tls-unique,,n=user,r=x", BINDING, true, SCRAM_MALFORMED, NULL },
		{ "p=tls-unique,,n=user,r=x", BINDING ":000102030405060708090a0b", true, SCRAM_MORE, "user" },
		{ "p=tls-exporter,,n=user,r=x", BINDING ":000102030405060708090a0b", true, SCRAM_MORE, "user" },
		{ "p=tls-unique,,n=user,r=x", BINDING ":000102030405060708090a", true, SCRAM_MALFORMED, NULL },
		{ "p=tls-unique,,n=user,r=x", ":000102030405060708090a0b", true, SCRAM_MALFORMED, NULL },
		{ "p=tls-server-end-point,,n=user,r=x", BINDING, true, SCRAM_MALFORMED, NULL },
		{ "p=tls-exporter,,n=user,r=x", "", true, SCRAM_MALFORMED, NULL },
		{ "p=tls-exporter,,n=user,r=x", BINDING, false, SCRAM_MALFORMED, NULL },
		{ "n,,n=user,r=x", BINDING, true, SCRAM_MALFORMED, NULL },
		{ "y,,n=user,r=x", BINDING, true, SCRAM_MALFORMED, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct scram s;

		scram_init(&s, cases[i].plus, cases[i].binding);
		print_message("# %s\n", cases[i].said);
		assert_int_equal(first(&s, cases[i].said), cases[i].step);
		if (cases[i].login != NULL)
			assert_string_equal(s.login, cases[i].login);
		scram_wipe(&s);
	}
}

static void
final_messages(void **state)
{
	static const struct {
		const char *said;
		enum scram_step step;
	} cases[] = {
		{ FINAL, SCRAM_MORE },
		{ "c=biws,r=" C_NONCE S_NONCE ",p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", SCRAM_WRONG },
		{ "c=biws,r=" C_NONCE "x" S_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", SCRAM_WRONG },
		{ "c=eSws,r=" C_NONCE S_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", SCRAM_WRONG },
		{ "c=biws,r=" C_NONCE S_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndQ==", SCRAM_MALFORMED },
		{ "c=biws,r=" C_NONCE S_NONCE ",p=", SCRAM_MALFORMED },
		{ "c=biws,r=" C_NONCE S_NONCE, SCRAM_MALFORMED },
		{ "r=" C_NONCE S_NONCE ",c=biws,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", SCRAM_MALFORMED },
		{ "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", SCRAM_MALFORMED },
		{ "", SCRAM_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf out = BUF_INIT(LIMIT_SASL);
		struct scram s;

		scram_init(&s, false, "");
		assert_int_equal(first(&s, "n,,n=user,r=" C_NONCE), SCRAM_MORE);
		pencil(&s.verifier);
		scram_challenge(&s, S_NONCE, &out);
		buf_reset(&out);
		print_message("# %s\n", cases[i].said);
		assert_int_equal(final(&s, cases[i].said, &out), cases[i].step);
		assert_true((out.len > 0) == (cases[i].step == SCRAM_MORE));
		buf_free(&out);
		scram_wipe(&s);
	}
}

static void
odd_octets(void **state)
{
	static const char *const said[] = { "", "*", "biws", "bixuPXVzZXI", "biwsbj11AHNlcixyPXg=", "AAAA" };
	char *much = test_malloc(LIMIT_SASL + 4);
	struct scram s;

	(void)state;
	for (size_t i = 0; i < COUNT(said); i++) {
		scram_init(&s, false, "");
		assert_int_equal(scram_first(&s, span_of(said[i])), SCRAM_MALFORMED);
		scram_wipe(&s);
	}
	memset(much, 'A', LIMIT_SASL + 4);
	scram_init(&s, false, "");
	assert_int_equal(scram_first(&s, (struct span){ much, LIMIT_SASL + 4 }), SCRAM_MALFORMED);
	scram_wipe(&s);
	test_free(much);
}

static void
challenges_differ(void **state)
{
	struct buf one = BUF_INIT(LIMIT_SASL), two = BUF_INIT(LIMIT_SASL);
	struct scram s;

	(void)state;
	for (int i = 0; i < 2; i++) {
		scram_init(&s, false, "");
		assert_int_equal(first(&s, "n,,n=user,r=x"), SCRAM_MORE);
		pencil(&s.verifier);
		scram_challenge(&s, NULL, i == 0 ? &one : &two);
		scram_wipe(&s);
	}
	assert_string_not_equal(buf_str(&one), buf_str(&two));
	buf_free(&one);
	buf_free(&two);
}

#define KEYS "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static void
verifiers(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ "SCRAM-SHA-256$4096:" SALT "$" KEYS, true },
		{ "SCRAM-SHA-256$4095:" SALT "$" KEYS, false },
		{ "SCRAM-SHA-256$10000001:" SALT "$" KEYS, false },
		{ "SCRAM-SHA-1$4096:" SALT "$" KEYS, false },
		{ "SCRAM-SHA-256$4096:$" KEYS, false },
		{ "SCRAM-SHA-256$4096:" SALT "$" KEYS "=", false },
		{ "SCRAM-SHA-256$4096:" SALT, false },
		{ "SCRAM-SHA-256$4096", false },
		{ "SCRAM-SHA-256$", false },
		{ "", false },
	};
	struct buf text = BUF_INIT(SCRAM_VERIFIER_MAX);
	struct scram_verifier v = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		print_message("# %s\n", cases[i].text);
		assert_int_equal(scram_parse(span_of(cases[i].text), &v), cases[i].good);
	}
	pencil(&v);
	scram_write(&v, &text);
	assert_string_equal(buf_str(&text), cases[0].text);
	buf_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(example_of_the_rfc),
		cmocka_unit_test(first_messages),
		cmocka_unit_test(final_messages),
		cmocka_unit_test(odd_octets),
		cmocka_unit_test(challenges_differ),
		cmocka_unit_test(verifiers),
	};

	return cmocka_run_group_tests_name("scram", tests, NULL, NULL);
}
