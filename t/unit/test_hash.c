/* lib/store/hash.c, hash_argon2.c and passwd.c: hashes that others made (Dovecot's doveadm pw, RFC 9106), and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/store/passwd.h"

#ifdef HAVE_LIBARGON2
#define WITH_ARGON2 true
#else
#define WITH_ARGON2 false
#endif

/* Of "secret", by doveadm pw. */
static const struct {
	const char *hash;
	bool scram;
} secrets[] = {
	{ "{SHA512-CRYPT}$6$QNr1rzSEVJYzpCKC$0a0I6YDh96GRpgI3I3KmkqTzrD98tKW/O.gaGC36X/qpQLFfu9ZZ1K1gPGUJjxBkpCQbKBi8ASJRgKiN.ny5i.", false },
	{ "$6$QNr1rzSEVJYzpCKC$0a0I6YDh96GRpgI3I3KmkqTzrD98tKW/O.gaGC36X/qpQLFfu9ZZ1K1gPGUJjxBkpCQbKBi8ASJRgKiN.ny5i.", false },
	{ "{SHA256-CRYPT}$5$PyCVe1uYbLoXf4om$WHbj8wz92EORlY8nGM9QnhfgBdWk6w53N0QaZkJoji3", false },
	{ "{BLF-CRYPT}$2y$05$se0PDFUHbqLrdGxCz93ycuM.0Fg8DqJM4CJpugdxQUHJWLnbNEqrW", false },
	{ "{CRYPT}$2y$05$TaRhDRNm1zOyn9TOOluT8esZADsoNQkzNWynmqYTzk.8Uygys42fS", false },
	{ "{MD5-CRYPT}$1$pssa2C0M$cX3DOMMyXkmqfM2JZe5ik.", false },
	{ "{DES-CRYPT}bY1fJ3ZGP4csI", false },
	{ "{SSHA}Zqk9+SyiSJ8a8EupBuyRxbFS7ItdFXkM", false },
	{ "{ssha256}DNO3o1VAPyXg80pAZsESe0CoDq0opf4ZCHVBXLWd5NlFPW7F", false },
	{ "{SSHA512}HQDN8fY6ZyyDoq1qn4XpZaE43pvqEsP4Z4HFAPvTbPx9LEYz+c7rp67vUfLxyEzeNLPrjPv7tQLgkgm16HGWvVeQWzs=", false },
	{ "{SMD5}nW/qFQd+Q62H0du0uiwehT4kDiE=", false },
	{ "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", false },
	{ "{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=", false },
	{ "{SHA512}vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2cmW192CF5bDufKRpayrW/isg==", false },
	{ "{LDAP-MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==", false },
	{ "{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69", false },
	{ "{PLAIN}secret", false },
	{ "{CLEARTEXT}secret", false },
	{ "{SCRAM-SHA-256}4096,SB7yFpADBUjn08k2FDBQJg==,4Jhw2oA4EHOGHOV6L7SuhRlLPCI2iUOB3m4czaOZ+6c=,iwgzWiunhNsnFlF43KJOsg3Q0XhF1T3vCqZm+SRRl34=", true },
	{ "SCRAM-SHA-256$4096:SB7yFpADBUjn08k2FDBQJg==$4Jhw2oA4EHOGHOV6L7SuhRlLPCI2iUOB3m4czaOZ+6c=:iwgzWiunhNsnFlF43KJOsg3Q0XhF1T3vCqZm+SRRl34=", true },
};
static const char *const argon2_secrets[] = {
	"{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$znLeAyRV5Bx2csJplR8YtQ$ZzSc/8f/U/UQCNjmEzbNQsET2Z7EFverBeOW6nzGxzY",
	"{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$nw32kEjYr7Je+kNFWIwPGQ$qmL2U1KJH38QZFyCNmHI6tKsds7zsup+96tn8e798Ys",
	"$argon2id$v=19$m=65536,t=3,p=1$znLeAyRV5Bx2csJplR8YtQ$ZzSc/8f/U/UQCNjmEzbNQsET2Z7EFverBeOW6nzGxzY",
};

static void
belongs(const char *hash, const char *password)
{
	assert_true(hash_usable(hash));
	assert_true(hash_verify(hash, password));
	assert_false(hash_verify(hash, "Secret"));
	assert_false(hash_verify(hash, "secre"));
	assert_false(hash_verify(hash, ""));
	assert_false(hash_current(hash));
}

static void
test_of_others(void **state)
{
	struct buf why = BUF_INIT(200);
	struct passwd_entry e;

	(void)state;
	for (size_t i = 0; i < COUNT(secrets); i++) {
		belongs(secrets[i].hash, "secret");
		assert_int_equal(passwd_parse(span_of(secrets[i].hash), &e, &why), 0);
		assert_int_equal(e.kind, PASSWD_HASH);
		assert_string_equal(e.text, secrets[i].hash);
		assert_int_equal(e.scram, secrets[i].scram);
	}
	for (size_t i = 0; i < COUNT(argon2_secrets) && WITH_ARGON2; i++)
		belongs(argon2_secrets[i], "secret");
	assert_true(hash_verify("{PLAIN}two words", "two words"));
	buf_free(&why);
}

