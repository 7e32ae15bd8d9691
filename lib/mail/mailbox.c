/*
 * mailbox: address lists.
 *
 * Knows how far real headers stray from RFC 5322 and still have one safe reading. Refuses to know whose
 * an address is.
 *
 * One pass collects an entry's text outside and inside of <>; a quoted "@" or blank is
 * kept as a control character meanwhile, so that it cannot be taken for one that means something.
 */
#include "lib/mail/mailbox.h"

#include <string.h>

#include "lib/base/ascii.h"
#include "lib/mail/mime.h"

#define QUOTED_AT '\001'
#define QUOTED_BLANK '\002'
#define QUOTED_DOT '\003'

struct reader {
	struct span in;
	size_t at;
	struct arena *arena;
	struct buf carried; /* pieces without @ in front of this entry */
	struct buf text;    /* outside of <> */
	struct buf angle;   /* inside */
	struct buf comment;
	size_t phrase_len;  /* of text: what stands in front of <> */
	bool in_angle, had_angle, in_group;
	struct mailbox_entry *entries;
	size_t n, room;
};

static char
quoted(char c)
{
	switch (c) {
	case '@':
		return QUOTED_AT;
	case ' ':
	case '\t':
		return QUOTED_BLANK;
	case '.':
		return QUOTED_DOT;
	default:
		return c > 0 && c <= QUOTED_DOT ? '?' : c;
	}
}

static void
unmark(char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] == QUOTED_AT)
			s[i] = '@';
		else if (s[i] == QUOTED_BLANK)
			s[i] = ' ';
		else if (s[i] == QUOTED_DOT)
			s[i] = '.';
}

static struct span
keep(struct arena *arena, struct span s)
{
	char *copy = arena_dupn(arena, s.s, s.len);

	unmark(copy, s.len);
	return (struct span){ copy, s.len };
}

/* --- one address --------------------------------------------------------- */

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* White space around @ and . taken out. */
static void
tighten(struct span s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.s[i];

		if (blank(c) && out->len > 0 && (out->s[out->len - 1] == '@' || out->s[out->len - 1] == '.'))
			continue;
		if (c == '@' || c == '.')
			while (out->len > 0 && blank(out->s[out->len - 1]))
				out->s[--out->len] = '\0';
		buf_addc(out, c);
	}
}

static struct span
undress(struct span s)
{
	for (;;) {
		size_t before = s.len;

		s = span_trim(s);
		if (s.len >= 7 && ascii_caseeq(s.s, "mailto:", 7))
			s = (struct span){ s.s + 7, s.len - 7 };
		if (s.len >= 2 && s.s[0] == '\'' && s.s[s.len - 1] == '\'')
			s = (struct span){ s.s + 1, s.len - 2 };
		if (s.len == before)
			return s;
	}
}

/* local@domain, or extra@local@domain. */
static bool
split_address(struct span s, struct arena *arena, struct mailbox_entry *out)
{
	struct span part[3] = { { NULL, 0 } }, rest;
	size_t n = 0;

	s = undress(s);
	for (rest = s; rest.s != NULL; n++) {
		struct span one = span_cut(&rest, '@');

		if (n < 3)
			part[n] = one;
	}
	if (n < 2 || n > 3 || part[n - 1].len == 0 || part[n - 2].len == 0 || (n == 3 && part[0].len == 0))
		return false;
	out->domain = keep(arena, part[n - 1]);
	out->local = keep(arena, part[n - 2]);
	out->extra = n == 3 ? keep(arena, part[0]) : (struct span){ NULL, 0 };
	return true;
}

/* --- the pieces of an entry ---------------------------------------------- */

static struct buf *
current(struct reader *r)
{
	return r->in_angle ? &r->angle : &r->text;
}

static char
ahead(const struct reader *r, size_t n)
{
	return r->at + n < r->in.len ? r->in.s[r->at + n] : '\0';
}

/* At "(": past the comment, its inside into out (which may be NULL). */
static size_t
skip_comment(struct span in, size_t at, struct buf *out)
{
	unsigned depth = 0;

	for (; at < in.len; at++) {
		char c = in.s[at];

		if (c == '\\' && at + 1 < in.len)
			c = in.s[++at];
		else if (c == '(' && depth++ == 0)
			continue;
		else if (c == ')' && --depth == 0)
			return at + 1;
		if (out != NULL)
			buf_addc(out, c);
	}
	return at;
}

static void
take_comment(struct reader *r)
{
	if (r->comment.len > 0)
		buf_addc(&r->comment, ' ');
	r->at = skip_comment(r->in, r->at, &r->comment);
}

