/*
 * hash: what is kept of a password. Slow hashes by libxcrypt's crypt(3); digests by lib/mail/digest.
 */
#include "lib/store/hash.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/mail/digest.h"
#include "lib/mail/scram.h"

/* --- crypt(3) ------------------------------------------------------------- */

char *
hash_make(const char *password)
{
	char *setting = crypt_gensalt_ra("$y$", 0, NULL, 0), *made = NULL;
	struct crypt_data *data;
	const char *got;

	if (setting == NULL)
		return NULL;
	data = mem_alloc(1, sizeof(*data));
	got = crypt_r(password, setting, data);
	if (got != NULL && got[0] != '*')
		made = mem_dup(got);
	explicit_bzero(data, sizeof(*data));
	free(data);
	free(setting);
	return made;
}

static bool
crypt_belongs(const char *hash, const char *password)
{
	struct crypt_data *data = mem_alloc(1, sizeof(*data));
	const char *got = crypt_r(password, hash, data);
	size_t n = strlen(hash);
	bool same = false;

	if (got != NULL && got[0] != '*' && strlen(got) == n)
		same = digest_same(got, hash, n);
	explicit_bzero(data, sizeof(*data));
	free(data);
	return same;
}

static bool
crypt_fine(const char *hash)
{
	return crypt_checksalt(hash) != CRYPT_SALT_INVALID && strlen(hash) >= 13; /* the shortest there is: DES */
}

/* --- schemes --------------------------------------------------------------- */

enum form { FORM_CRYPT, FORM_SCRAM, FORM_PLAIN, FORM_BASE64, FORM_HEX };
struct scheme {
	const char *name;
	const char *digest; /* of FORM_BASE64 and FORM_HEX */
	enum form form;
	bool salted;        /* octets behind the digest are its salt */
};
// clang-format off
static const struct scheme schemes[] = {
	{ "CRYPT",         NULL,     FORM_CRYPT,  false },
	{ "SHA512-CRYPT",  NULL,     FORM_CRYPT,  false },
	{ "SHA256-CRYPT",  NULL,     FORM_CRYPT,  false },
	{ "BLF-CRYPT",     NULL,     FORM_CRYPT,  false },
	{ "YESCRYPT",      NULL,     FORM_CRYPT,  false },
	{ "MD5-CRYPT",     NULL,     FORM_CRYPT,  false },
	{ "DES-CRYPT",     NULL,     FORM_CRYPT,  false },
	{ "ARGON2ID",      NULL,     FORM_CRYPT,  false },
	{ "ARGON2I",       NULL,     FORM_CRYPT,  false },
	{ "SCRAM-SHA-256", NULL,     FORM_SCRAM,  false },
	{ "PLAIN",         NULL,     FORM_PLAIN,  false },
	{ "CLEARTEXT",     NULL,     FORM_PLAIN,  false },
	{ "CLEAR",         NULL,     FORM_PLAIN,  false },
	{ "SSHA512",       "SHA512", FORM_BASE64, true },
	{ "SSHA256",       "SHA256", FORM_BASE64, true },
	{ "SSHA",          "SHA1",   FORM_BASE64, true },
	{ "SMD5",          "MD5",    FORM_BASE64, true },
	{ "SHA512",        "SHA512", FORM_BASE64, false },
	{ "SHA256",        "SHA256", FORM_BASE64, false },
	{ "SHA1",          "SHA1",   FORM_BASE64, false },
	{ "SHA",           "SHA1",   FORM_BASE64, false },
	{ "LDAP-MD5",      "MD5",    FORM_BASE64, false },
	{ "PLAIN-MD5",     "MD5",    FORM_HEX,    false },
};
// clang-format on

/* What stands behind "{SCHEME}"; without one it is crypt(3)'s. NULL: no scheme that is known here. */
static const struct scheme *
scheme_of(const char *hash, const char **text)
{
	const char *end = strchr(hash, '}');
	struct span name = { hash + 1, end == NULL ? 0 : (size_t)(end - hash) - 1 };

	*text = hash;
	if (hash[0] != '{')
		return strncmp(hash, SCRAM_PREFIX, strlen(SCRAM_PREFIX)) == 0 ? &schemes[9] : &schemes[0];
	if (end != NULL)
		*text = end + 1;
	for (size_t i = 0; i < COUNT(schemes); i++)
		if (end != NULL && span_case_is(name, schemes[i].name))
			return &schemes[i];
	return NULL;
}

