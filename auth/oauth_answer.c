/*
 * oauth_answer: JSON from an authorization server becomes structs.
 *
 * Strict where it matters (what becomes part of a login, or is shown to a person), lenient in what servers are known to do
 * (numbers as strings, verification_url). What makes no sense is the server's fault and temporary: the refresh token
 * at hand is not given up for it.
 */
#include "auth/oauth_answer.h"

#include <jansson.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/num.h"
#include "lib/wire/token.h"

#define SAID_MAX 200 /* octets of a server's explanation */
#define CODE_MAX 2048

// clang-format off
static const struct {
	const char *code;
	enum oauth_result result;
} errors[] = {
	{ "authorization_pending",  OAUTH_PENDING },
	{ "slow_down",              OAUTH_SLOW_DOWN },
	{ "access_denied",          OAUTH_DENIED },
	{ "authorization_declined", OAUTH_DENIED }, /* Microsoft's word for it */
	{ "expired_token",          OAUTH_EXPIRED },
	{ "invalid_grant",          OAUTH_GRANT },
	{ "interaction_required",   OAUTH_GRANT },  /* Microsoft: consent, or a second factor, is asked for anew */
	{ "invalid_client",         OAUTH_CLIENT },
	{ "unauthorized_client",    OAUTH_CLIENT },
	{ "invalid_request",        OAUTH_REQUEST },
	{ "invalid_scope",          OAUTH_REQUEST },
	{ "unsupported_grant_type", OAUTH_REQUEST },
};
// clang-format on

/* What a stranger wrote, in one printable line. */
static void
add_said(struct buf *why, const char *said)
{
	size_t n = strnlen(said, SAID_MAX);

	for (size_t i = 0; i < n; i++)
		buf_addc(why, ascii_print((unsigned char)said[i]) ? said[i] : ' ');
}

static enum oauth_result
nonsense(struct buf *why, const char *what)
{
	buf_adds(why, "the server's answer makes no sense: ");
	add_said(why, what); /* the parser quotes the answer */
	return OAUTH_LATER;
}

static enum oauth_result
read_error(int status, const json_t *o, struct buf *why)
{
	const char *code = json_string_value(json_object_get(o, "error"));
	const char *text = json_string_value(json_object_get(o, "error_description"));

	if (code == NULL || *code == '\0') {
		buf_addf(why, "the server answers with status %d", status);
		return OAUTH_LATER;
	}
	add_said(why, code);
	if (text != NULL && *text != '\0') {
		buf_adds(why, ": ");
		add_said(why, text);
	}
	if (status >= 500 || status == 429)
		return OAUTH_LATER;
	for (size_t i = 0; i < COUNT(errors); i++)
		if (strcmp(code, errors[i].code) == 0)
			return errors[i].result;
	return OAUTH_LATER;
}

/* An object that is no error; else *result. */
static json_t *
read_object(int status, struct span body, enum oauth_result *result, struct buf *why)
{
	json_error_t error;
	json_t *o = json_loadb(body.s, body.len, JSON_REJECT_DUPLICATES, &error);

	if (o != NULL && json_is_object(o) && status == 200 && json_object_get(o, "error") == NULL)
		return o;
	if (o == NULL || !json_is_object(o)) {
		*result = OAUTH_LATER;
		if (status == 200)
			*result = nonsense(why, o == NULL ? error.text : "it is no object");
		else
			buf_addf(why, "the server answers with status %d", status);
	} else {
		*result = read_error(status, o, why);
	}
	json_decref(o);
	return NULL;
}

/* Visible ASCII, up to max octets (RFC 6749, appendix A). NULL is fine when it need not be there. */
static bool
read_text(const json_t *o, const char *name, size_t max, bool needed, struct arena *arena, const char **out,
    struct buf *why)
{
	const json_t *v = json_object_get(o, name);
	const char *s = json_string_value(v);
	size_t n = json_string_length(v);

	*out = NULL;
	if ((v == NULL || json_is_null(v)) && !needed)
		return true;
	if (s == NULL || n == 0 || n > max) {
		buf_addf(why, "the server's answer makes no sense: %s is %s", name,
		    v == NULL ? "missing" : s == NULL ? "no text" : n == 0 ? "empty" : "too long");
		return false;
	}
	for (size_t i = 0; i < n; i++)
		if (!ascii_print((unsigned char)s[i])) {
			buf_addf(why, "the server's answer makes no sense: %s has strange characters", name);
			return false;
		}
	*out = arena_dupn(arena, s, n);
	return true;
}

/* Seconds; 0 when it is not there. Some servers write numbers as text. */
static bool
read_seconds(const json_t *o, const char *name, int64_t *out, struct buf *why)
{
	const json_t *v = json_object_get(o, name);
	const char *s = json_string_value(v);
	uint64_t n = 0;
	double d = json_number_value(v);

	*out = 0;
	if (v == NULL || json_is_null(v))
		return true;
	if (json_is_number(v) && d >= 0)
		*out = d < (double)OAUTH_EXPIRES_MAX_S ? (int64_t)d : OAUTH_EXPIRES_MAX_S;
	else if (s != NULL && num_parse(span_of(s), OAUTH_EXPIRES_MAX_S, &n) == 0)
		*out = (int64_t)n;
	else {
		buf_addf(why, "the server's answer makes no sense: %s is no number", name);
		return false;
	}
	return true;
}

enum oauth_result
oauth_read_tokens(int status, struct span body, struct arena *arena, struct oauth_tokens *out, struct buf *why)
{
	enum oauth_result result = OAUTH_LATER;
	json_t *o = read_object(status, body, &result, why);
	const char *type;

	*out = (struct oauth_tokens){ 0 };
	if (o == NULL)
		return result;
	if (read_text(o, "access_token", LIMIT_TOKEN, true, arena, &out->access, why) &&
	    read_text(o, "refresh_token", LIMIT_TOKEN, false, arena, &out->refresh, why) &&
	    read_text(o, "scope", CODE_MAX, false, arena, &out->scope, why) &&
	    read_text(o, "token_type", 64, false, arena, &type, why) &&
	    read_seconds(o, "expires_in", &out->expires_s, why) &&
	    read_seconds(o, "refresh_token_expires_in", &out->refresh_expires_s, why)) {
		result = OAUTH_FINE;
		if (type != NULL && strcasecmp(type, "bearer") != 0)
			result = nonsense(why, "token_type is not Bearer");
	}
	json_decref(o);
	return result;
}

enum oauth_result
oauth_read_device(int status, struct span body, struct arena *arena, struct oauth_device *out, struct buf *why)
{
	enum oauth_result result = OAUTH_LATER;
	json_t *o = read_object(status, body, &result, why);
	const char *url;

	*out = (struct oauth_device){ 0 };
	if (o == NULL)
		return result;
	/* verification_url: what Google and others said before there was RFC 8628 */
	url = json_object_get(o, "verification_uri") == NULL ? "verification_url" : "verification_uri";
	if (read_text(o, "device_code", LIMIT_TOKEN, true, arena, &out->code, why) &&
	    read_text(o, "user_code", 256, true, arena, &out->user_code, why) &&
	    read_text(o, url, CODE_MAX, true, arena, &out->url, why) &&
	    read_text(o, "verification_uri_complete", CODE_MAX, false, arena, &out->complete, why) &&
	    read_seconds(o, "expires_in", &out->expires_s, why) && read_seconds(o, "interval", &out->interval_s, why))
		result = OAUTH_FINE;
	json_decref(o);
	return result;
}
