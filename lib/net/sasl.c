/*
 * sasl: proving who we are to a server, as a client.
 *
 * Knows mechanisms and which to prefer; no protocol, no connection. GNU SASL does those with
 * cryptography or a standard of their own; the two for tokens (RFC 7628, and its elder XOAUTH2) it has not.
 */
#include "lib/net/sasl.h"

#include <gsasl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "lib/base/num.h"
#include "lib/mail/scram.h"

#define ITERATIONS_MAX 2000000 /* of SCRAM: a few seconds of work, whatever a server asks for */
#define STATUS_MAX 200         /* octets shown of a refusal */

enum { TOKEN = 1, BINDING = 2, SHOWN = 4, DEMANDED = 8, FIRST = 16, COUNTED = 32 };

struct mechanism {
	const char *name;
	int traits;
	int (*step)(struct sasl *, struct span, struct buf *, struct buf *);
};
struct sasl {
	const struct mechanism *mechanism;
	enum { NEW, MORE, DONE, REFUSED, BROKEN } state;
	Gsasl *library;
	Gsasl_session *session;
	struct buf first; /* what the client says first, of mechanisms that are not the library's */
};

static int step_library(struct sasl *, struct span, struct buf *, struct buf *);
static int step_token(struct sasl *, struct span, struct buf *, struct buf *);

/* clang-format off */
static const struct mechanism mechanisms[] = { /* the best first */
	{ "OAUTHBEARER",        TOKEN | FIRST,             step_token },
	{ "XOAUTH2",            TOKEN | FIRST,             step_token },
	{ "SCRAM-SHA-256-PLUS", BINDING | FIRST | COUNTED, step_library },
	{ "SCRAM-SHA-1-PLUS",   BINDING | FIRST | COUNTED, step_library },
	{ "SCRAM-SHA-256",      FIRST | COUNTED,           step_library },
	{ "SCRAM-SHA-1",        FIRST | COUNTED,           step_library },
	{ "PLAIN",              SHOWN | FIRST,             step_library },
	{ "LOGIN",              SHOWN,                     step_library },
	{ "CRAM-MD5",           DEMANDED,                  step_library },
};
/* clang-format on */

/* --- which one --------------------------------------------------------------------- */

static bool
is_offered(struct span offered, const char *name)
{
	while (offered.s != NULL) {
		struct span word = span_cut(&offered, ' ');

		if (word.len > 5 && ascii_caseeq(word.s, "AUTH=", 5))
			word = (struct span){ word.s + 5, word.len - 5 };
		if (span_case_is(word, name))
			return true;
	}
	return false;
}

static bool
has_means(const struct mechanism *m, const struct sasl_login *l)
{
	if ((m->traits & TOKEN) != 0)
		return l->token != NULL;
	return l->password != NULL && ((m->traits & BINDING) == 0 || l->binding.len > 0);
}

/* Of a hostile server, too: printable, and not without end. */
static void
add_shown(struct buf *why, struct span s)
{
	for (size_t i = 0; i < s.len && i < STATUS_MAX; i++)
		buf_addc(why, ascii_print(s.s[i]) ? s.s[i] : '?');
}

static bool
is_wanted(const struct mechanism *m, const struct sasl_login *l, const char *only)
{
	if (only == NULL || *only == '\0')
		return (m->traits & DEMANDED) == 0 || l->weak;
	return strcasecmp(only, m->name) == 0 || (strcasecmp(only, "SCRAM") == 0 && (m->traits & COUNTED) != 0);
}

static const struct mechanism *
choose(struct span offered, const struct sasl_login *l, const char *only, bool private, struct buf *why)
{
	bool demanded = only != NULL && *only != '\0', shown = false;

	for (size_t i = 0; i < COUNT(mechanisms); i++) {
		const struct mechanism *m = &mechanisms[i];

		if (!is_wanted(m, l, only) || !is_offered(offered, m->name) || !has_means(m, l))
			continue;
		if ((m->traits & SHOWN) == 0 || private)
			return m;
		shown = true;
	}
	if (shown)
		buf_addf(why, "the server takes the password in the clear only, and there is no TLS");
	else if (demanded)
		buf_addf(why, "cannot log in with %s", only);
	else
		buf_addf(why, "the server offers no way to log in with a %s that we know",
		    l->token != NULL && l->password == NULL ? "token" : "password");
	buf_adds(why, " (it offers: ");
	add_shown(why, span_trim(offered).len > 0 ? span_trim(offered) : SPAN("nothing"));
	buf_adds(why, ")");
	return NULL;
}

/* --- tokens -------------------------------------------------------------------------- */

