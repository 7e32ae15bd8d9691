/*
 * credentials: what a client says to log in by SASL PLAIN or LOGIN.
 */
#include "lib/mail/credentials.h"

#include <string.h>

#include "lib/base/ascii.h"

#define DECODED_MAX (2 * LIMIT_ADDRESS + LIMIT_PASSWORD + 2)

static bool
keep(struct span from, char *to, size_t room)
{
	if (from.len >= room || memchr(from.s, '\0', from.len) != NULL)
		return false;
	memcpy(to, from.s, from.len);
	to[from.len] = '\0';
	return true;
}

/* authzid NUL authcid NUL passwd. Who logs in acts for himself: another authzid is refused. */
static enum credentials_step
take_plain(struct credentials *c, struct span said)
{
	struct span authzid = span_cut(&said, '\0'), login;

	if (said.s == NULL)
		return CREDENTIALS_MALFORMED;
	login = span_cut(&said, '\0');
	if (said.s == NULL || login.len == 0 || said.len == 0 || (authzid.len > 0 && !span_eq(authzid, login)) ||
	    !keep(login, c->login, sizeof(c->login)) || !keep(said, c->password, sizeof(c->password)))
		return CREDENTIALS_MALFORMED;
	return CREDENTIALS_READY;
}

static enum credentials_step
take(struct credentials *c, struct span said)
{
	switch (c->awaits) {
	case CREDENTIALS_PLAIN:
		return take_plain(c, said);
	case CREDENTIALS_LOGIN_NAME:
		if (said.len == 0 || !keep(said, c->login, sizeof(c->login)))
			return CREDENTIALS_MALFORMED;
		c->awaits = CREDENTIALS_LOGIN_PASSWORD;
		c->challenge = "UGFzc3dvcmQ6"; /* "Password:" */
		return CREDENTIALS_MORE;
	case CREDENTIALS_LOGIN_PASSWORD:
		return said.len > 0 && keep(said, c->password, sizeof(c->password)) ? CREDENTIALS_READY
		                                                                  : CREDENTIALS_MALFORMED;
	}
	return CREDENTIALS_MALFORMED;
}

static enum credentials_step
decode(struct credentials *c, struct span text)
{
	char said[DECODED_MAX + 3];
	enum credentials_step step = CREDENTIALS_MALFORMED;
	ssize_t n;

	if (text.len / 4 * 3 > sizeof(said))
		return step;
	n = base64_decode(said, text.s, text.len);
	if (n >= 0)
		step = take(c, (struct span){ said, (size_t)n });
	explicit_bzero(said, sizeof(said));
	return step;
}

enum credentials_step
credentials_feed(struct credentials *c, struct span line)
{
	return span_is(line, "*") ? CREDENTIALS_CANCELLED : decode(c, line);
}

enum credentials_step
credentials_begin(struct credentials *c, struct span mechanism, struct span initial)
{
	memset(c, 0, sizeof(*c));
	if (span_case_is(mechanism, "PLAIN"))
		c->awaits = CREDENTIALS_PLAIN;
	else if (span_case_is(mechanism, "LOGIN"))
		c->awaits = CREDENTIALS_LOGIN_NAME;
	else
		return CREDENTIALS_UNKNOWN;
	c->challenge = c->awaits == CREDENTIALS_PLAIN ? "" : "VXNlcm5hbWU6"; /* "Username:" */
	if (initial.s == NULL)
		return CREDENTIALS_MORE;
	return decode(c, span_is(initial, "=") ? SPAN("") : initial);
}

void
credentials_wipe(struct credentials *c)
{
	explicit_bzero(c, sizeof(*c));
}
