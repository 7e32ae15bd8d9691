/*
 * trace: the fields that stand above a received message (RFC 5321, 4.4).
 *
 * Formats only. The HELO name is the one foreign text here that no parser has
 * seen: what is not of a host name or address literal becomes %XX.
 */
#include "smtpd/trace.h"

#include <string.h>

#include "lib/base/ascii.h"
#include "lib/mail/date.h"
#include "lib/mail/head.h"

void
trace_head(const struct trace *t, struct buf *out)
{
	head_add(out, t->sender, t->mailbox, t->original);
}

static void
add_helo(struct buf *out, const char *helo)
{
	for (const char *p = helo; *p != '\0'; p++) {
		if (ascii_alnum((unsigned char)*p) || strchr(".-_[]:", *p) != NULL)
			buf_addc(out, *p);
		else
			buf_addf(out, "%%%02X", (unsigned)(unsigned char)*p);
	}
}

/* A verified name is of printable ASCII; in a comment (RFC 5322, 3.2.1) three of these want care. */
static void
add_facts(struct buf *out, const struct secure_facts *f)
{
	buf_addf(out, " (%s %s", f->version, f->cipher);
	if (f->name[0] != '\0') {
		buf_adds(out, ",\n\tclient certificate ");
		for (const char *p = f->name; *p != '\0'; p++)
			buf_addf(out, strchr("()\\", *p) != NULL ? "\\%c" : "%c", *p);
		buf_adds(out, " verified");
	}
	buf_addc(out, ')');
}

void
trace_received(const struct trace *t, struct buf *out)
{
	buf_adds(out, "Received: ");
	if (t->peer != NULL) {
		buf_adds(out, "from ");
		add_helo(out, t->helo);
		buf_adds(out, " (");
		ip_add_literal(out, t->peer);
		buf_adds(out, ")\n\t");
	}
	buf_adds(out, "by ");
	buf_adds(out, t->host);
	buf_adds(out, " with ");
	buf_adds(out, t->with);
	if (t->facts != NULL)
		add_facts(out, t->facts);
	buf_adds(out, " id ");
	buf_adds(out, t->id);
	if (t->original != NULL) {
		buf_adds(out, "\n\tfor <");
		buf_adds(out, t->original);
		buf_addc(out, '>');
	}
	buf_adds(out, "; ");
	date_add(out, t->now);
	buf_addc(out, '\n');
}
