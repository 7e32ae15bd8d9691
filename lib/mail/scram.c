/*
 * scram: SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the server's side (RFC 5802, 7677, 9266).
 *
 * Knows the three messages and the arithmetic; no users, no connection. Pure functions on octets (but the nonce),
 * so the RFC's example and a fuzzer can run the whole module.
 */
#include "lib/mail/scram.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/num.h"

#define NONCE_OCTETS 18 /* random ones; 24 characters */
#define NONCE_MAX 256   /* of the client's */

/* --- verifiers ------------------------------------------------------------- */

static struct span
octets(const uint8_t *s, size_t n)
{
	return (struct span){ (const char *)s, n };
}

unsigned
scram_iterations(uint64_t configured)
{
	if (configured < SCRAM_ITERATIONS_MIN)
		return SCRAM_ITERATIONS_MIN;
	return configured > SCRAM_ITERATIONS_MAX ? SCRAM_ITERATIONS_MAX : (unsigned)configured;
}

void
scram_derive(struct scram_verifier *v, const char *password)
{
	uint8_t salted[DIGEST_OCTETS], client_key[DIGEST_OCTETS];

	digest_stretch(span_of(password), octets(v->salt, v->salt_n), v->iterations, salted);
	digest_mac(salted, sizeof(salted), SPAN("Client Key"), client_key);
	digest_sha256(client_key, sizeof(client_key), v->stored_key);
	digest_mac(salted, sizeof(salted), SPAN("Server Key"), v->server_key);
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client_key, sizeof(client_key));
}

void
scram_write(const struct scram_verifier *v, struct buf *out)
{
	buf_addf(out, SCRAM_PREFIX "%u:", v->iterations);
	base64_add(out, v->salt, v->salt_n);
	buf_addc(out, '$');
	base64_add(out, v->stored_key, sizeof(v->stored_key));
	buf_addc(out, ':');
	base64_add(out, v->server_key, sizeof(v->server_key));
}

/* Base64 of at most max octets; how many, -1: it is not. */
static ssize_t
take_octets(struct span text, uint8_t *out, size_t max)
{
	uint8_t room[3 * ((SCRAM_SALT_MAX + 2) / 3)];
	ssize_t n;

	if (text.s == NULL || text.len / 4 * 3 > sizeof(room))
		return -1;
	n = base64_decode(room, text.s, text.len);
	if (n < 0 || (size_t)n > max)
		return -1;
	memcpy(out, room, (size_t)n);
	explicit_bzero(room, sizeof(room));
	return n;
}

/* Is it the form that begins so? Then without that. */
static bool
cut_prefix(struct span *text, const char *prefix)
{
	size_t n = strlen(prefix);

	if (text->len < n || !span_case_is((struct span){ text->s, n }, prefix))
		return false;
	*text = (struct span){ text->s + n, text->len - n };
	return true;
}

bool
scram_parse(struct span text, struct scram_verifier *v)
{
	bool commas = cut_prefix(&text, "{SCRAM-SHA-256}");
	struct span count, salt, stored;
	uint64_t iterations;
	ssize_t salt_n;

	if (!commas && !cut_prefix(&text, SCRAM_PREFIX))
		return false;
	count = span_cut(&text, commas ? ',' : ':');
	salt = text.s == NULL ? text : span_cut(&text, commas ? ',' : '$');
	stored = text.s == NULL ? text : span_cut(&text, commas ? ',' : ':');
	if (text.s == NULL || num_parse(count, SCRAM_ITERATIONS_MAX, &iterations) == -1 ||
	    iterations < SCRAM_ITERATIONS_MIN)
		return false;
	v->iterations = (unsigned)iterations;
	salt_n = take_octets(salt, v->salt, sizeof(v->salt));
	if (salt_n < 1)
		return false;
	v->salt_n = (size_t)salt_n;
	return take_octets(stored, v->stored_key, DIGEST_OCTETS) == DIGEST_OCTETS &&
	    take_octets(text, v->server_key, DIGEST_OCTETS) == DIGEST_OCTETS;
}

/* --- the dialogue ------------------------------------------------------------ */

bool
scram_mechanism(struct span name, bool *plus)
{
	*plus = span_case_is(name, "SCRAM-SHA-256-PLUS");
	return *plus || span_case_is(name, "SCRAM-SHA-256");
}

