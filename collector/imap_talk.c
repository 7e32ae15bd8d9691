/*
 * imap_talk: commands with their tags, and what the server says to them.
 *
 * Knows how a command is written, which replies there are and whom they concern. A server may say what it wants
 * when it wants, so everything that was not asked for is read, counted and, mostly, forgotten.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/imap_parts.h"
#include "lib/base/log.h"
#include "lib/base/num.h"

#define LITERAL_MINUS_MAX 4096 /* octets; RFC 7888, 5 */
#define UNASKED_MAX 1000000    /* replies */
#define ALERTS_MAX 5           /* logged in a session */

int
imap_failed(struct imap *m, const char *what)
{
	return fetch_failed(m->f, what, buf_span(&m->text));
}

/* --- commands ------------------------------------------------------------ */

static void
push(struct imap *m, int (*done)(struct imap *, const struct imap_command *, enum imap_end), size_t first,
    size_t last)
{
	if (m->pending_count == IMAP_PENDING)
		m->f->d.broken = true; /* whoever speaks asks before */
	else
		m->pending[m->pending_count++] = (struct imap_command){ m->tag, done, first, last };
}

void
imap_begin(struct imap *m, const char *fmt, ...)
{
	va_list ap;

	buf_wipe(&m->line);
	m->unsayable = false;
	buf_addf(&m->line, "%s%u ", m->prefix, ++m->tag);
	va_start(ap, fmt);
	buf_addv(&m->line, fmt, ap);
	va_end(ap);
}

void
imap_add(struct imap *m, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&m->line, fmt, ap);
	va_end(ap);
}

/* Quoted, or else as a literal, which the server may have to invite (RFC 9051, 4.3). */
void
imap_add_string(struct imap *m, struct span s)
{
	bool ahead = (m->can & IMAP_LITERAL_PLUS) != 0 ||
	    ((m->can & (IMAP_LITERAL_MINUS | IMAP_REV2)) != 0 && s.len <= LITERAL_MINUS_MAX);

	if (imap_name_quotable(s)) {
		imap_name_quote(&m->line, s);
		return;
	}
	for (size_t i = 0; i < s.len; i++)
		if (s.s[i] == '\r' || s.s[i] == '\n' || s.s[i] == '\0')
			m->unsayable = true;
	buf_addf(&m->line, "{%zu%s}\n", s.len, ahead ? "+" : "");
	buf_addspan(&m->line, s);
}

void
imap_add_folder(struct imap *m, const char *name)
{
	struct buf b = BUF_INIT(4096);

	if ((m->can & IMAP_REV1) == 0 || imap_name_add(&b, span_of(name)) == -1)
		buf_adds(&b, name);
	imap_add_string(m, buf_span(&b));
	buf_free(&b);
}

void
imap_say(struct imap *m, int (*done)(struct imap *, const struct imap_command *, enum imap_end), size_t first,
    size_t last, const char *fmt, ...)
{
	struct buf line = BUF_INIT(16384);
	va_list ap;

	m->tag++;
	va_start(ap, fmt);
	buf_addv(&line, fmt, ap);
	va_end(ap);
	dialogue_say(&m->f->d, false, "%s%u %s", m->prefix, m->tag, buf_str(&line));
	push(m, done, first, last);
	buf_free(&line);
}

void
imap_start(struct imap *m, const char *fmt, ...)
{
	va_list ap;

	imap_begin(m, "%s", "");
	va_start(ap, fmt);
	buf_addv(&m->line, fmt, ap);
	va_end(ap);
	dialogue_say(&m->f->d, true, "%s", buf_str(&m->line));
	buf_wipe(&m->line);
	m->answered = m->go_on = false;
	push(m, NULL, 0, 0);
}

int
imap_await(struct imap *m, bool go_on)
{
	while (!m->answered && !(go_on && m->go_on))
		if (imap_listen(m) == -1)
			return -1;
	return 0;
}

/* The lines of a command, up to each literal; a literal the server is not sure to read waits for its "+". */
static int
say_lines(struct imap *m, bool secret)
{
	struct span rest = buf_span(&m->line);

	while (rest.s != NULL) {
		struct span part = span_cut(&rest, '\n');
		bool wait = rest.s != NULL && !(part.len >= 2 && part.s[part.len - 2] == '+');

		dialogue_say(&m->f->d, secret, "%.*s", (int)part.len, part.s);
		m->go_on = false;
		if (wait && imap_await(m, true) == -1)
			return -1;
		if (m->answered) /* it does not want the literal */
			return 0;
	}
	return 0;
}

