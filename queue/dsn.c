/*
 * dsn: the message that tells a sender what became of his.
 *
 * Text in, text out. What a remote server said, and what stands in the header of the returned message, is hostile:
 * it is put on lines of bounded length from which nothing can break out.
 */
#include "queue/dsn.h"

#include <string.h>

#include "lib/base/ascii.h"
#include "lib/mail/date.h"
#include "lib/mail/header.h"

#define LINE 76          /* where text is folded */
#define MESSAGE_ID_MAX 250

/* --- pieces -------------------------------------------------------------- */

static void
boundary(const struct dsn *d, struct buf *out)
{
	buf_addf(out, "=_%s_%016llx", d->id, (unsigned long long)d->mark);
}

static bool
is_utf8(const struct dsn *d)
{
	return d->env->smtputf8;
}

static bool
has_8bit(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s > 0x7f)
			return true;
	return false;
}

/* One word: no control octets; without SMTPUTF8 nothing above 0x7f. A word without end is cut into pieces. */
static size_t
add_word(struct buf *out, struct span word, bool utf8)
{
	utf8 = utf8 && utf8_valid(word.s, word.len);
	for (size_t i = 0; i < word.len; i++) {
		unsigned char c = (unsigned char)word.s[i];

		buf_addc(out, c < 0x20 || c == 0x7f || (c > 0x7f && !utf8) ? '?' : (char)c);
	}
	return word.len;
}

/* Text folded at blanks; at is the column, indent stands before each further line. */
static void
add_folded(struct buf *out, size_t at, const char *indent, const char *text, bool utf8)
{
	struct span rest = span_of(text);
	bool first = true;

	while (rest.s != NULL) {
		struct span word = span_cut(&rest, ' ');

		if (word.len == 0)
			continue;
		if (word.len > 500)
			word.len = 500;
		if (!first && at + 1 + word.len > LINE) {
			buf_addf(out, "\n%s", indent);
			at = strlen(indent);
		} else if (!first) {
			buf_addc(out, ' ');
			at++;
		}
		at += add_word(out, word, utf8);
		first = false;
	}
	buf_addc(out, '\n');
}

static void
add_field(struct buf *out, const char *name, const char *value, bool utf8)
{
	buf_addf(out, "%s: ", name);
	add_folded(out, strlen(name) + 2, "    ", value, utf8);
}

static void
add_date(struct buf *out, const char *name, time_t when)
{
	buf_addf(out, "%s: ", name);
	date_add(out, when);
	buf_addc(out, '\n');
}

/* "550 5.1.1 host mx.example said: No such user", taken apart. */
struct said {
	char status[16];
	struct span host;   /* empty: our own words */
	char reply[1200];   /* code, enhanced code and text, without the host */
	const char *text;
};

static void
take_apart(const char *last, struct said *s)
{
	struct span rest = span_of(last), word, tail;
	size_t head;

	memset(s, 0, sizeof *s);
	(void)span_cut(&rest, ' '); /* the code */
	tail = rest;
	word = tail.s == NULL ? SPAN("") : span_cut(&tail, ' ');
	if (word.len >= 5 && word.len < sizeof s->status && word.s[1] == '.' && ascii_digit(word.s[0])) {
		memcpy(s->status, word.s, word.len);
		rest = tail;
	}
	head = rest.s == NULL ? strlen(last) : (size_t)(rest.s - last);
	if (head >= sizeof s->reply)
		head = 0;
	memcpy(s->reply, last, head);
	if (rest.s != NULL && rest.len > 5 && strncmp(rest.s, "host ", 5) == 0) {
		const char *said = strstr(rest.s, " said: ");

		if (said != NULL && (size_t)(said - rest.s) <= 5 + LIMIT_DOMAIN + 64) {
			s->host = (struct span){ rest.s + 5, (size_t)(said - rest.s) - 5 };
			rest.s = said + 7;
		}
	}
	s->text = rest.s == NULL ? "" : rest.s;
	strlcat(s->reply, s->text, sizeof s->reply);
}

/* --- the parts ----------------------------------------------------------- */

static void
add_original_id(const struct dsn *d, struct buf *out)
{
	struct span rest = d->header;
	struct field f;

	while (header_next(&rest, &f)) {
		struct buf id = BUF_INIT(MESSAGE_ID_MAX);
		bool good;

		if (!span_case_is(f.name, "message-id"))
			continue;
		header_unfold(f.value, &id);
		good = !buf_over(&id) && id.len > 2 && id.s[0] == '<' && id.s[id.len - 1] == '>';
		for (size_t i = 0; good && i < id.len; i++)
			good = ascii_print(id.s[i]) && id.s[i] != ' ';
		if (good)
			buf_addf(out, "In-Reply-To: %s\nReferences: %s\n", id.s, id.s);
		buf_free(&id);
		return;
	}
}