static bool
is_argon2(const char *text)
{
	return strncmp(text, "$argon2", 7) == 0;
}

/* Digest and salt, out of base64. Octets of both; -1: it is none. */
static ssize_t
digest_octets(const struct scheme *s, const char *text, uint8_t out[HASH_MAX])
{
	size_t n = digest_named_octets(s->digest);
	ssize_t got = base64_decode(out, text, strlen(text));

	if (n == 0 || got < (ssize_t)n || (!s->salted && got != (ssize_t)n))
		return -1;
	return got;
}

static bool
base64_belongs(const struct scheme *s, const char *text, const char *password)
{
	uint8_t kept[HASH_MAX], made[DIGEST_NAMED_MAX];
	size_t n = digest_named_octets(s->digest);
	ssize_t got = digest_octets(s, text, kept);
	struct span salt = { (const char *)kept + n, 0 };

	if (got == -1)
		return false;
	salt.len = (size_t)got - n;
	return digest_named(s->digest, span_of(password), salt, made) && digest_same(kept, made, n);
}

static bool
hex_belongs(const struct scheme *s, const char *text, const char *password)
{
	uint8_t made[DIGEST_NAMED_MAX];
	char hex[2 * DIGEST_NAMED_MAX + 1];
	size_t n = digest_named_octets(s->digest);

	if (!digest_named(s->digest, span_of(password), SPAN(""), made))
		return false;
	digest_hex(made, n, hex);
	return strlen(text) == 2 * n && ascii_caseeq(text, hex, 2 * n);
}

static bool
scram_belongs(const char *hash, const char *password)
{
	struct scram_verifier kept, made;
	bool same = scram_parse(span_of(hash), &kept);

	if (!same)
		return false;
	made = kept;
	scram_derive(&made, password);
	same = digest_same(made.stored_key, kept.stored_key, DIGEST_OCTETS);
	explicit_bzero(&made, sizeof(made));
	return same;
}

static bool
plain_belongs(const char *text, const char *password)
{
	uint8_t kept[DIGEST_OCTETS], made[DIGEST_OCTETS];

	digest_sha256(text, strlen(text), kept); /* lengths alike: their comparison tells nothing */
	digest_sha256(password, strlen(password), made);
	return digest_same(kept, made, DIGEST_OCTETS);
}

bool
hash_verify(const char *hash, const char *password)
{
	const char *text;
	const struct scheme *s = scheme_of(hash, &text);

	if (s == NULL || password[0] == '\0')
		return false;
	switch (s->form) {
	case FORM_CRYPT:
		return is_argon2(text) ? argon2_belongs(text, password) : crypt_belongs(text, password);
	case FORM_SCRAM:
		return scram_belongs(hash, password);
	case FORM_PLAIN:
		return plain_belongs(text, password);
	case FORM_BASE64:
		return base64_belongs(s, text, password);
	case FORM_HEX:
		return hex_belongs(s, text, password);
	}
	return false;
}

bool
hash_usable(const char *hash)
{
	const char *text;
	const struct scheme *s = scheme_of(hash, &text);
	struct scram_verifier v;
	uint8_t octets[HASH_MAX];

	if (s == NULL || strlen(hash) >= HASH_MAX)
		return false;
	switch (s->form) {
	case FORM_CRYPT:
		return is_argon2(text) ? argon2_fine(text) : crypt_fine(text);
	case FORM_SCRAM:
		return scram_parse(span_of(hash), &v);
	case FORM_PLAIN:
		return text[0] != '\0';
	case FORM_BASE64:
		return digest_octets(s, text, octets) != -1;
	case FORM_HEX:
		return strlen(text) == 2 * digest_named_octets(s->digest) && strspn(text, "0123456789abcdefABCDEF") == strlen(text);
	}
	return false;
}

#define COST_NOW '9' /* of "$y$j9T$", the library's own */

bool
hash_current(const char *hash)
{
	if (hash[0] == '$' && hash[1] == 'g')
		hash++; /* GOST's variant, at the same cost */
	return (strncmp(hash, "$y$j", 4) == 0 || strncmp(hash, "gy$j", 4) == 0) && hash[4] >= COST_NOW;
}

bool
hash_wants_prepared(const char *hash)
{
	const char *text;
	const struct scheme *s = scheme_of(hash, &text);

	return s != NULL && s->form == FORM_SCRAM;
}