int
imap_run(struct imap *m, bool secret)
{
	int rv;

	if (m->unsayable || buf_over(&m->line))
		return fetch_failed(m->f, "cannot say this to an IMAP server", SPAN("a line end or NUL in it, or too long"));
	m->answered = false;
	push(m, NULL, 0, 0);
	rv = say_lines(m, secret);
	if (secret)
		buf_wipe(&m->line);
	if (rv == 0)
		rv = imap_await(m, false);
	return rv == -1 ? -1 : m->end != IMAP_OK;
}

/* --- what a status says -------------------------------------------------- */

static void
note_number(struct span args, uint64_t max, uint64_t *out)
{
	if (num_parse(span_cut(&args, ' '), max, out) == -1)
		*out = 0;
}

/* A response code (RFC 9051, 7.1). */
static void
note_code(struct imap *m, struct span code)
{
	struct span args = code, name = span_cut(&args, ' ');
	uint64_t n;

	if (args.s == NULL)
		args = SPAN("");
	if (span_case_is(name, "CAPABILITY")) {
		imap_learn(m, args);
	} else if (span_case_is(name, "UIDVALIDITY")) {
		note_number(args, UINT32_MAX, &n);
		m->folder.validity = (uint32_t)n;
	} else if (span_case_is(name, "UIDNEXT")) {
		note_number(args, UINT32_MAX, &n);
		m->folder.next = (uint32_t)n;
	} else if (span_case_is(name, "HIGHESTMODSEQ")) {
		note_number(args, INT64_MAX, &m->folder.modseq);
	} else if (span_case_is(name, "READ-ONLY")) {
		m->folder.read_only = true;
	} else if (span_case_is(name, "UIDNOTSTICKY")) {
		m->folder.fickle = true;
	}
}

static void
keep_text(struct imap *m, struct span text)
{
	buf_reset(&m->text);
	if (text.len > m->text.max)
		text.len = m->text.max;
	buf_addspan(&m->text, text);
}

/* "* OK ...", or with a tag: code and text are kept. */
static void
note_status(struct imap *m)
{
	size_t text = 2;

	buf_reset(&m->code);
	if (m->reply.count > 2 && m->reply.words[2].kind == IMAP_CODE) {
		buf_addspan(&m->code, imap_reply_text(&m->reply, 2));
		note_code(m, buf_span(&m->code));
		text = 3;
	}
	keep_text(m, imap_reply_text(&m->reply, text));
}

static int
on_status(struct imap *m)
{
	note_status(m);
	m->greeted = true;
	if (imap_reply_is(&m->reply, 1, "PREAUTH"))
		m->preauth = true;
	if (imap_reply_is(&m->reply, 1, "BYE")) {
		buf_reset(&m->bye);
		buf_addspan(&m->bye, buf_span(&m->text));
	} else if (span_case_is(buf_span(&m->code), "ALERT") && m->alerts++ < ALERTS_MAX) {
		log_event(EV_WARNING, LS("text", "the upstream wants this to be read"), LS("account", m->f->account->name),
		    LSPAN("reply", buf_span(&m->text)));
	}
	return 0;
}

/* --- what the server tells ----------------------------------------------- */

static int
on_capability(struct imap *m)
{
	struct buf all = BUF_INIT(IMAP_REPLY_MAX);

	for (size_t i = 2; i < m->reply.count; i++) {
		buf_addc(&all, ' ');
		buf_addspan(&all, imap_reply_text(&m->reply, i));
	}
	imap_learn(m, buf_span(&all));
	buf_free(&all);
	return 0;
}

static int
on_exists(struct imap *m)
{
	uint64_t before = m->folder.exists;

	if (imap_reply_number(&m->reply, 1, UINT32_MAX, &m->folder.exists) == 0)
		m->folder.grown = m->folder.grown || m->folder.exists > before;
	else
		return fetch_failed(m->f, "the server counts in a strange way", SPAN("EXISTS"));
	return 0;
}

static int
on_expunge(struct imap *m)
{
	m->expunged++;
	m->folder.exists -= m->folder.exists > 0;
	return 0;
}

static int
on_vanished(struct imap *m)
{
	m->expunged++;
	return 0;
}

