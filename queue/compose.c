/*
 * compose: the header that sendmail makes of the one it was given.
 *
 * A program's header may be incomplete (RFC 6409, 8): what a message needs is added, bare
 * names get their domain, what must not travel is taken out. All else stays, octet for octet.
 */
#include "queue/compose.h"

#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "lib/mail/addresses.h"
#include "lib/mail/date.h"
#include "lib/mail/header.h"

enum { ADDRESSES = 1, RECIPIENT = 2, RESENT = 4, HIDDEN = 8 };

// clang-format off
static const struct {
	const char *name;
	unsigned is;
} known[] = {
	{ "From",        ADDRESSES },
	{ "Sender",      ADDRESSES },
	{ "Reply-To",    ADDRESSES },
	{ "To",          ADDRESSES | RECIPIENT },
	{ "Cc",          ADDRESSES | RECIPIENT },
	{ "Bcc",         ADDRESSES | RECIPIENT | HIDDEN },
	{ "Resent-From", ADDRESSES },
	{ "Resent-Sender", ADDRESSES },
	{ "Resent-To",   ADDRESSES | RECIPIENT | RESENT },
	{ "Resent-Cc",   ADDRESSES | RECIPIENT | RESENT },
	{ "Resent-Bcc",  ADDRESSES | RECIPIENT | RESENT | HIDDEN },
};
// clang-format on

static unsigned
kind_of(const struct field *f)
{
	for (size_t i = 0; i < COUNT(known); i++)
		if (span_case_is(f->name, known[i].name))
			return known[i].is;
	return 0;
}

/* The header's octets: up to an empty line, or to a line that is no field and begins the
 * body of a message without header. Behind it stands the rest. */
static bool
split(struct compose *c, struct span text)
{
	struct span rest = text;
	struct field f;
	size_t n = 0;

	if (rest.len >= 5 && memcmp(rest.s, "From ", 5) == 0 && header_next(&rest, &f))
		text = rest; /* a mailbox's separator: programs pass it along */
	while (header_next(&rest, &f) && f.name.len > 0)
		n += f.raw.len;
	c->header = (struct span){ text.s, n };
	c->body = (struct span){ text.s + n, text.len - n };
	if (c->body.len > 0 && c->body.s[0] == '\n')
		c->body = (struct span){ c->body.s + 1, c->body.len - 1 };
	return n <= LIMIT_HEADER;
}

bool
compose_read(struct compose *c, struct span text)
{
	struct span rest;
	struct field f;

	if (!split(c, text))
		return false;
	rest = c->header;
	while (header_next(&rest, &f)) {
		c->resent = c->resent || (kind_of(&f) & RESENT) != 0;
		c->has_from = c->has_from || span_case_is(f.name, "From");
		c->has_date = c->has_date || span_case_is(f.name, "Date");
		c->has_message_id = c->has_message_id ||
		    span_case_is(f.name, "Message-ID");
		c->received += span_case_is(f.name, "Received");
	}
	return true;
}

int
compose_recipients(const struct compose *c, struct arena *mem,
    int (*fn)(void *arg, struct span address), void *arg, struct buf *why)
{
	unsigned want = c->resent ? RECIPIENT | RESENT : RECIPIENT;
	struct span rest = c->header;
	struct addresses list;
	struct field f;

	while (header_next(&rest, &f)) {
		if ((kind_of(&f) & (RECIPIENT | RESENT)) != want)
			continue;
		if (addresses_parse(f.value, mem, &list, why) == -1) {
			buf_adds(why, " (in the field ");
			buf_addspan(why, f.name);
			buf_addc(why, ')');
			return -1;
		}
		for (size_t i = 0; i < list.n; i++)
			if (fn(arg, list.a[i].text) == -1)
				return -1;
	}
	return 0;
}

/* --- writing ----------------------------------------------------------------- */

static void
write_field(const struct compose *c, struct arena *mem, const struct field *f,
    struct buf *out)
{
	struct buf why = BUF_INIT(256);
	struct addresses list;
	unsigned is = kind_of(f);

	if ((c->extract && (is & HIDDEN) != 0) || span_case_is(f->name, "Return-Path"))
		return; /* the second is ours to write, when a mailbox is reached */
	if ((is & ADDRESSES) != 0 && c->domain.len > 0 &&
	    addresses_parse(f->value, mem, &list, &why) == 0) {
		buf_add(out, f->raw.s, (size_t)(f->value.s - f->raw.s));
		addresses_complete(f->value, &list, c->domain, out);
		buf_addc(out, '\n');
	} else {
		buf_addspan(out, f->raw);
	}
	buf_free(&why);
}

/* May the name stand in From as it is: atoms and blanks (RFC 5322, 3.2.5)? */
static bool
is_plain(const char *name)
{
	for (; *name != '\0'; name++)
		if (!ascii_alnum((unsigned char)*name) &&
		    strchr(" !#$%&'*+-/=?^_`{|}~", *name) == NULL)
			return false;
	return true;
}

static bool
is_ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if (!ascii_print((unsigned char)*s))
			return false;
	return true;
}

/* RFC 2047: 45 octets become the 60 that fit an encoded word of at most 75. */
static void
add_encoded(struct buf *out, struct span name)
{
	size_t n, part;

	while (name.len > 0) {
		for (n = 0; n < name.len; n += part) {
			part = utf8_char(name.s + n, name.len - n, NULL);
			if (n + part > 45)
				break;
		}
		buf_adds(out, "=?UTF-8?B?");
		base64_add(out, name.s, n);
		buf_adds(out, n < name.len ? "?=\n " : "?=");
		name = (struct span){ name.s + n, name.len - n };
	}
}

static void
add_name(struct buf *out, const char *name)
{
	if (is_plain(name)) {
		buf_adds(out, name);
	} else if (is_ascii(name)) {
		buf_addc(out, '"');
		for (; *name != '\0'; name++) {
			if (*name == '"' || *name == '\\')
				buf_addc(out, '\\');
			buf_addc(out, *name);
		}
		buf_addc(out, '"');
	} else if (utf8_valid(name, strlen(name))) {
		add_encoded(out, span_of(name));
	}
}

static void
add_missing(const struct compose *c, const struct compose_added *a, struct buf *out)
{
	if (!c->has_date) {
		buf_adds(out, "Date: ");
		date_add(out, a->now);
		buf_addc(out, '\n');
	}
	if (!c->has_from) {
		buf_adds(out, "From: ");
		add_name(out, a->name);
		buf_addf(out, a->name[0] != '\0' ? " <%s>\n" : "%s\n", a->address);
	}
	if (!c->has_message_id)
		buf_addf(out, "Message-ID: <%s@%s>\n", a->id, a->host);
}

void
compose_write(const struct compose *c, struct arena *mem,
    const struct compose_added *added, struct buf *out)
{
	struct span rest = c->header;
	struct field f;

	while (header_next(&rest, &f))
		write_field(c, mem, &f, out);
	add_missing(c, added, out);
	buf_addc(out, '\n');
}
