/*
 * told: the words of XCLIENT.
 *
 * Grammar and values; what becomes of them is for those who serve the client.
 */
#include "lib/net/told.h"

#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/num.h"

/* xtext (RFC 3461, 4). Control characters are nobody's name. */
static bool
decode(struct span in, char out[TOLD_VALUE + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.s[i];

		if (c == '+') {
			int high = i + 2 < in.len ? hex_value(in.s[i + 1]) : -1, low = i + 2 < in.len ? hex_value(in.s[i + 2]) : -1;

			if (high == -1 || low == -1)
				return false;
			c = (unsigned char)(high << 4 | low);
			i += 2;
		}
		if (n == TOLD_VALUE || c < 0x20 || c == 0x7f)
			return false;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return n > 0;
}

/* "[UNAVAILABLE]" and "[TEMPUNAVAIL]": the filter does not know. */
static bool
unknown(const char *value)
{
	return strcmp(value, "[UNAVAILABLE]") == 0 || strcmp(value, "[TEMPUNAVAIL]") == 0;
}

static bool
take_address(const char *value, struct ip *out, bool *has)
{
	struct span text = span_of(value);

	if (text.len > 5 && ascii_caseeq(text.s, "IPV6:", 5))
		text = (struct span){ text.s + 5, text.len - 5 };
	*has = ip_parse(text, out) == 0;
	return *has;
}

static bool
take_proto(struct told *t, const char *value)
{
	t->esmtp = strcmp(value, "ESMTP") == 0;
	t->has_proto = t->esmtp || strcmp(value, "SMTP") == 0;
	return t->has_proto;
}

static bool
take_one(struct told *t, struct span name, const char *value)
{
	if (span_case_is(name, "NAME"))
		return strlcpy(t->name, value, sizeof(t->name)) > 0;
	if (span_case_is(name, "HELO"))
		return strlcpy(t->helo, value, sizeof(t->helo)) > 0;
	if (span_case_is(name, "LOGIN"))
		return strlcpy(t->login, value, sizeof(t->login)) > 0;
	if (span_case_is(name, "ADDR"))
		return take_address(value, &t->addr, &t->has_addr);
	if (span_case_is(name, "DESTADDR"))
		return take_address(value, &t->destaddr, &t->has_destaddr);
	if (span_case_is(name, "PORT"))
		return num_parse(span_of(value), 65535, &t->port) == 0;
	if (span_case_is(name, "DESTPORT"))
		return num_parse(span_of(value), 65535, &t->destport) == 0;
	if (span_case_is(name, "PROTO"))
		return take_proto(t, value);
	return true; /* SESSION and the like */
}

static bool
is_name(struct span name)
{
	static const char *const names[] = { "NAME", "HELO", "LOGIN", "ADDR", "DESTADDR", "PORT", "DESTPORT", "PROTO", "SESSION", "TTL",
		"FORWARD" };

	for (size_t i = 0; i < COUNT(names); i++)
		if (span_case_is(name, names[i]))
			return true;
	return false;
}

bool
told_parse(struct span arg, struct told *t)
{
	char value[TOLD_VALUE + 1];

	memset(t, 0, sizeof(*t));
	arg = span_trim(arg);
	if (arg.len == 0)
		return false;
	while (arg.s != NULL) {
		struct span rest = span_cut(&arg, ' '), name;

		if (rest.len == 0)
			continue;
		name = span_cut(&rest, '=');
		if (rest.s == NULL || !is_name(name) || !decode(rest, value))
			return false;
		if (!unknown(value) && !take_one(t, name, value))
			return false;
	}
	return true;
}