/* Known by their first word, or behind a number by their second; others are none of our business. */
static const struct {
	const char *name;
	bool numbered;
	int (*on)(struct imap *);
} data[] = {
	{ "FETCH", true, imap_fetched }, { "EXISTS", true, on_exists }, { "EXPUNGE", true, on_expunge },
	{ "VANISHED", false, on_vanished }, { "SEARCH", false, imap_found }, { "ESEARCH", false, imap_found },
	{ "CAPABILITY", false, on_capability }, { "OK", false, on_status }, { "NO", false, on_status },
	{ "BAD", false, on_status }, { "BYE", false, on_status }, { "PREAUTH", false, on_status },
};

static int
hear_data(struct imap *m)
{
	if (++m->unasked > UNASKED_MAX)
		return fetch_failed(m->f, "the server does not stop talking", SPAN("of things that nobody asked for"));
	for (size_t i = 0; i < COUNT(data); i++)
		if (imap_reply_is(&m->reply, data[i].numbered ? 2 : 1, data[i].name))
			return data[i].on(m);
	return 0;
}

/* --- the end of a command ------------------------------------------------ */

/* The number behind our letters; 0: this is no tag of ours. */
static unsigned
read_tag(const struct imap *m)
{
	struct span tag = imap_reply_text(&m->reply, 0);
	size_t n = strlen(m->prefix);
	uint64_t number;

	if (tag.len <= n || memcmp(tag.s, m->prefix, n) != 0 ||
	    num_parse((struct span){ tag.s + n, tag.len - n }, UINT32_MAX, &number) == -1)
		return 0;
	return (unsigned)number;
}

static int
hear_end(struct imap *m)
{
	unsigned tag = read_tag(m);
	struct imap_command c;
	size_t i = 0;

	while (i < m->pending_count && m->pending[i].tag != tag)
		i++;
	if (i == m->pending_count)
		return fetch_failed(m->f, "the server answers what was not asked", imap_reply_text(&m->reply, 0));
	c = m->pending[i];
	m->pending_count--;
	memmove(&m->pending[i], &m->pending[i + 1], (m->pending_count - i) * sizeof(c));
	note_status(m);
	m->unasked = 0;
	m->end = imap_reply_is(&m->reply, 1, "OK") ? IMAP_OK : imap_reply_is(&m->reply, 1, "NO") ? IMAP_NO : IMAP_BAD;
	if (c.done != NULL)
		return c.done(m, &c, m->end);
	m->answered = true;
	return 0;
}

static int
hear_reply(struct imap *m)
{
	if (imap_reply_is(&m->reply, 0, "*"))
		return hear_data(m);
	if (!m->greeted)
		return fetch_failed(m->f, "no IMAP server", imap_reply_text(&m->reply, 0));
	if (!imap_reply_is(&m->reply, 0, "+"))
		return hear_end(m);
	keep_text(m, imap_reply_text(&m->reply, 1));
	m->go_on = true;
	return 0;
}

/* --- octets -------------------------------------------------------------- */

static int
more_octets(struct imap *m)
{
	struct fetch *f = m->f;
	int rv = io_fill(&f->d.io, deadline_earlier(fetch_patience(f), f->d.total));

	if (rv == 1)
		return 0;
	if (m->bye.len > 0)
		return fetch_failed(f, "the server ended the session", buf_span(&m->bye));
	if (rv == 0)
		buf_adds(&f->why, "the server closed the connection");
	else if (errno == ETIMEDOUT)
		buf_adds(&f->why, "the server did not answer in time");
	else
		buf_addf(&f->why, "the connection broke: %s", strerror(errno));
	return -1;
}

static int
hear(struct imap *m, enum imap_event *event)
{
	struct fetch *f = m->f;

	if (f->d.broken)
		return fetch_failed(f, "cannot say this to an IMAP server", SPAN("a command would have been two"));
	for (;;) {
		struct span in = io_unread(&f->d.io);
		size_t used = imap_reply_feed(&m->reply, in.s, in.len, event);

		io_skip(&f->d.io, used);
		if (*event == IMAP_BROKEN)
			return fetch_failed(f, "what the server says is no IMAP", span_of(m->reply.fault));
		if (*event != IMAP_MORE)
			return 0;
		if (more_octets(m) == -1)
			return -1;
	}
}

int
imap_listen(struct imap *m)
{
	enum imap_event event = IMAP_MORE;
	int rv;

	if (hear(m, &event) == -1)
		return -1;
	if (event == IMAP_OCTETS)
		return imap_message_octets(m, m->reply.piece);
	if (imap_message_whole(m) == -1)
		return -1;
	if (event == IMAP_BEGIN)
		return imap_message_begins(m);
	rv = hear_reply(m);
	m->bodies = 0;
	return rv;
}
