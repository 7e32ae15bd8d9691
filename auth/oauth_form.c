/*
 * oauth_form: application/x-www-form-urlencoded, both ways, and PKCE. Pure functions on octets.
 */
#include "auth/oauth_form.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/mail/digest.h"

void
form_add_value(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (ascii_alnum(c) || strchr("-._~", c) != NULL)
			buf_addc(b, *s);
		else
			buf_addf(b, "%%%02X", c);
	}
}

void
form_add(struct buf *b, const char *name, const char *value)
{
	if (value == NULL)
		return;
	if (b->len > 0 && b->s[b->len - 1] != '?')
		buf_addc(b, '&');
	form_add_value(b, name);
	buf_addc(b, '=');
	form_add_value(b, value);
}

static const char *
decode(struct span s, struct arena *arena)
{
	char *out = arena_alloc(arena, s.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.s[i] == '+') {
			out[n++] = ' ';
		} else if (s.s[i] != '%') {
			out[n++] = s.s[i];
		} else {
			int high = s.len - i > 2 ? hex_value(s.s[i + 1]) : -1;
			int low = high != -1 ? hex_value(s.s[i + 2]) : -1;

			if (low == -1)
				return NULL;
			out[n++] = (char)(high * 16 + low);
			i += 2;
		}
		if (out[n - 1] == '\0')
			return NULL;
	}
	return out;
}

const char *
form_find(struct span query, const char *name, struct arena *arena)
{
	while (query.s != NULL) {
		struct span value = span_cut(&query, '&'), key = span_cut(&value, '=');

		if (value.s != NULL && span_is(key, name))
			return decode(value, arena);
	}
	return NULL;
}

/* RFC 4648, 5, without padding. */
static void
base64url(const uint8_t octets[DIGEST_OCTETS], char out[OAUTH_RANDOM + 1])
{
	struct buf b = BUF_INIT(64);

	base64_add(&b, octets, DIGEST_OCTETS);
	for (size_t i = 0; i < OAUTH_RANDOM; i++)
		out[i] = b.s[i] == '+' ? '-' : b.s[i] == '/' ? '_' : b.s[i];
	out[OAUTH_RANDOM] = '\0';
	buf_wipe(&b);
	buf_free(&b);
}

void
oauth_random(char out[OAUTH_RANDOM + 1])
{
	uint8_t octets[DIGEST_OCTETS];

	arc4random_buf(octets, sizeof(octets));
	base64url(octets, out);
	explicit_bzero(octets, sizeof(octets));
}

void
oauth_challenge(const char *verifier, char out[OAUTH_RANDOM + 1])
{
	uint8_t hash[DIGEST_OCTETS];

	digest_sha256(verifier, strlen(verifier), hash);
	base64url(hash, out);
}