/* The message asked that no policy keep it from going in the clear: so may what is told of it (RFC 8689, 6). */
static bool
needs_no_tls(const struct dsn *d)
{
	struct buf value = BUF_INIT(100);
	struct span rest = d->header;
	struct field f;
	bool found = false;

	while (!found && !d->env->requiretls && header_next(&rest, &f)) {
		if (!span_case_is(f.name, "TLS-Required"))
			continue;
		buf_reset(&value);
		header_unfold(f.value, &value);
		found = span_case_is(buf_span(&value), "No");
	}
	buf_free(&value);
	return found;
}

/* What senders are told, the worst first. */
static const struct topic {
	unsigned news; /* bits */
	const char *subject, *before, *after; /* of the text; "the recipient" stands between */
} topics[] = {
	{ 1u << NEWS_FAILED | 1u << NEWS_EXPIRED, "Your message could not be delivered",
	    "Your message could not be delivered to ",
	    ".\nNothing more will be tried there; it is up to you to send it again, when\n"
	    "the cause given here is mended.\n" },
	{ 1u << NEWS_DELAYED, "Your message has not been delivered yet",
	    "Your message could not be delivered yet to ",
	    ".\nThis is only a warning: it is tried on, and you need not send it again.\n" },
	{ 1u << NEWS_RELAYED, "Your message was handed on",
	    "Your message was handed on to the next server for ",
	    ".\nThat server does not tell of delivery: you will hear no more, unless it fails.\n" },
	{ 1u << NEWS_DELIVERED, "Your message was delivered", "Your message was delivered to ", ".\n" },
};

static size_t
count_of(const struct dsn *d, const struct topic *topic)
{
	size_t n = 0;

	for (size_t i = 0; i < d->rcpt_count; i++)
		n += (topic->news & 1u << d->rcpts[i].news) != 0;
	return n;
}

/* Of the worst that is told. */
static const char *
subject(const struct dsn *d)
{
	for (size_t i = 0; i < COUNT(topics); i++)
		if (count_of(d, &topics[i]) > 0)
			return topics[i].subject;
	return "About your message";
}

static void
add_header(const struct dsn *d, struct buf *out)
{
	add_date(out, "Date", d->now);
	buf_addf(out, "From: Mail Delivery System <MAILER-DAEMON@%s>\n", d->hostname);
	buf_addf(out, "To: <%s>\n", d->env->sender);
	buf_addf(out, "Subject: %s\n", subject(d));
	buf_addf(out, "Message-ID: <%s@%s>\n", d->id, d->hostname);
	add_original_id(d, out);
	if (needs_no_tls(d))
		buf_adds(out, "TLS-Required: No\n");
	buf_adds(out, "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
	              "Content-Type: multipart/report; report-type=delivery-status;\n"
	              "    boundary=\"");
	boundary(d, out);
	buf_adds(out, "\"\n");
	if (d->body_8bit || is_utf8(d))
		buf_adds(out, "Content-Transfer-Encoding: 8bit\n");
	buf_adds(out, "\nThis is a delivery status notification in MIME format (RFC 3464).\n");
}

static void
part(const struct dsn *d, struct buf *out, const char *type, const char *description, bool eight)
{
	buf_adds(out, "\n--");
	boundary(d, out);
	buf_addf(out, "\nContent-Type: %s\nContent-Description: %s\n", type, description);
	if (eight)
		buf_adds(out, "Content-Transfer-Encoding: 8bit\n");
	buf_addc(out, '\n');
}

static void
explain(const struct dsn *d, const struct dsn_rcpt *r, struct buf *out)
{
	struct said s;

	take_apart(r->rcpt->last, &s);
	buf_adds(out, "\n<");
	add_word(out, span_of(r->rcpt->address), is_utf8(d));
	buf_adds(out, ">:\n");
	if (r->news == NEWS_DELIVERED)
		return;
	if (r->news == NEWS_EXPIRED)
		buf_addf(out, "    It could not be delivered for too long, and is given up%s.\n",
		    s.text[0] == '\0' ? "" : "; the last answer was");
	if (s.host.len > 0) {
		buf_adds(out, "    The server ");
		add_word(out, s.host, is_utf8(d));
		buf_adds(out, " said:\n");
	}
	if (s.reply[0] != '\0') {
		buf_adds(out, "    ");
		add_folded(out, 4, "    ", s.reply, is_utf8(d));
	}
}

static void
add_topic(const struct dsn *d, const struct topic *topic, struct buf *out)
{
	size_t n = count_of(d, topic);

	if (n == 0)
		return;
	buf_addf(out, "\n%s%s below%s", topic->before, n == 1 ? "the recipient" : "the recipients", topic->after);
	if ((topic->news & 1u << NEWS_DELAYED) != 0) {
		buf_adds(out, "It is given up at ");
		date_add(out, d->retry_until);
		buf_adds(out, "; then you are told.\n");
	}
	for (size_t i = 0; i < d->rcpt_count; i++)
		if ((topic->news & 1u << d->rcpts[i].news) != 0)
			explain(d, &d->rcpts[i], out);
}

