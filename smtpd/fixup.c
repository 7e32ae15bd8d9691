/*
 * fixup: Date, Message-ID and From, where a program of our people left them out (RFC 6409, 8).
 *
 * Looks at the first octets of lines until the header is over. Changes nothing that is there.
 */
#include "smtpd/fixup.h"

#include <string.h>

#include "lib/base/ascii.h"
#include "lib/mail/date.h"

void
fixup_init(struct fixup *f)
{
	memset(f, 0, sizeof(*f));
	f->wanted = true;
}

static void
begin_line(struct fixup *f)
{
	f->state = FIXUP_NAME;
	f->len = 0;
	f->any = true;
}

static void
end_name(struct fixup *f)
{
	struct span name = { f->name, f->len };

	f->date |= span_is(name, "date");
	f->id |= span_is(name, "message-id");
	f->from |= span_is(name, "from");
}

/* The line in whose name c stands is no field: what comes with it is the text, if it is the first. */
static enum fixup_place
no_field(struct fixup *f, bool first, char c)
{
	if (first && !(f->state == FIXUP_BLANKS && span_is((struct span){ f->name, f->len }, "from"))) { /* of an mbox */
		f->wanted = false;
		return FIXUP_ABOVE;
	}
	f->state = FIXUP_REST;
	if (c == '\n')
		begin_line(f);
	return FIXUP_LATER;
}

/* An octet in front of the colon. */
static enum fixup_place
take(struct fixup *f, bool first, char c)
{
	if (c == ':' && f->len > 0) {
		end_name(f);
		f->state = FIXUP_REST;
	} else if (c == '\n')
		return no_field(f, first, c);
	else if (ascii_space((unsigned char)c) && f->len > 0)
		f->state = FIXUP_BLANKS; /* RFC 5322, 4.5 has them there */
	else if (ascii_space((unsigned char)c)) /* the line above goes on */
		return no_field(f, first, c);
	else if (c < '!' || c > '~' || c == ':' || f->state == FIXUP_BLANKS)
		return no_field(f, first, c);
	else if (f->len < sizeof(f->name)) /* a longer one is none of ours, whatever it begins with */
		f->name[f->len++] = (char)ascii_lower((unsigned char)c);
	return FIXUP_LATER;
}

enum fixup_place
fixup_scan(struct fixup *f, const char *s, size_t n, size_t *used)
{
	enum fixup_place place = FIXUP_LATER;
	size_t i;

	for (i = 0; i < n && place == FIXUP_LATER; i++) {
		if (f->state == FIXUP_REST) {
			if (s[i] == '\n')
				begin_line(f);
		} else if (s[i] == '\n' && f->len == 0) {
			f->wanted = false;
			place = FIXUP_HERE;
			break;
		} else
			place = take(f, !f->any, s[i]);
	}
	*used = i;
	return place;
}

void
fixup_add(const struct fixup *f, const struct fixup_facts *facts, struct buf *out)
{
	if (!f->date) {
		buf_adds(out, "Date: ");
		date_add(out, facts->now);
		buf_addc(out, '\n');
	}
	if (!f->from && facts->from[0] != '\0')
		buf_addf(out, "From: <%s>\n", facts->from);
	if (!f->id)
		buf_addf(out, "Message-ID: <%s@%s>\n", facts->id, facts->host);
}
