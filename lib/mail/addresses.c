/*
 * addresses: lists of addresses as the sender's own programs write them.
 *
 * Knows the brackets, quotes, commas and comments of RFC 5322, 3.4. What stands between
 * them and is an address, path.c knows.
 */
#include "lib/mail/addresses.h"

#include <string.h>

#include "lib/base/ascii.h"

#define SHOWN 80 /* octets of a faulty entry in the message about it */

struct scan {
	const char *p, *end;
	struct buf text;  /* of the word or address being read */
	const char *last; /* behind its last octet in the value */
	bool words;       /* it has blanks where an address has none */
	bool unclosed;    /* comment, quote or bracket */
};

static bool
at(const struct scan *s, const char *octets)
{
	return s->p < s->end && *s->p != '\0' && strchr(octets, *s->p) != NULL;
}

static void
skip_comment(struct scan *s)
{
	int depth = 0;

	for (; s->p < s->end; s->p++) {
		if (*s->p == '\\' && s->p + 1 < s->end) {
			s->p++;
		} else if (*s->p == '(') {
			depth++;
		} else if (*s->p == ')' && --depth == 0) {
			s->p++;
			return;
		}
	}
	s->unclosed = true;
}

/* Blanks, line ends, comments. Was there anything? */
static bool
skip_blanks(struct scan *s)
{
	const char *start = s->p;

	for (;;) {
		if (at(s, " \t\r\n"))
			s->p++;
		else if (at(s, "("))
			skip_comment(s);
		else
			return s->p > start;
	}
}

/* Octets of the quoted string or literal that starts here, or one. */
static size_t
token_length(struct scan *s)
{
	char close = *s->p == '"' ? '"' : *s->p == '[' ? ']' : '\0';
	const char *p = s->p + 1;

	if (close == '\0')
		return 1;
	for (; p < s->end; p++) {
		if (*p == '\\' && p + 1 < s->end)
			p++;
		else if (*p == close)
			return (size_t)(p + 1 - s->p);
	}
	s->unclosed = true;
	return (size_t)(s->end - s->p);
}

/* May c stand next to a blank that an address may have (RFC 5322, 4.4)? */
static bool
is_joint(char c)
{
	return c == '.' || c == '@';
}

/* What stands before one of the octets stops, or the end: into text, without blanks. */
static void
take_text(struct scan *s, const char *stops)
{
	buf_reset(&s->text);
	s->words = false;
	s->last = s->p;
	for (;;) {
		bool gap = skip_blanks(s);
		size_t n;

		if (s->p == s->end || at(s, stops))
			return;
		if (gap && s->text.len > 0 && !is_joint(*s->p) &&
		    !is_joint(s->text.s[s->text.len - 1]))
			s->words = true;
		for (n = token_length(s); n > 0; n--, s->p++)
			if (*s->p != '\r' && *s->p != '\n') /* folded in a quoted string */
				buf_addc(&s->text, *s->p);
		s->last = s->p;
	}
}

static int
complain(const struct scan *s, const char *entry, const char *what, struct buf *why)
{
	size_t n = (size_t)(s->p - entry);

	buf_addf(why, "%s: ", what);
	for (size_t i = 0; i < n && i < SHOWN; i++)
		buf_addc(why, ascii_print((unsigned char)entry[i]) ? entry[i] : '?');
	return -1;
}

/* "<...>"; the route in front of an address (RFC 5322, 4.4) is no part of it. */
static bool
take_angle(struct scan *s)
{
	const char *colon;

	s->p++;
	take_text(s, ">");
	if (!at(s, ">") || s->words || s->text.len == 0)
		return false;
	s->p++;
	if (s->text.s[0] == '@') {
		colon = memchr(s->text.s, ':', s->text.len);
		if (colon == NULL)
			return false;
		buf_drop(&s->text, (size_t)(colon + 1 - s->text.s));
	}
	skip_blanks(s);
	return s->text.len > 0 && (s->p == s->end || at(s, ",;"));
}

static bool
is_bare(struct span text)
{
	bool quoted = false;

	for (size_t i = 0; i < text.len; i++) {
		if (text.s[i] == '\\')
			i++;
		else if (text.s[i] == '"')
			quoted = !quoted;
		else if (text.s[i] == '@' && !quoted)
			return false;
	}
	return true;
}

static void
keep(const struct scan *s, struct arena *mem, struct addresses *out)
{
	struct address *a = &out->a[out->n++];

	a->text = (struct span){ arena_dupn(mem, s->text.s, s->text.len),
		s->text.len };
	a->end = s->last;
	a->bare = is_bare(a->text);
}

/* One entry and what ends it: an address, the head of a group, or nothing. */
static int
take_entry(struct scan *s, struct arena *mem, struct addresses *out, struct buf *why)
{
	const char *entry;

	skip_blanks(s);
	entry = s->p;
	take_text(s, ",;:<");
	if (at(s, ":")) {
		s->p++; /* a group begins: its members are entries like others */
		return 0;
	}
	if (at(s, "<")) {
		if (!take_angle(s))
			return complain(s, entry, "not an address", why);
	} else if (s->words) {
		return complain(s, entry, "not an address", why);
	}
	if (s->unclosed)
		return complain(s, entry, "a bracket or quote is not closed", why);
	if (s->text.len > 0)
		keep(s, mem, out);
	if (s->p < s->end)
		s->p++; /* "," or ";" */
	return 0;
}

/* No more entries than this. */
static size_t
bound(struct span value)
{
	size_t n = 1;

	for (size_t i = 0; i < value.len; i++)
		n += value.s[i] == ',' || value.s[i] == ';' || value.s[i] == ':';
	return n;
}

int
addresses_parse(struct span value, struct arena *mem, struct addresses *out,
    struct buf *why)
{
	struct scan s = { .p = value.s, .end = value.s + value.len,
		.text = BUF_INIT(value.len + 1) };
	int rv = 0;

	out->n = 0;
	out->a = arena_alloc(mem, bound(value) * sizeof(*out->a));
	while (rv == 0 && s.p < s.end)
		rv = take_entry(&s, mem, out, why);
	buf_free(&s.text);
	return rv;
}

void
addresses_complete(struct span value, const struct addresses *list,
    struct span domain, struct buf *out)
{
	const char *from = value.s;

	for (size_t i = 0; i < list->n; i++) {
		if (!list->a[i].bare)
			continue;
		buf_add(out, from, (size_t)(list->a[i].end - from));
		buf_addc(out, '@');
		buf_addspan(out, domain);
		from = list->a[i].end;
	}
	buf_add(out, from, (size_t)(value.s + value.len - from));
}