static void
add_text(const struct dsn *d, struct buf *out)
{
	part(d, out, is_utf8(d) ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii",
	    "What happened", is_utf8(d));
	buf_addf(out, "This is the mail system at %s.\n", d->hostname);
	for (size_t i = 0; i < COUNT(topics); i++)
		add_topic(d, &topics[i], out);
	buf_addf(out, "\n%s of your message is attached. For help, write to postmaster and\ninclude this message.\n",
	    d->whole ? "A copy" : "The header");
}

/* "rfc822;ann@example.org" as it was given, or our address in that form (RFC 3464, 2.3.2; RFC 6533, 3). */
static void
add_address(const struct dsn *d, struct buf *out, const char *name, const char *typed, const char *address)
{
	struct buf value = BUF_INIT(2048);

	if (typed != NULL)
		buf_adds(&value, typed);
	else
		buf_addf(&value, "%s; %s", is_utf8(d) && has_8bit(address) ? "utf-8" : "rfc822", address);
	add_field(out, name, buf_str(&value), is_utf8(d));
	buf_free(&value);
}

/* Action, and a status of its class (RFC 3463); age is X.4.7. */
static void
add_status(struct buf *out, const struct dsn_rcpt *r, const struct said *s)
{
	static const struct {
		const char *action, *status; /* status: unless what was said last has one of this class */
	} known[] = {
		[NEWS_FAILED] = { "failed", "5.0.0" },
		[NEWS_EXPIRED] = { "failed", "5.4.7" },
		[NEWS_DELIVERED] = { "delivered", "2.0.0" },
		[NEWS_RELAYED] = { "relayed", "2.0.0" },
		[NEWS_DELAYED] = { "delayed", "4.0.0" },
	};
	const char *status = known[r->news].status;

	if (r->news != NEWS_EXPIRED && s->status[0] == status[0])
		status = s->status;
	buf_addf(out, "Action: %s\nStatus: %s\n", known[r->news].action, status);
}

static void
add_rcpt(const struct dsn *d, const struct dsn_rcpt *r, struct buf *out)
{
	struct said s;

	take_apart(r->rcpt->last, &s);
	buf_addc(out, '\n');
	if (r->rcpt->orcpt[0] != '\0')
		add_address(d, out, "Original-Recipient", r->rcpt->orcpt, NULL);
	add_address(d, out, "Final-Recipient", NULL, r->rcpt->address);
	add_status(out, r, &s);
	if (s.host.len > 0) {
		struct buf host = BUF_INIT(512), code = BUF_INIT(2048);

		buf_adds(&host, "dns; ");
		buf_addspan(&host, s.host);
		add_field(out, "Remote-MTA", buf_str(&host), is_utf8(d));
		buf_addf(&code, "smtp; %s", s.reply);
		add_field(out, "Diagnostic-Code", buf_str(&code), is_utf8(d));
		buf_free(&host);
		buf_free(&code);
	} else if (s.reply[0] != '\0' && r->news != NEWS_DELIVERED) {
		struct buf code = BUF_INIT(2048);

		buf_addf(&code, "X-Posthouse; %s", s.reply);
		add_field(out, "Diagnostic-Code", buf_str(&code), is_utf8(d));
		buf_free(&code);
	}
	add_date(out, "Last-Attempt-Date", d->now);
	if (r->news == NEWS_DELAYED)
		add_date(out, "Will-Retry-Until", d->retry_until);
}

static void
add_statuses(const struct dsn *d, struct buf *out)
{
	part(d, out, is_utf8(d) ? "message/global-delivery-status" : "message/delivery-status",
	    "Delivery report", is_utf8(d));
	buf_addf(out, "Reporting-MTA: dns; %s\n", d->hostname);
	if (d->env->envid[0] != '\0')
		add_field(out, "Original-Envelope-Id", d->env->envid, is_utf8(d));
	add_date(out, "Arrival-Date", d->env->arrived_s);
	for (size_t i = 0; i < d->rcpt_count; i++)
		add_rcpt(d, &d->rcpts[i], out);
}

void
dsn_begin(const struct dsn *d, struct buf *out)
{
	bool eight = d->body_8bit || is_utf8(d);

	add_header(d, out);
	add_text(d, out);
	add_statuses(d, out);
	if (d->whole)
		part(d, out, is_utf8(d) ? "message/global" : "message/rfc822", "Your message", eight);
	else
		part(d, out, is_utf8(d) ? "message/global-headers" : "text/rfc822-headers",
		    "The header of your message", eight);
}

void
dsn_end(const struct dsn *d, struct buf *out)
{
	buf_adds(out, "\n--");
	boundary(d, out);
	buf_adds(out, "--\n");
}
