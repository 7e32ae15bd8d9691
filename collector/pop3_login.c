/*
 * pop3_login: capabilities, TLS, and who we are.
 *
 * Nothing secret is said before the account's tls= is fulfilled. A refused login is not tried another way: each
 * attempt counts at the provider, and accounts get locked.
 */
#include <stdio.h>
#include <string.h>

#include "collector/binding.h"
#include "collector/pop3.h"
#include "collector/secret.h"
#include "lib/base/ascii.h"
#include "lib/mail/digest.h"
#include "lib/net/sasl.h"

#define CAPABILITIES_MAX 200
#define SASL_ROUNDS 16
#define COMMAND_LINE_MAX 255 /* octets, CRLF included (RFC 2449, 4): a longer initial response is sent when asked for */

int
pop3_greeting(struct pop3 *s)
{
	struct span text, timestamp;

	switch (pop3_hear(s, &text)) {
	case POP3_OK:
		timestamp = pop3_timestamp(text);
		if (timestamp.len < sizeof(s->timestamp))
			snprintf(s->timestamp, sizeof(s->timestamp), "%.*s", (int)timestamp.len, timestamp.s);
		return 0;
	case POP3_STRANGE:
		return -1;
	default:
		return pop3_failed(s, "the server is not ready", text);
	}
}

int
pop3_ask_capabilities(struct pop3 *s)
{
	enum pop3_status status;
	struct span line;
	int rv;

	pop3_say(s, "CAPA");
	status = pop3_hear(s, &line);
	buf_reset(&s->capa.sasl);
	s->capa.pipelining = s->capa.stls = false;
	s->capa_known = status == POP3_OK;
	if (status != POP3_OK)
		return status == POP3_ERR ? 0 : -1; /* many an old server has no CAPA */
	for (int i = 0; (rv = pop3_hear_line(s, &line)) == 1; i++) {
		if (i == CAPABILITIES_MAX)
			return pop3_failed(s, "no end of capabilities", SPAN("CAPA"));
		pop3_capa_line(&s->capa, line);
	}
	return rv;
}

int
pop3_upgrade(struct pop3 *s)
{
	struct span text;

	if (s->f->account->up.tls != UPSTREAM_TLS_STARTTLS)
		return 0;
	if (s->capa_known && !s->capa.stls)
		return pop3_failed(s, "the server offers no STLS, so nothing was sent", SPAN("tls=starttls"));
	pop3_say(s, "STLS");
	switch (pop3_hear(s, &text)) {
	case POP3_OK: /* what it said before may have been anybody's words */
		return fetch_start_tls(s->f) == 0 ? pop3_ask_capabilities(s) : -1;
	case POP3_STRANGE:
		return -1;
	default:
		return pop3_failed(s, "STLS refused", text);
	}
}

/* how: what was tried, and what may help if it is not the password. */
static int
login_refused(struct pop3 *s, const char *how, struct span text)
{
	struct buf what = BUF_INIT(200);

	if (pop3_busy(text))
		return pop3_failed(s, "not now", text);
	s->f->auth_failed = true;
	buf_addf(&what, "login refused (%s)", how);
	pop3_failed(s, buf_str(&what), text);
	buf_free(&what);
	return -1;
}

/* A reply that must be +OK. */
static int
must_be_let_in(struct pop3 *s, const char *how)
{
	struct span text;

	switch (pop3_hear(s, &text)) {
	case POP3_OK:
		strlcpy(s->f->mechanism, how, sizeof(s->f->mechanism));
		return 0;
	case POP3_STRANGE:
		return -1;
	default:
		return login_refused(s, how, text);
	}
}

static int
login_user(struct pop3 *s, const struct credentials *c)
{
	pop3_say(s, "USER %s", s->f->account->up.login);
	if (must_be_let_in(s, "USER") == -1)
		return -1;
	dialogue_say(s->d, true, "PASS %s", buf_str(&c->password));
	return must_be_let_in(s, "PASS");
}

static int
login_apop(struct pop3 *s, const struct credentials *c)
{
	struct buf text = BUF_INIT(sizeof(s->timestamp) + LIMIT_PASSWORD);
	uint8_t digest[DIGEST_MD5_OCTETS];
	char hex[2 * DIGEST_MD5_OCTETS + 1];
	bool fine;

	if (*s->timestamp == '\0')
		return pop3_failed(s, "the server's greeting has no timestamp", SPAN("auth=apop"));
	buf_adds(&text, s->timestamp);
	buf_addspan(&text, buf_span(&c->password));
	fine = digest_md5(text.s, text.len, digest);
	buf_wipe(&text);
	buf_free(&text);
	if (!fine)
		return pop3_failed(s, "auth=apop", SPAN("the cryptographic library of this system refuses MD5"));
	digest_hex(digest, sizeof(digest), hex);
	dialogue_say(s->d, true, "APOP %s %s", s->f->account->up.login, hex);
	explicit_bzero(hex, sizeof(hex));
	return must_be_let_in(s, "APOP");
}

