/*
 * bearer: the messages of OAUTHBEARER and XOAUTH2. Pure functions on octets; what a token is worth others know.
 */
#include "lib/mail/bearer.h"

#include <string.h>

#include "lib/base/ascii.h"

enum bearer_kind
bearer_mechanism(struct span name)
{
	if (span_case_is(name, "OAUTHBEARER"))
		return BEARER_OAUTH;
	return span_case_is(name, "XOAUTH2") ? BEARER_XOAUTH2 : BEARER_NONE;
}

static int
keep(struct span from, char *to, size_t room)
{
	if (from.len >= room || memchr(from.s, '\0', from.len) != NULL)
		return -1;
	memcpy(to, from.s, from.len);
	to[from.len] = '\0';
	return 0;
}

/* saslname of RFC 5801, 4: "=2C" is a comma, "=3D" an equals sign. */
static int
keep_name(struct span name, char *to, size_t room)
{
	char text[3 * LIMIT_ADDRESS];
	struct span escaped;
	size_t n = 0;

	for (size_t i = 0; i < name.len; i++) {
		if (n == sizeof(text))
			return -1;
		if (name.s[i] != '=') {
			text[n++] = name.s[i];
			continue;
		}
		escaped = (struct span){ name.s + i, name.len - i };
		if (!span_begins(escaped, "=2C", NULL) && !span_begins(escaped, "=3D", NULL))
			return -1;
		text[n++] = span_begins(escaped, "=2C", NULL) ? ',' : '=';
		i += 2;
	}
	return keep((struct span){ text, n }, to, room);
}

/* gs2-header (RFC 7628, 3.1): no channel binding, perhaps a name. */
static int
take_header(struct span *said, struct bearer *b)
{
	struct span header = span_cut(said, '\1'), flag = span_cut(&header, ','), name;

	if (said->s == NULL || header.s == NULL || (!span_is(flag, "n") && !span_is(flag, "y")))
		return -1;
	name = span_cut(&header, ',');
	if (header.s == NULL || header.len > 0)
		return -1;
	if (name.len == 0)
		return 0;
	return span_begins(name, "a=", &name) ? keep_name(name, b->login, sizeof(b->login)) : -1;
}

/* auth=Bearer TOKEN (RFC 6750, 2.1). */
static int
take_auth(struct span value, struct bearer *b)
{
	struct span token;

	if (!span_begins(value, "Bearer ", &token))
		return -1;
	token = span_trim(token);
	for (size_t i = 0; i < token.len; i++)
		if (!ascii_print((unsigned char)token.s[i]) || token.s[i] == ' ')
			return -1;
	return token.len == 0 ? -1 : keep(token, b->token, sizeof(b->token));
}

/* Pairs name=value, each with ^A behind it, and another ^A at the end. host= and port= are for proxies: not looked at. */
static int
take_pairs(struct span said, enum bearer_kind kind, struct bearer *b)
{
	struct span pair, value;

	while (said.s != NULL && said.len > 0 && said.s[0] != '\1') {
		pair = span_cut(&said, '\1');
		if (said.s == NULL)
			return -1;
		if (span_begins(pair, "auth=", &value) && (b->token[0] != '\0' || take_auth(value, b) == -1))
			return -1;
		if (kind == BEARER_XOAUTH2 && span_begins(pair, "user=", &value) && keep(value, b->login, sizeof(b->login)) == -1)
			return -1;
	}
	return said.len == 1 && b->token[0] != '\0' ? 0 : -1;
}

int
bearer_parse(enum bearer_kind kind, struct span said, struct bearer *b)
{
	b->login[0] = b->token[0] = '\0';
	if (kind == BEARER_OAUTH && take_header(&said, b) == -1)
		return -1;
	if (take_pairs(said, kind, b) == -1)
		return -1;
	return kind == BEARER_XOAUTH2 && b->login[0] == '\0' ? -1 : 0;
}

void
bearer_refusal(enum bearer_kind kind, struct buf *out)
{
	static const char oauth[] = "{\"status\":\"invalid_token\"}";
	static const char xoauth2[] = "{\"status\":\"401\",\"schemes\":\"bearer\"}";

	if (kind == BEARER_OAUTH)
		base64_add(out, oauth, sizeof(oauth) - 1);
	else
		base64_add(out, xoauth2, sizeof(xoauth2) - 1);
}