/* Octets 0x01 part fields, and line ends part commands. */
static bool
is_clean(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

/* A saslname (RFC 5801, 4): "," and "=" mean something around it. */
static void
add_saslname(struct buf *out, const char *name)
{
	for (; *name != '\0'; name++)
		if (*name == ',')
			buf_adds(out, "=2C");
		else if (*name == '=')
			buf_adds(out, "=3D");
		else
			buf_addc(out, *name);
}

static int
start_token(struct sasl *s, const struct sasl_login *l, struct buf *why)
{
	struct buf *b = &s->first;

	if (!is_clean(l->login) || !is_clean(l->token) || (l->host != NULL && !is_clean(l->host))) {
		buf_adds(why, "the login or the token has control characters in it");
		return -1;
	}
	if (strcmp(s->mechanism->name, "XOAUTH2") == 0) {
		buf_addf(b, "user=%s\001auth=Bearer %s\001\001", l->login, l->token);
	} else { /* RFC 7628, 3.1 */
		buf_adds(b, "n,a=");
		add_saslname(b, l->login);
		buf_adds(b, ",\001");
		if (l->host != NULL)
			buf_addf(b, "host=%s\001", l->host);
		if (l->port != 0)
			buf_addf(b, "port=%u\001", l->port);
		buf_addf(b, "auth=Bearer %s\001\001", l->token);
	}
	if (buf_over(b)) {
		buf_adds(why, "the token is too long");
		return -1;
	}
	return 0;
}

/* The first answer is all; a challenge behind it says what is wrong, in JSON, and wants
 * a dummy answer before the failure proper (RFC 7628, 3.2.3). */
static int
step_token(struct sasl *s, struct span challenge, struct buf *out, struct buf *why)
{
	switch (s->state) {
	case NEW:
		buf_addspan(out, buf_span(&s->first));
		s->state = DONE;
		return 0;
	case DONE:
		buf_addf(why, "the server refuses the token: ");
		add_shown(why, challenge);
		if (strcmp(s->mechanism->name, "OAUTHBEARER") == 0)
			buf_addc(out, '\001');
		s->state = REFUSED;
		return 1;
	default:
		buf_addf(why, "the server asks for more than %s has", s->mechanism->name);
		return -1;
	}
}

/* --- passwords: the library -------------------------------------------------------------- */

static int
set_binding(struct sasl *s, struct span binding)
{
	struct span data = binding, kind = span_cut(&data, ':');
	struct buf b = BUF_INIT(1024);
	int rv;

	if (data.s == NULL)
		return GSASL_OK;
	base64_add(&b, data.s, data.len);
	rv = gsasl_property_set(s->session,
	    span_is(kind, "tls-exporter") ? GSASL_CB_TLS_EXPORTER : GSASL_CB_TLS_UNIQUE, buf_str(&b));
	buf_free(&b);
	return rv;
}

/* The binding is for -PLUS only: the library does not know the "y" of RFC 5802, 6, and takes it for a fault. */
static int
start_library(struct sasl *s, const struct sasl_login *l, struct buf *why)
{
	int rv = gsasl_init(&s->library);

	if (rv == GSASL_OK)
		rv = gsasl_client_start(s->library, s->mechanism->name, &s->session);
	if (rv == GSASL_OK)
		rv = gsasl_property_set(s->session, GSASL_AUTHID, l->login);
	if (rv == GSASL_OK)
		rv = gsasl_property_set(s->session, GSASL_PASSWORD, l->password);
	if (rv == GSASL_OK && (s->mechanism->traits & BINDING) != 0)
		rv = set_binding(s, l->binding);
	if (rv == GSASL_OK)
		return 0;
	buf_addf(why, "cannot start %s: %s", s->mechanism->name, gsasl_strerror(rv));
	return -1;
}

/* r=nonce,s=salt,i=count (RFC 5802, 5.1): work for us that the server sets. */
static bool
is_bearable(const struct sasl *s, struct span challenge)
{
	uint64_t n;

	if ((s->mechanism->traits & COUNTED) == 0)
		return true;
	while (challenge.s != NULL) {
		struct span field = span_cut(&challenge, ',');

		if (field.len > 2 && memcmp(field.s, "i=", 2) == 0)
			return num_parse((struct span){ field.s + 2, field.len - 2 }, ITERATIONS_MAX, &n) == 0;
	}
	return true;
}

static int
step_library(struct sasl *s, struct span challenge, struct buf *out, struct buf *why)
{
	char *said = NULL;
	size_t n = 0;
	int rv;

	if (s->state == DONE) {
		buf_addf(why, "the server asks for more than %s has", s->mechanism->name);
		return -1;
	}
	if (!is_bearable(s, challenge)) {
		buf_addf(why, "the server wants more than %d iterations", ITERATIONS_MAX);
		return -1;
	}
	/* LOGIN: a server may ask without words. */
	if (challenge.len == 0 && (s->mechanism->traits & FIRST) == 0)
		challenge = SPAN("?");
	rv = gsasl_step(s->session, challenge.s, challenge.len, &said, &n);
	if (said != NULL) {
		buf_add(out, said, n);
		explicit_bzero(said, n);
		gsasl_free(said);
	}
	switch (rv) {
	case GSASL_OK:
		s->state = DONE;
		return 0;
	case GSASL_NEEDS_MORE:
		s->state = MORE;
		return 1;
	case GSASL_AUTHENTICATION_ERROR:
		buf_addf(why, "%s: the server does not know our password, or is somebody else", s->mechanism->name);
		return -1;
	default:
		buf_addf(why, "%s: %s", s->mechanism->name, gsasl_strerror(rv));
		return -1;
	}
}

/* --- the module ------------------------------------------------------------------------- */

struct sasl *
sasl_client(struct span offered, const struct sasl_login *l, const char *only, bool private, struct buf *why)
{
	const struct mechanism *m = choose(offered, l, only, private, why);
	struct sasl *s;
	int rv;

	if (m == NULL)
		return NULL;
	s = mem_alloc(1, sizeof(*s));
	s->mechanism = m;
	buf_init(&s->first, LIMIT_SASL);
	rv = (m->traits & TOKEN) != 0 ? start_token(s, l, why) : start_library(s, l, why);
	if (rv == 0)
		return s;
	sasl_free(s);
	return NULL;
}

const char *
sasl_mechanism(const struct sasl *s)
{
	return s->mechanism->name;
}

bool
sasl_initial(const struct sasl *s)
{
	return (s->mechanism->traits & FIRST) != 0;
}

int
sasl_step(struct sasl *s, struct span challenge, struct buf *out, struct buf *why)
{
	struct buf plain = BUF_INIT(LIMIT_SASL);
	char *said = NULL;
	ssize_t n = -1;
	int rv = -1;

	if (challenge.len <= LIMIT_SASL && s->state != BROKEN) {
		said = mem_alloc(1, challenge.len / 4 * 3 + 1);
		n = base64_decode(said, challenge.s, challenge.len);
	}
	if (n == -1)
		buf_addf(why, "%s: the server's challenge is %s", s->mechanism->name,
		    challenge.len > LIMIT_SASL ? "too long" : "not base64");
	else
		rv = s->mechanism->step(s, (struct span){ said, (size_t)n }, &plain, why);
	if (rv == -1)
		s->state = BROKEN;
	else
		base64_add(out, plain.s, plain.len);
	free(said);
	buf_wipe(&plain);
	buf_free(&plain);
	return rv;
}

bool
sasl_bound(const struct sasl *s)
{
	return (s->mechanism->traits & BINDING) != 0;
}

int
sasl_success(const struct sasl *s, struct buf *why)
{
	if (s->state == DONE)
		return 0;
	buf_addf(why, s->state == REFUSED ? "the server takes a token that it has refused" :
	    "%s: the server says that we are logged in before it has proved to know the password: it may not be "
	    "the right one", s->mechanism->name);
	return -1;
}

/* The library frees the password without wiping it. Its copy is ours to write to: malloc made it for us. */
static void
wipe_password(Gsasl_session *session)
{
	const char *copy = gsasl_property_fast(session, GSASL_PASSWORD);

	if (copy != NULL)
		explicit_bzero((void *)(uintptr_t)copy, strlen(copy)); /* NOLINT(performance-no-int-to-ptr) */
}

void
sasl_free(struct sasl *s)
{
	if (s == NULL)
		return;
	if (s->session != NULL) {
		wipe_password(s->session);
		gsasl_finish(s->session);
	}
	if (s->library != NULL)
		gsasl_done(s->library);
	buf_wipe(&s->first);
	buf_free(&s->first);
	free(s);
}

/* --- for servers ------------------------------------------------------------------------- */

char *
sasl_prepared(const char *password)
{
	char *prepared = NULL, *own;

	if (gsasl_saslprep(password, GSASL_ALLOW_UNASSIGNED, &prepared, NULL) != GSASL_OK)
		return NULL;
	own = mem_dup(prepared);
	explicit_bzero(prepared, strlen(prepared));
	gsasl_free(prepared);
	return own;
}

char *
sasl_verifier(const char *password, uint64_t iterations)
{
	struct scram_verifier v = { .salt_n = SCRAM_SALT };
	struct buf text = BUF_INIT(SCRAM_VERIFIER_MAX - 1);
	char *prepared = sasl_prepared(password);

	if (prepared == NULL)
		return NULL;
	v.iterations = scram_iterations(iterations);
	arc4random_buf(v.salt, SCRAM_SALT);
	scram_derive(&v, prepared);
	scram_write(&v, &text);
	explicit_bzero(prepared, strlen(prepared));
	free(prepared);
	explicit_bzero(&v, sizeof(v));
	return text.s;
}
