/*
 * exchange: a client logs in by SASL, whatever the protocol around it.
 *
 * Knows which mechanisms there are and who speaks them; no protocol, no password's worth.
 */
#include "lib/wire/exchange.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/mail/bearer.h"
#include "lib/mail/scram.h"

const char *
exchange_offered(struct auth *a, const char *binding, const char *name)
{
	bool scram = auth_offers_scram(a), tokens = auth_offers_tokens(a);

	/* Tokens last: who has none must not choose them by their place. */
	(void)snprintf(a->offered, sizeof(a->offered), "%s%s%s" CREDENTIALS_OFFERED "%s",
	    name[0] != '\0' ? "EXTERNAL " : "",
	    scram && binding[0] != '\0' ? "SCRAM-SHA-256-PLUS " : "", scram ? "SCRAM-SHA-256 " : "",
	    tokens ? " OAUTHBEARER XOAUTH2" : "");
	return a->offered;
}

static enum exchange_step
answered(enum auth_answer answer)
{
	switch (answer) {
	case AUTH_YES:
		return EXCHANGE_YES;
	case AUTH_NO:
		return EXCHANGE_NO;
	case AUTH_MORE:
		return EXCHANGE_MORE;
	case AUTH_MALFORMED:
		return EXCHANGE_MALFORMED;
	case AUTH_LATER:
		break;
	}
	return EXCHANGE_LATER;
}

/* --- PLAIN and LOGIN --------------------------------------------------------- */

static enum exchange_step
gathered(struct exchange *x, enum credentials_step step)
{
	struct credentials *c = &x->credentials;

	switch (step) {
	case CREDENTIALS_MORE:
		strlcpy(x->challenge, c->challenge, sizeof(x->challenge));
		return EXCHANGE_MORE;
	case CREDENTIALS_READY:
		return answered(auth_check(x->auth, c->login, c->password, x->service, x->client, x->mailbox,
		    x->ticket));
	case CREDENTIALS_CANCELLED:
		return EXCHANGE_CANCELLED;
	case CREDENTIALS_MALFORMED:
		return EXCHANGE_MALFORMED;
	case CREDENTIALS_UNKNOWN:
		break;
	}
	return EXCHANGE_UNKNOWN;
}

/* --- SCRAM and tokens: authd's business ---------------------------------------- */

static enum exchange_step
pass_on(struct exchange *x, struct span line)
{
	struct buf said = BUF_INIT(LIMIT_SASL), challenge = BUF_INIT(sizeof(x->challenge) - 1);
	enum exchange_step step = EXCHANGE_MALFORMED;

	buf_addspan(&said, line);
	if (buf_over(&said) || memchr(line.s, '\0', line.len) != NULL)
		auth_cancel(x->auth);
	else if (x->begun)
		step = answered(auth_step(x->auth, buf_str(&said), &challenge, x->mailbox, x->ticket));
	else
		step = answered(auth_begin(x->auth, x->mechanism, buf_str(&said), x->binding, x->service, x->client,
		    &challenge, x->mailbox, x->ticket));
	x->begun = true;
	strlcpy(x->challenge, buf_str(&challenge), sizeof(x->challenge));
	buf_wipe(&said);
	buf_free(&said);
	buf_free(&challenge);
	return step;
}

/* The client speaks first (RFC 5802, 5; RFC 7628, 3.1): without an initial response it gets an empty challenge. */
static enum exchange_step
client_first(struct exchange *x, const char *mechanism, struct span initial)
{
	strlcpy(x->mechanism, mechanism, sizeof(x->mechanism));
	if (initial.s == NULL)
		return EXCHANGE_MORE;
	return span_is(initial, "=") ? EXCHANGE_MALFORMED : pass_on(x, initial);
}

static enum exchange_step
scram_begin(struct exchange *x, bool plus, struct span initial)
{
	if (!auth_offers_scram(x->auth) || (plus && x->binding[0] == '\0'))
		return EXCHANGE_UNKNOWN;
	return client_first(x, plus ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256", initial);
}

/* --- EXTERNAL (RFC 4422, appendix A) --------------------------------------------- */

static enum exchange_step
vouch(struct exchange *x, struct span line)
{
	char acts_for[LIMIT_ADDRESS + 3] = "";
	ssize_t n = -1;

	if (line.len / 4 * 3 <= LIMIT_ADDRESS)
		n = base64_decode(acts_for, line.s, line.len);
	if (n < 0 || memchr(acts_for, '\0', (size_t)n) != NULL)
		return EXCHANGE_MALFORMED;
	acts_for[n] = '\0';
	return answered(auth_vouch(x->auth, x->name, acts_for, x->service, x->client, x->mailbox));
}

static enum exchange_step
external_begin(struct exchange *x, struct span initial)
{
	x->external = true;
	if (initial.s == NULL)
		return EXCHANGE_MORE;
	return vouch(x, span_is(initial, "=") ? SPAN("") : initial);
}

/* --- both -------------------------------------------------------------------- */

enum exchange_step
exchange_begin(struct exchange *x, struct auth *a, const char *service, const char *client, const char *binding,
    const char *name, struct span mechanism, struct span initial)
{
	bool plus;

	memset(x, 0, sizeof(*x));
	x->auth = a;
	x->service = service;
	strlcpy(x->client, client, sizeof(x->client));
	strlcpy(x->binding, binding, sizeof(x->binding));
	strlcpy(x->name, name, sizeof(x->name));
	if (name[0] != '\0' && span_case_is(mechanism, "EXTERNAL"))
		return external_begin(x, initial);
	if (scram_mechanism(mechanism, &plus))
		return scram_begin(x, plus, initial);
	if (bearer_mechanism(mechanism) != BEARER_NONE && auth_offers_tokens(a))
		return client_first(x, bearer_mechanism(mechanism) == BEARER_OAUTH ? "OAUTHBEARER" : "XOAUTH2", initial);
	return gathered(x, credentials_begin(&x->credentials, mechanism, initial));
}

enum exchange_step
exchange_feed(struct exchange *x, struct span line)
{
	if (x->external)
		return span_is(line, "*") ? EXCHANGE_CANCELLED : vouch(x, line);
	if (x->mechanism[0] == '\0')
		return gathered(x, credentials_feed(&x->credentials, line));
	if (!span_is(line, "*"))
		return pass_on(x, line);
	auth_cancel(x->auth);
	return EXCHANGE_CANCELLED;
}

void
exchange_wipe(struct exchange *x)
{
	if (x->auth != NULL)
		auth_cancel(x->auth);
	explicit_bzero(x, sizeof(*x));
}
