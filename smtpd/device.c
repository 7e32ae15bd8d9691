/*
 * device: what is forgiven to old printers, scanners, alarms and programs which the map access names, and to nobody else.
 *
 * Knows their customs: HELO without a name or none at all, addresses without brackets, a sender that is no address, a
 * name in plain text behind AUTH LOGIN. That their lines may end by LF alone, body.c and session.c know. What comes out
 * of here is what a proper client would have said.
 */
#include <string.h>

#include "lib/base/ascii.h"
#include "smtpd/session.h"

bool
is_device(const struct session *s)
{
	return s->access.device.name != NULL;
}

void
device_begin(struct session *s)
{
	s->d->io.hear_out = true; /* some close behind the dot */
	if (s->state != START)
		return;
	strlcpy(s->helo, s->client, sizeof(s->helo));
	s->state = READY;
}

/* --- addresses --------------------------------------------------------------- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* "FROM: scanner@firm.example SIZE=4711": the address without brackets. */
static ssize_t
without_brackets(struct span arg, struct path *out)
{
	size_t at = 0, end;

	while (at < arg.len && arg.s[at] != ':')
		at++;
	at += at < arg.len;
	while (at < arg.len && is_blank(arg.s[at]))
		at++;
	for (end = at; end < arg.len && !is_blank(arg.s[end]);)
		end++;
	return end > at && path_parse_address(arg.s + at, end - at, out) == 0 ? (ssize_t)end : -1;
}

/* Where parameters begin behind what is no address. */
static ssize_t
behind(struct span arg)
{
	const char *close = memchr(arg.s, '>', arg.len);

	return close == NULL ? (ssize_t)arg.len : close + 1 - arg.s;
}

ssize_t
device_sender(struct session *s, struct span arg, ssize_t n, struct path *out)
{
	const struct device *d = &s->access.device;
	const char *instead = d->from;
	ssize_t used = n == -1 ? without_brackets(arg, out) : n;

	if (used == -1 || out->domain.len == 0)
		instead = d->from != NULL ? d->from : d->default_from;
	if (instead == NULL)
		return used != -1 && out->local.len > 0 && out->domain.len == 0 ? -1 : used;
	if (path_parse_address(instead, strlen(instead), out) == -1)
		return -1;
	return used == -1 ? behind(arg) : used;
}

ssize_t
device_rcpt(struct session *s, struct span arg, ssize_t n, struct path *out)
{
	(void)s;
	return n == -1 ? without_brackets(arg, out) : n;
}

bool
device_may_have_another(struct session *s)
{
	uint64_t per_hour = s->access.device.per_hour;

	return per_hour == 0 || rate_take(s->d->rate, "device", s->client, per_hour, clock_mono_ms());
}

/* --- AUTH LOGIN -------------------------------------------------------------- */

/* What decodes to text was encoded. */
static bool
is_encoded(struct span said)
{
	char text[LIMIT_ADDRESS + LIMIT_PASSWORD + 3];
	bool good = false;
	ssize_t n;

	if (said.len == 0 || said.len / 4 * 3 > sizeof(text))
		return true;
	n = base64_decode(text, said.s, said.len);
	if (n > 0)
		good = utf8_valid(text, (size_t)n);
	for (ssize_t i = 0; good && i < n; i++)
		good = (unsigned char)text[i] >= ' ';
	explicit_bzero(text, sizeof(text));
	return good;
}

struct span
device_login(struct session *s, struct span said, bool name, struct buf *text)
{
	if (is_encoded(said) || span_is(said, "*") || span_is(said, "="))
		return said;
	s->plain_name |= name;
	base64_add(text, said.s, said.len);
	return buf_over(text) ? said : buf_span(text);
}