static void
test_our_own(void **state)
{
	char *hash = hash_make("secret");

	(void)state;
	assert_non_null(hash);
	assert_memory_equal(hash, "$y$j9T$", 7);
	assert_true(hash_verify(hash, "secret"));
	assert_false(hash_verify(hash, "Secret"));
	assert_true(hash_current(hash));
	hash[4] = '7'; /* the cost of some years ago */
	assert_false(hash_current(hash));
	hash[4] = 'B'; /* more than ours: kept */
	assert_true(hash_current(hash));
	free(hash);
}

static const struct {
	const char *value, *why;
} wrong[] = {
	{ "", "no hash" },
	{ "secret", "no hash" },
	{ "abcdefghijklm", "no hash" }, /* old DES, or a password of 13 octets: say {DES-CRYPT} */
	{ "$9$abcdefghijklmnop", "no hash that can be verified" },
	{ "{NTLM}5ebe2294ecd0e0f08eab7690d2a6ee69", "no hash that can be verified" },
	{ "{SHA512-CRYPT", "no hash that can be verified" },
	{ "{SSHA}short", "no hash that can be verified" },
	{ "{SSHA512}Zqk9+SyiSJ8a8EupBuyRxbFS7ItdFXkM", "no hash that can be verified" },
	{ "{SHA}Zqk9+SyiSJ8a8EupBuyRxbFS7ItdFXkM", "no hash that can be verified" },
	{ "{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee6", "no hash that can be verified" },
	{ "{PLAIN}", "no hash that can be verified" },
	{ "{SCRAM-SHA-256}100,SB7yFpADBUjn08k2FDBQJg==,x,y", "no hash that can be verified" },
	{ "{ARGON2ID}$argon2id$v=19$m=2000000000,t=3,p=1$znLeAyRV5Bx2csJplR8YtQ$ZzSc/8f/U/UQCNjmEzbNQsET2Z7EFverBeOW6nzGxzY",
	    "no hash that can be verified" }, /* two terabytes */
	{ "{ARGON2ID}$argon2id$v=19$m=65536,t=1000,p=1$znLeAyRV5Bx2csJplR8YtQ$ZzSc/8f/U/UQCNjmEzbNQsET2Z7EFverBeOW6nzGxzY",
	    "no hash that can be verified" },
	{ "{ARGON2ID}$argon2id$v=19$m=65536,t=3$znLeAyRV5Bx2csJplR8YtQ$ZzSc", "no hash that can be verified" },
	{ "{ARGON2ID}$argon2id$v=19$", "no hash that can be verified" },
	{ "{ARGON2ID}$argon2id", "no hash that can be verified" },
	{ "$y$j9T$abcdefghijklmnop$xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx SCRAM-SHA-256$4096:x", "no verifier" },
	{ "{CHECKPASSWORD}", "whole path" },
	{ "{CHECKPASSWORD} bin/check", "whole path" },
	{ "{PAM}a service", NULL },
	{ "{PAM}../../etc/passwd", NULL },
};

static void
test_wrong(void **state)
{
	struct buf why = BUF_INIT(200);
	struct passwd_entry e;

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		buf_reset(&why);
		assert_int_equal(passwd_parse(span_of(wrong[i].value), &e, &why), -1);
		if (wrong[i].why != NULL && strstr(buf_str(&why), wrong[i].why) == NULL)
			fail_msg("%s: %s", wrong[i].value, buf_str(&why));
		assert_false(e.kind == PASSWD_HASH && hash_verify(e.text, "secret"));
	}
	buf_free(&why);
}

/* The helpers are told texts only; long ones do not fit. */
static void
test_long(void **state)
{
	char text[2 * HASH_MAX] = "{PLAIN}";
	struct buf why = BUF_INIT(200);
	struct passwd_entry e;

	(void)state;
	memset(text + 7, 'x', HASH_MAX - 8);
	assert_int_equal(passwd_parse(span_of(text), &e, &why), 0);
	text[HASH_MAX - 1] = 'x';
	assert_int_equal(passwd_parse(span_of(text), &e, &why), -1);
	buf_free(&why);
}

static void
test_other_kinds(void **state)
{
	static const struct {
		const char *value;
		enum passwd_kind kind;
		const char *text;
	} cases[] = {
		{ "*", PASSWD_LOCKED, "*" },
		{ "!$y$j9T$abcdefghijklmnop$x", PASSWD_LOCKED, "!$y$j9T$abcdefghijklmnop$x" },
		{ "{CHECKPASSWORD}/usr/bin/check -v a", PASSWD_PROGRAM, "/usr/bin/check -v a" },
		{ "{checkpassword} /usr/bin/check", PASSWD_PROGRAM, "/usr/bin/check" },
	};
	struct buf why = BUF_INIT(200);
	struct passwd_entry e;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(passwd_parse(span_of(cases[i].value), &e, &why), 0);
		assert_int_equal(e.kind, cases[i].kind);
		assert_string_equal(e.text, cases[i].text);
		assert_int_equal(passwd_outside(&e), cases[i].kind == PASSWD_PROGRAM);
		assert_false(e.scram);
	}
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_others),
		cmocka_unit_test(test_our_own),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_other_kinds),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