/* n octets from so many pairs of digits. */
static bool
take_hex(struct span hex, uint8_t *out, size_t n)
{
	if (hex.len != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int hi = hex_value(hex.s[2 * i]), lo = hex_value(hex.s[2 * i + 1]);

		if (hi == -1 || lo == -1)
			return false;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

static void
take_binding(struct scram *s, const char *hex)
{
	struct span rest = span_of(hex), exporter = span_cut(&rest, ':');

	s->bound = take_hex(exporter, s->binding, sizeof(s->binding));
	s->bound_unique = s->bound && rest.s != NULL && take_hex(rest, s->unique, sizeof(s->unique));
}

void
scram_init(struct scram *s, bool plus, const char *binding)
{
	memset(s, 0, sizeof(*s));
	s->plus = plus;
	take_binding(s, binding);
	buf_init(&s->header, LIMIT_SASL);
	buf_init(&s->nonce, NONCE_MAX + 2 * NONCE_OCTETS);
	buf_init(&s->message, 3 * LIMIT_SASL);
}

void
scram_wipe(struct scram *s)
{
	struct buf *all[] = { &s->header, &s->nonce, &s->message };

	for (size_t i = 0; i < COUNT(all); i++) {
		buf_wipe(all[i]);
		buf_free(all[i]);
	}
	explicit_bzero(&s->verifier, sizeof(s->verifier));
	explicit_bzero(s->binding, sizeof(s->binding));
	explicit_bzero(s->unique, sizeof(s->unique));
}

/* The message behind the base64, without a NUL (RFC 5802, 7). */
static bool
decode(struct span text, struct buf *out)
{
	char room[LIMIT_SASL];
	ssize_t n = text.len > sizeof(room) ? -1 : base64_decode(room, text.s, text.len);
	bool good = n > 0 && memchr(room, '\0', (size_t)n) == NULL;

	if (good)
		buf_add(out, room, (size_t)n);
	explicit_bzero(room, sizeof(room));
	return good && !buf_over(out);
}

/* The next attribute, which must be this one: its value; else NULL. */
static struct span
attribute(struct span *rest, char name)
{
	struct span a = { NULL, 0 };

	if (rest->s != NULL)
		a = span_cut(rest, ',');
	if (a.len < 2 || a.s[0] != name || a.s[1] != '=')
		return (struct span){ NULL, 0 };
	return (struct span){ a.s + 2, a.len - 2 };
}

/* saslname: "=2C" and "=3D", and no other "=". */
static bool
take_name(struct span from, char *out, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < from.len; i++) {
		char c = from.s[i];

		if (c == '=') {
			if (from.len - i < 3)
				return false;
			c = memcmp(from.s + i, "=2C", 3) == 0 ? ',' : '=';
			if (c == '=' && memcmp(from.s + i, "=3D", 3) != 0)
				return false;
			i += 2;
		}
		if (n + 1 >= room)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return n > 0;
}

/* RFC 5802, 6: a client that believes we could not bind, though that was offered to it, was lied to. */
static enum scram_step
take_binding_flag(struct scram *s, struct span flag)
{
	if (s->plus) {
		s->by_unique = s->bound_unique && span_is(flag, "p=tls-unique");
		return s->by_unique || (s->bound && span_is(flag, "p=tls-exporter")) ? SCRAM_MORE : SCRAM_MALFORMED;
	}
	if (span_is(flag, "y"))
		return s->bound ? SCRAM_WRONG : SCRAM_MORE;
	return span_is(flag, "n") ? SCRAM_MORE : SCRAM_MALFORMED;
}

static bool
take_nonce(struct scram *s, struct span nonce)
{
	if (nonce.s == NULL || nonce.len == 0 || nonce.len > NONCE_MAX)
		return false;
	for (size_t i = 0; i < nonce.len; i++)
		if (nonce.s[i] < 0x21 || nonce.s[i] > 0x7e)
			return false;
	buf_addspan(&s->nonce, nonce);
	return true;
}

/* Who logs in acts for himself: another authzid is refused, as PLAIN does. */
static bool
take_authzid(const struct scram *s, struct span given)
{
	struct span rest = given, name = attribute(&rest, 'a');
	char authzid[LIMIT_ADDRESS + 1];

	if (given.len == 0)
		return true;
	return name.s != NULL && take_name(name, authzid, sizeof(authzid)) && strcmp(authzid, s->login) == 0;
}

static enum scram_step
take_first(struct scram *s, struct span said)
{
	struct span rest = said, flag, authzid, bare, name, nonce;
	enum scram_step step;

	flag = span_cut(&rest, ',');
	authzid = rest.s == NULL ? rest : span_cut(&rest, ',');
	bare = rest;
	if (bare.s == NULL)
		return SCRAM_MALFORMED;
	step = take_binding_flag(s, flag);
	name = attribute(&rest, 'n'); /* "m=" here would be an extension that we must know */
	nonce = attribute(&rest, 'r');
	if (step == SCRAM_MALFORMED || name.s == NULL || !take_name(name, s->login, sizeof(s->login)) ||
	    !take_nonce(s, nonce) || !take_authzid(s, authzid))
		return SCRAM_MALFORMED;
	buf_add(&s->header, said.s, (size_t)(bare.s - said.s));
	buf_addspan(&s->message, bare);
	return step;
}

enum scram_step
scram_first(struct scram *s, struct span text)
{
	struct buf said = BUF_INIT(LIMIT_SASL);
	enum scram_step step = SCRAM_MALFORMED;

	if (decode(text, &said))
		step = take_first(s, buf_span(&said));
	buf_free(&said);
	return step;
}

void
scram_challenge(struct scram *s, const char *own_nonce, struct buf *out)
{
	struct buf said = BUF_INIT(LIMIT_SASL);
	uint8_t bits[NONCE_OCTETS];

	arc4random_buf(bits, sizeof(bits));
	if (own_nonce != NULL)
		buf_adds(&s->nonce, own_nonce);
	else
		base64_add(&s->nonce, bits, sizeof(bits));
	buf_adds(&said, "r=");
	buf_addspan(&said, buf_span(&s->nonce));
	buf_adds(&said, ",s=");
	base64_add(&said, s->verifier.salt, s->verifier.salt_n);
	buf_addf(&said, ",i=%u", s->verifier.iterations);
	buf_addf(&s->message, ",%s,", buf_str(&said));
	base64_add(out, said.s, said.len);
	buf_free(&said);
}

/* c= is the gs2-header again, and behind it what binds: so nobody in between has changed either. */
static bool
same_channel(const struct scram *s, struct span given)
{
	struct buf want = BUF_INIT(LIMIT_SASL), text = BUF_INIT(2 * LIMIT_SASL);
	bool same;

	buf_addspan(&want, buf_span(&s->header));
	if (s->plus && s->by_unique)
		buf_add(&want, s->unique, sizeof(s->unique));
	else if (s->plus)
		buf_add(&want, s->binding, sizeof(s->binding));
	base64_add(&text, want.s, want.len);
	same = span_eq(given, buf_span(&text));
	buf_free(&want);
	buf_free(&text);
	return same;
}

static bool
proof_fits(const struct scram *s, const uint8_t proof[DIGEST_OCTETS])
{
	uint8_t key[DIGEST_OCTETS], stored[DIGEST_OCTETS];
	bool same;

	digest_mac(s->verifier.stored_key, DIGEST_OCTETS, buf_span(&s->message), key);
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] ^= proof[i];
	digest_sha256(key, sizeof(key), stored);
	same = digest_same(stored, s->verifier.stored_key, DIGEST_OCTETS);
	explicit_bzero(key, sizeof(key)); /* ClientKey: enough to log in */
	return same;
}

static void
add_signature(const struct scram *s, struct buf *out)
{
	struct buf said = BUF_INIT(100);
	uint8_t signature[DIGEST_OCTETS];

	digest_mac(s->verifier.server_key, DIGEST_OCTETS, buf_span(&s->message), signature);
	buf_adds(&said, "v=");
	base64_add(&said, signature, sizeof(signature));
	base64_add(out, said.s, said.len);
	buf_free(&said);
}

/* The proof is the last attribute; extensions may stand before it. */
static enum scram_step
take_final(struct scram *s, struct span said, struct buf *out)
{
	const char *comma = memrchr(said.s, ',', said.len);
	struct span without, rest, channel, nonce, proof_text;
	uint8_t proof[DIGEST_OCTETS];

	if (comma == NULL)
		return SCRAM_MALFORMED;
	without = rest = (struct span){ said.s, (size_t)(comma - said.s) };
	said = (struct span){ comma + 1, said.len - without.len - 1 };
	channel = attribute(&rest, 'c');
	nonce = attribute(&rest, 'r');
	proof_text = attribute(&said, 'p');
	if (channel.s == NULL || nonce.s == NULL || take_octets(proof_text, proof, sizeof(proof)) != DIGEST_OCTETS)
		return SCRAM_MALFORMED;
	buf_addspan(&s->message, without);
	if (buf_over(&s->message) || !span_eq(nonce, buf_span(&s->nonce)) || !same_channel(s, channel) ||
	    !proof_fits(s, proof))
		return SCRAM_WRONG;
	add_signature(s, out);
	return SCRAM_MORE;
}

enum scram_step
scram_final(struct scram *s, struct span text, struct buf *out)
{
	struct buf said = BUF_INIT(LIMIT_SASL);
	enum scram_step step = SCRAM_MALFORMED;

	if (decode(text, &said))
		step = take_final(s, buf_span(&said), out);
	buf_wipe(&said);
	buf_free(&said);
	return step;
}