static void
take_quoted(struct reader *r)
{
	for (r->at++; r->at < r->in.len && r->in.s[r->at] != '"'; r->at++) {
		if (r->in.s[r->at] == '\\' && r->at + 1 < r->in.len)
			r->at++;
		buf_addc(current(r), quoted(r->in.s[r->at]));
	}
	r->at++;
}

/* An encoded word is one atom, whatever signs it holds. */
static bool
take_encoded(struct reader *r)
{
	struct span s = { r->in.s + r->at, r->in.len - r->at };
	size_t n = mime_word(s);

	if (n == 0 || memchr(s.s, ' ', n) != NULL || memchr(s.s, '\t', n) != NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		buf_addc(current(r), quoted(s.s[i]));
	r->at += n;
	return true;
}

/* [192.0.2.1] behind an @: its colons separate nothing. */
static bool
take_literal(struct reader *r)
{
	const struct buf *b = current(r);
	size_t i = b->len;

	while (i > 0 && blank(b->s[i - 1]))
		i--;
	if (i == 0 || b->s[i - 1] != '@')
		return false;
	while (r->at < r->in.len && r->in.s[r->at] != ']' && r->in.s[r->at] != '>')
		buf_addc(current(r), r->in.s[r->at++]);
	return true;
}

/* --- entries ------------------------------------------------------------- */

static void
add_entry(struct reader *r, struct mailbox_entry e, struct span phrase)
{
	struct buf whole = BUF_INIT(r->in.len + r->carried.max);

	buf_addspan(&whole, buf_span(&r->carried));
	buf_addspan(&whole, phrase);
	e.phrase = keep(r->arena, span_trim(buf_span(&whole)));
	e.comment = keep(r->arena, span_trim(buf_span(&r->comment)));
	buf_free(&whole);
	if (r->n == r->room) {
		struct mailbox_entry *more;

		r->room = r->room == 0 ? 4 : r->room * 2;
		more = arena_alloc(r->arena, r->room * sizeof(*more));
		if (r->n > 0)
			memcpy(more, r->entries, r->n * sizeof(*more));
		r->entries = more;
	}
	r->entries[r->n++] = e;
	buf_reset(&r->carried);
}

/* phrase <address> */
static bool
end_angle(struct reader *r)
{
	struct mailbox_entry e = { 0 };
	struct buf tight = BUF_INIT(r->in.len + 1);
	bool found;

	tighten(buf_span(&r->angle), &tight);
	found = split_address(buf_span(&tight), r->arena, &e);
	if (found)
		add_entry(r, e, (struct span){ buf_str(&r->text), r->phrase_len });
	buf_free(&tight);
	return found || memchr(buf_str(&r->angle), '@', r->angle.len) != NULL;
}

/* A bare address; other words beside it serve as its phrase. */
static bool
end_bare(struct reader *r)
{
	struct mailbox_entry e = { 0 };
	struct buf tight = BUF_INIT(r->in.len + 1), phrase = BUF_INIT(r->in.len + 1);
	struct span rest, address = { NULL, 0 };
	size_t found = 0;

	tighten(buf_span(&r->text), &tight);
	rest = undress(buf_span(&tight));
	while (rest.s != NULL) {
		struct span word = span_cut(&rest, ' ');

		if (memchr(word.s, '@', word.len) != NULL) {
			address = word;
			found++;
		} else {
			buf_addspan(&phrase, word);
			buf_addc(&phrase, ' ');
		}
	}
	if (found == 1 && split_address(address, r->arena, &e))
		add_entry(r, e, buf_span(&phrase));
	buf_free(&tight);
	buf_free(&phrase);
	return found > 0;
}

static void
end_entry(struct reader *r, char separator)
{
	bool done;

	if (r->had_angle)
		done = end_angle(r);
	else
		done = end_bare(r);
	if (done) {
		buf_reset(&r->carried);
	} else if (span_trim(buf_span(&r->text)).len > 0 || r->angle.len > 0) {
		buf_addspan(&r->carried, buf_span(&r->text));
		buf_addspan(&r->carried, buf_span(&r->angle));
		buf_addc(&r->carried, separator);
	}
	buf_reset(&r->text);
	buf_reset(&r->angle);
	buf_reset(&r->comment);
	r->in_angle = r->had_angle = false;
}

/* A second <...> in one entry: a comma was forgotten; what stood between them is the phrase of the second. */
static void
split_entry(struct reader *r)
{
	struct buf between = BUF_INIT(r->in.len + 1);

	buf_add(&between, buf_str(&r->text) + r->phrase_len, r->text.len - r->phrase_len);
	end_entry(r, ',');
	buf_addspan(&r->text, buf_span(&between));
	buf_free(&between);
}

/* At "<": the address begins, behind a route if there is one (RFC 5322, 4.4). */
static void
begin_angle(struct reader *r)
{
	size_t i;

	if (r->had_angle)
		split_entry(r);
	r->phrase_len = r->text.len;
	r->in_angle = r->had_angle = true;
	r->at++;
	for (i = r->at; i < r->in.len && blank(r->in.s[i]); i++)
		continue;
	if (i < r->in.len && r->in.s[i] == '@')
		while (i < r->in.len && r->in.s[i] != '>' && r->in.s[i] != '<')
			if (r->in.s[i++] == ':') {
				r->at = i;
				break;
			}
}

/* At ":" outside of everything: what stood before names a group, unless it was "mailto". */
static void
take_colon(struct reader *r)
{
	struct span text = span_trim(buf_span(&r->text));

	if (text.len > 0 && text.s[0] == '\'')
		text = (struct span){ text.s + 1, text.len - 1 };
	if (r->in_angle || span_case_is(text, "mailto")) {
		buf_addc(current(r), ':');
	} else {
		buf_reset(&r->text);
		buf_reset(&r->angle);
		buf_reset(&r->carried);
		buf_reset(&r->comment);
		r->had_angle = false;
		r->in_group = true;
	}
	r->at++;
}

static void
take_separator(struct reader *r, char c)
{
	end_entry(r, c);
	if (c == ';' && r->in_group) {
		r->in_group = false;
		buf_reset(&r->carried);
	}
	r->at++;
}

static void
take_plain(struct reader *r, char c)
{
	buf_addc(current(r), blank(c) || (c > 0 && c <= QUOTED_DOT) ? ' ' : c);
	r->at++;
}

static void
step(struct reader *r)
{
	char c = ahead(r, 0);

	switch (c) {
	case '(':
		take_comment(r);
		return;
	case '"':
		take_quoted(r);
		return;
	case '<':
		begin_angle(r);
		return;
	case '>':
		r->in_angle = false;
		r->at++;
		return;
	case ':':
		take_colon(r);
		return;
	case ',':
	case ';':
		take_separator(r, c);
		return;
	case '=':
		if (ahead(r, 1) == '?' && take_encoded(r))
			return;
		break;
	case '[':
		if (take_literal(r))
			return;
		break;
	default:
		break;
	}
	take_plain(r, c);
}

size_t
mailbox_list(struct span value, struct arena *arena, struct mailbox_entry **out)
{
	size_t max = value.len + 16;
	struct reader r = { .in = value, .arena = arena, .carried = BUF_INIT(2 * max), .text = BUF_INIT(max),
	    .angle = BUF_INIT(max), .comment = BUF_INIT(max) };

	while (r.at < r.in.len)
		step(&r);
	end_entry(&r, ',');
	buf_free(&r.carried);
	buf_free(&r.text);
	buf_free(&r.angle);
	buf_free(&r.comment);
	*out = r.entries;
	return r.n;
}

void
mailbox_uncomment(struct span text, struct buf *out)
{
	bool in_quotes = false;

	for (size_t i = 0; i < text.len;) {
		char c = text.s[i];

		if (c == '(' && !in_quotes) {
			i = skip_comment(text, i, NULL);
			continue;
		}
		if (c == '\\' && in_quotes && i + 1 < text.len)
			buf_addc(out, text.s[i++]);
		else if (c == '"')
			in_quotes = !in_quotes;
		buf_addc(out, text.s[i++]);
	}
}

/* Quotes off; what they hold is marked. */
static void
unquote(struct span in, struct buf *out)
{
	bool in_quotes = false;

	for (size_t i = 0; i < in.len; i++) {
		char c = in.s[i];

		if (c == '"')
			in_quotes = !in_quotes;
		else if (in_quotes)
			buf_addc(out, quoted(c == '\\' && i + 1 < in.len ? in.s[++i] : c));
		else
			buf_addc(out, blank(c) ? ' ' : c);
	}
}

size_t
mailbox_address(struct span text, struct arena *arena, struct mailbox_entry *out)
{
	struct buf plain = BUF_INIT(text.len + 1), tight = BUF_INIT(text.len + 1);
	struct span s;
	const char *open;
	size_t found = 0;

	unquote(text, &plain);
	tighten(buf_span(&plain), &tight);
	s = buf_span(&tight);
	*out = (struct mailbox_entry){ 0 };
	if (s.len > 0 && (open = memchr(s.s, '<', s.len)) != NULL) {
		s = (struct span){ open + 1, s.len - (size_t)(open + 1 - s.s) };
		s = span_cut(&s, '>');
		found = split_address(s, arena, out);
	} else {
		while (s.s != NULL) {
			struct span word = span_cut(&s, ' ');

			if (memchr(word.s, '@', word.len) == NULL)
				continue;
			found = split_address(word, arena, out);
			break;
		}
	}
	buf_free(&plain);
	buf_free(&tight);
	return found;
}
