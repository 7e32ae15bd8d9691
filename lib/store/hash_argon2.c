/*
 * hash_argon2: Argon2 hashes (RFC 9106), by libargon2, for people who bring them along. Made here are none.
 *
 * The text is taken apart here, since what it asks for has limits: a line of passwd must not take the machine's memory.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/num.h"
#include "lib/mail/digest.h"
#include "lib/store/hash.h"

#ifdef HAVE_LIBARGON2
#include <argon2.h>

#define MEMORY_MAX (1024 * 1024) /* KiB: a gibibyte; Dovecot's usual is 64 MiB */
#define PASSES_MAX 100
#define LANES_MAX 64
#define OCTETS_MAX 64 /* of salt, and of digest */

struct parts {
	argon2_type type;
	uint32_t version;
	uint64_t memory, passes, lanes;
	uint8_t salt[OCTETS_MAX], digest[OCTETS_MAX];
	size_t salt_n, digest_n;
};

/* Base64 without padding. */
static bool
take_octets(struct span text, uint8_t out[OCTETS_MAX], size_t *n)
{
	char padded[2 * OCTETS_MAX + 4];
	uint8_t room[2 * OCTETS_MAX];
	size_t len = text.len;
	ssize_t got;

	if (text.s == NULL || len == 0 || len > 2 * OCTETS_MAX)
		return false;
	memcpy(padded, text.s, len);
	while (len % 4 != 0)
		padded[len++] = '=';
	got = base64_decode(room, padded, len);
	if (got < 4 || got > OCTETS_MAX)
		return false;
	memcpy(out, room, (size_t)got);
	*n = (size_t)got;
	return true;
}

/* "m=65536" and the like, up to sep. */
static bool
take_number(struct span *rest, const char *name, char sep, uint64_t min, uint64_t max, uint64_t *out)
{
	struct span word = span_cut(rest, sep);
	size_t n = strlen(name);

	if (word.len <= n || memcmp(word.s, name, n) != 0)
		return false;
	word = (struct span){ word.s + n, word.len - n };
	return num_parse(word, max, out) == 0 && *out >= min;
}

static bool
take_type(struct span *rest, struct parts *p)
{
	static const struct {
		const char *name;
		argon2_type type;
	} types[] = { { "argon2id", Argon2_id }, { "argon2i", Argon2_i }, { "argon2d", Argon2_d } };
	struct span name;

	(void)span_cut(rest, '$');
	name = rest->s == NULL ? SPAN("") : span_cut(rest, '$');
	for (size_t i = 0; i < COUNT(types); i++)
		if (span_is(name, types[i].name) && rest->s != NULL) {
			p->type = types[i].type;
			return true;
		}
	return false;
}

/* $argon2id$v=19$m=65536,t=3,p=1$SALT$DIGEST; v= is missing in the oldest. */
static bool
parts_parse(const char *hash, struct parts *p)
{
	struct span rest = span_of(hash);
	uint64_t version = ARGON2_VERSION_10;

	if (!take_type(&rest, p))
		return false;
	if (rest.len > 2 && memcmp(rest.s, "v=", 2) == 0 &&
	    (!take_number(&rest, "v=", '$', ARGON2_VERSION_10, ARGON2_VERSION_13, &version) || rest.s == NULL))
		return false;
	p->version = (uint32_t)version;
	return take_number(&rest, "m=", ',', 8, MEMORY_MAX, &p->memory) && rest.s != NULL &&
	    take_number(&rest, "t=", ',', 1, PASSES_MAX, &p->passes) && rest.s != NULL &&
	    take_number(&rest, "p=", '$', 1, LANES_MAX, &p->lanes) && rest.s != NULL && p->memory >= 8 * p->lanes &&
	    take_octets(span_cut(&rest, '$'), p->salt, &p->salt_n) && p->salt_n >= 8 &&
	    take_octets(rest, p->digest, &p->digest_n);
}

bool
argon2_fine(const char *hash)
{
	struct parts p;

	return parts_parse(hash, &p);
}

/* One thread for all lanes: the helper that computes this may start none. */
bool
argon2_belongs(const char *hash, const char *password)
{
	uint8_t made[OCTETS_MAX];
	char *copy = mem_dup(password);
	struct parts p;
	bool same = false;

	if (parts_parse(hash, &p)) {
		argon2_context c = { .out = made, .outlen = (uint32_t)p.digest_n, .pwd = (uint8_t *)copy,
			.pwdlen = (uint32_t)strlen(copy), .salt = p.salt, .saltlen = (uint32_t)p.salt_n,
			.t_cost = (uint32_t)p.passes, .m_cost = (uint32_t)p.memory, .lanes = (uint32_t)p.lanes, .threads = 1,
			.version = p.version, .flags = ARGON2_DEFAULT_FLAGS };

		same = argon2_ctx(&c, p.type) == ARGON2_OK && digest_same(made, p.digest, p.digest_n);
	}
	explicit_bzero(copy, strlen(copy));
	free(copy);
	explicit_bzero(made, sizeof(made));
	return same;
}

#else

bool
argon2_fine(const char *hash)
{
	(void)hash;
	return false;
}

bool
argon2_belongs(const char *hash, const char *password)
{
	(void)hash;
	(void)password;
	return false;
}

#endif