/* "AUTH MECHANISM", with the initial response where there is one and it fits (RFC 5034, 4); else *out waits to be
 * asked for. */
static void
begin_sasl(struct pop3 *s, const char *mechanism, bool initial, struct buf *out)
{
	bool fits = strlen("AUTH ") + strlen(mechanism) + 1 + out->len + 2 <= COMMAND_LINE_MAX;

	if (initial && fits) {
		dialogue_say(s->d, true, "AUTH %s %s", mechanism, out->len > 0 ? buf_str(out) : "=");
		buf_wipe(out);
	} else {
		pop3_say(s, "AUTH %s", mechanism);
	}
}

/* An answer to the server's challenge; what has waited goes first. */
static int
answer_challenge(struct pop3 *s, struct sasl *x, struct span challenge, bool *waiting, struct buf *out)
{
	struct span text;

	if (!*waiting && sasl_step(x, challenge, out, &s->f->why) == -1) {
		pop3_say(s, "*"); /* cancels (RFC 5034, 4) */
		(void)pop3_hear(s, &text);
		return -1;
	}
	*waiting = false;
	dialogue_say(s->d, true, "%s", buf_str(out));
	buf_wipe(out);
	return 0;
}

/* The credentials are to blame (RFC 3206, 4). */
static bool
says_auth(struct span text)
{
	return text.len >= 6 && ascii_caseeq(text.s, "[AUTH]", 6);
}

#define UNBOUND 2 /* the same without a channel binding may do */

static int
login_sasl(struct pop3 *s, struct sasl *x)
{
	struct buf out = BUF_INIT(LIMIT_SASL);
	bool initial = sasl_initial(x), waiting;
	enum pop3_status status = POP3_STRANGE;
	struct span text;
	int rv = initial && sasl_step(x, SPAN(""), &out, &s->f->why) == -1 ? -1 : 0;

	if (rv == 0)
		begin_sasl(s, sasl_mechanism(x), initial, &out);
	waiting = out.len > 0;
	for (int i = 0; rv == 0; i++) {
		status = pop3_hear(s, &text);
		if (status != POP3_CHALLENGE)
			break;
		rv = i < SASL_ROUNDS ? answer_challenge(s, x, text, &waiting, &out)
		                     : pop3_failed(s, "no end of challenges", span_of(sasl_mechanism(x)));
	}
	buf_wipe(&out);
	buf_free(&out);
	if (rv == -1 || status == POP3_STRANGE)
		return -1;
	strlcpy(s->f->mechanism, sasl_mechanism(x), sizeof(s->f->mechanism));
	if (status != POP3_OK && sasl_bound(x) && !pop3_busy(text) && !says_auth(text))
		return UNBOUND; /* not by the password, as far as the server says */
	return status == POP3_OK ? sasl_success(x, &s->f->why) : login_refused(s, sasl_mechanism(x), text);
}

#define NONE_SERVES 1

static int
login_by_sasl(struct pop3 *s, const struct credentials *c)
{
	const struct io *bound = binding_of(s->f);
	bool again = false;
	struct sasl *x;
	int rv;

	for (;;) {
		x = credentials_sasl(s->f->account, c, bound, buf_span(&s->capa.sasl), &s->f->why);
		rv = x != NULL ? login_sasl(s, x) : NONE_SERVES;
		sasl_free(x);
		if (rv != UNBOUND)
			break;
		bound = NULL;
		again = true;
	}
	if (again && rv == 0)
		binding_refused(s->f);
	return rv;
}

/* The account's way, or the best that there is. */
static int
login_with(struct pop3 *s, const struct credentials *c)
{
	enum upstream_auth auth = s->f->account->up.auth;
	int rv;

	if (auth == UPSTREAM_AUTH_APOP)
		return login_apop(s, c);
	if (auth == UPSTREAM_AUTH_USER)
		return login_user(s, c);
	rv = login_by_sasl(s, c);
	if (rv != NONE_SERVES)
		return rv;
	if (auth != UPSTREAM_AUTH_ANY)
		return -1;
	buf_reset(&s->f->why); /* USER and PASS will do where tls= is fulfilled */
	return login_user(s, c);
}

int
pop3_login(struct pop3 *s)
{
	struct credentials c;
	int rv = credentials_get(s->f->account, s->f->house, &c, &s->f->why);

	if (rv == 0)
		rv = login_with(s, &c);
	credentials_wipe(&c);
	return rv;
}
