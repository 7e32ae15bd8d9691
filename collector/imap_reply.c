/*
 * imap_reply: a server's octets become replies.
 *
 * Knows the words of IMAP (atoms, strings, literals, lists, response codes) and where a reply ends; nothing of
 * what commands mean, except where FETCH puts messages, for these are never held. Lenient where it harms
 * nobody (a bare LF ends a line, "(" needs no space before it), strict where a literal of a wrong size would
 * otherwise let a message go on as the server's words: behind a string only what may stand there is read.
 */
#include "collector/imap_reply.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/num.h"

enum state {
	AT_START,  /* of a reply */
	AT_SPACE,  /* a word may begin */
	AT_ATOM,
	AT_SECTION, /* between the brackets of BODY[...] */
	AT_QUOTED, AT_QUOTED_PAIR,
	AT_TILDE,  /* "~", perhaps of a literal8 */
	AT_SIZE, AT_SIZE_PLUS, AT_SIZE_END, AT_SIZE_CR, /* {12+} CR LF */
	AT_LITERAL, AT_MESSAGE,
	AT_AFTER,  /* a string or list has ended */
	AT_STATUS, /* behind "OK " */
	AT_CODE, AT_CODE_QUOTED, AT_CODE_PAIR, AT_CODE_END,
	AT_TEXT,
	AT_CR, AT_BROKEN
};

void
imap_reply_init(struct imap_reply *r)
{
	*r = (struct imap_reply){ .state = AT_START };
	buf_init(&r->text, IMAP_REPLY_MAX);
}

void
imap_reply_free(struct imap_reply *r)
{
	free(r->words);
	buf_free(&r->text);
}

static void
forget(struct imap_reply *r)
{
	r->count = r->octets = r->depth = 0;
	r->whole = false;
	buf_reset(&r->text);
}

static enum imap_event
broken(struct imap_reply *r, const char *fault)
{
	r->state = AT_BROKEN;
	if (r->fault == NULL)
		r->fault = fault;
	return IMAP_BROKEN;
}

/* --- words --------------------------------------------------------------- */

static void
begin(struct imap_reply *r, enum imap_kind kind, enum state state)
{
	if (r->count == r->room) {
		r->room = r->room == 0 ? 32 : r->room * 2;
		r->words = mem_grow(r->words, r->room, sizeof(*r->words));
	}
	r->words[r->count++] = (struct imap_word){ kind, r->text.len, 0 };
	r->state = (int)state;
}

static enum imap_event
add(struct imap_reply *r, char c)
{
	buf_addc(&r->text, c);
	r->words[r->count - 1].len++;
	return IMAP_MORE;
}

static enum imap_event
end(struct imap_reply *r, enum state state)
{
	r->state = (int)state;
	return IMAP_MORE;
}

static bool
is_status(const struct imap_reply *r, size_t word)
{
	static const char *const names[] = { "OK", "NO", "BAD", "BYE", "PREAUTH" };

	for (size_t i = 0; i < COUNT(names); i++)
		if (imap_reply_is(r, word, names[i]))
			return true;
	return false;
}

/* Do messages follow this word in FETCH? (RFC 9051, 7.5.2; RFC 3501, 7.4.2) */
static bool
is_message(const struct imap_reply *r, size_t word)
{
	static const char *const begins[] = { "BODY[", "BINARY[" };
	static const char *const names[] = { "RFC822", "RFC822.TEXT", "RFC822.HEADER" };
	struct span name = imap_reply_text(r, word);

	if (r->words[word].kind != IMAP_ATOM || !imap_reply_is(r, 2, "FETCH"))
		return false;
	for (size_t i = 0; i < COUNT(begins); i++)
		if (name.len > strlen(begins[i]) && ascii_caseeq(name.s, begins[i], strlen(begins[i])))
			return true;
	for (size_t i = 0; i < COUNT(names); i++)
		if (span_case_is(name, names[i]))
			return true;
	return false;
}

/* --- octet by octet ------------------------------------------------------ */

/* The reply ends here: is it one? */
static enum imap_event
finish(struct imap_reply *r)
{
	bool plus = imap_reply_is(r, 0, "+");

	if (r->depth > 0)
		return broken(r, "a line ends inside a list");
	if ((is_status(r, 1) || plus) && r->words[r->count - 1].kind != IMAP_TEXT)
		begin(r, IMAP_TEXT, AT_TEXT);
	if (r->count < 2 || (!plus && !imap_reply_is(r, 0, "*") && !is_status(r, 1)))
		return broken(r, "a line that is no IMAP reply");
	r->state = AT_START;
	r->whole = true;
	return IMAP_WHOLE;
}

/* Between words; also what ends an atom. */
static enum imap_event
at_space(struct imap_reply *r, char c)
{
	switch (c) {
	case ' ':
		return end(r, AT_SPACE);
	case '(':
		if (++r->depth > IMAP_DEPTH_MAX)
			return broken(r, "too many lists in lists");
		begin(r, IMAP_OPEN, AT_SPACE);
		return IMAP_MORE;
	case ')':
		if (r->depth-- == 0)
			return broken(r, "a list ends that never began");
		begin(r, IMAP_CLOSE, AT_AFTER);
		return IMAP_MORE;
	case '"':
		begin(r, IMAP_STRING, AT_QUOTED);
		return IMAP_MORE;
	case '{':
		begin(r, IMAP_STRING, AT_SIZE);
		r->body_left = 0;
		r->sized = false;
		return IMAP_MORE;
	case '~':
		return end(r, AT_TILDE);
	case '\r':
		return end(r, AT_CR);
	case '\n':
		return finish(r);
	default:
		if ((unsigned char)c < ' ' || c == 0x7f)
			return broken(r, "a control character");
		begin(r, IMAP_ATOM, AT_ATOM);
		return add(r, c);
	}
}

static enum imap_event
at_start(struct imap_reply *r, char c)
{
	if ((unsigned char)c <= ' ' || strchr("()\"{~\x7f", c) != NULL)
		return broken(r, "a line that is no IMAP reply");
	return at_space(r, c);
}

/* What the first two words promise decides how the rest of the line is read. */
static enum imap_event
at_atom(struct imap_reply *r, char c)
{
	if (c == '[' && imap_reply_is(r, 2, "FETCH"))
		r->state = AT_SECTION;
	if (c != ' ' && c != '(' && c != ')' && (unsigned char)c > ' ' && c != 0x7f)
		return add(r, c);
	if (r->count == 1 && imap_reply_is(r, 0, "+") && c == ' ') {
		begin(r, IMAP_TEXT, AT_TEXT);
		return IMAP_MORE;
	}
	if (r->count == 2 && is_status(r, 1) && c == ' ')
		return end(r, AT_STATUS);
	if (r->count == 1 && (c == '(' || c == ')'))
		return broken(r, "a line that is no IMAP reply");
	return at_space(r, c);
}

static enum imap_event
at_section(struct imap_reply *r, char c)
{
	if ((unsigned char)c < ' ' || c == 0x7f)
		return broken(r, "a bracket without end");
	if (c == ']')
		r->state = AT_ATOM;
	return add(r, c);
}

static enum imap_event
at_quoted(struct imap_reply *r, char c)
{
	if (c == '"')
		return end(r, AT_AFTER);
	if (c == '\\')
		return end(r, AT_QUOTED_PAIR);
	if (c == '\r' || c == '\n' || c == '\0')
		return broken(r, "a quoted string without end");
	return add(r, c);
}

static enum imap_event
at_quoted_pair(struct imap_reply *r, char c)
{
	if (c == '\r' || c == '\n' || c == '\0')
		return broken(r, "a quoted string without end");
	r->state = AT_QUOTED;
	return add(r, c);
}

static enum imap_event
at_tilde(struct imap_reply *r, char c)
{
	if (c == '{')
		return at_space(r, c);
	begin(r, IMAP_ATOM, AT_ATOM);
	add(r, '~');
	return at_atom(r, c);
}

/* {12}, {12+}, {12-}: the digits are not kept. */
static enum imap_event
at_size(struct imap_reply *r, char c)
{
	unsigned digit = (unsigned)(c - '0');

	if (ascii_digit((unsigned char)c)) {
		if (r->body_left > ((uint64_t)INT64_MAX - digit) / 10) /* RFC 9051, 4: number64 */
			return broken(r, "a literal of an impossible size");
		r->body_left = r->body_left * 10 + digit;
		r->sized = true;
		return IMAP_MORE;
	}
	if (!r->sized)
		return broken(r, "a literal without a size");
	if (c == '+' || c == '-')
		return end(r, AT_SIZE_PLUS);
	return c == '}' ? end(r, AT_SIZE_END) : broken(r, "a literal without a size");
}

static enum imap_event
at_size_plus(struct imap_reply *r, char c)
{
	return c == '}' ? end(r, AT_SIZE_END) : broken(r, "a literal without a size");
}

/* Its octets follow. */
static enum imap_event
at_size_cr(struct imap_reply *r, char c)
{
	struct imap_word *w = &r->words[r->count - 1];

	if (c != '\n')
		return broken(r, "a literal that is not on a line of its own");
	if (r->count > 1 && is_message(r, r->count - 2)) {
		w->kind = IMAP_BODY;
		r->state = AT_MESSAGE;
		return IMAP_BEGIN;
	}
	if (r->body_left > IMAP_REPLY_MAX - r->octets)
		return broken(r, "a reply that is too long");
	return end(r, r->body_left == 0 ? AT_AFTER : AT_LITERAL);
}

static enum imap_event
at_size_end(struct imap_reply *r, char c)
{
	return c == '\r' ? end(r, AT_SIZE_CR) : at_size_cr(r, c);
}

static enum imap_event
at_literal(struct imap_reply *r, char c)
{
	if (--r->body_left == 0)
		r->state = AT_AFTER;
	return add(r, c);
}

static enum imap_event
at_after(struct imap_reply *r, char c)
{
	if (strchr(" ()\r\n", c) == NULL || c == '\0')
		return broken(r, "a string or list does not end where it should");
	return at_space(r, c);
}

static enum imap_event
at_text(struct imap_reply *r, char c)
{
	if (c == '\r')
		return end(r, AT_CR);
	return c == '\n' ? finish(r) : add(r, c);
}

static enum imap_event
at_status(struct imap_reply *r, char c)
{
	if (c == '[') {
		begin(r, IMAP_CODE, AT_CODE);
		return IMAP_MORE;
	}
	begin(r, IMAP_TEXT, AT_TEXT);
	return at_text(r, c);
}

static enum imap_event
at_code(struct imap_reply *r, char c)
{
	if (c == ']')
		return end(r, AT_CODE_END);
	if (c == '\r' || c == '\n' || c == '\0')
		return broken(r, "a response code without end");
	if (c == '"')
		r->state = AT_CODE_QUOTED;
	return add(r, c);
}

static enum imap_event
at_code_quoted(struct imap_reply *r, char c)
{
	if (c == '\r' || c == '\n' || c == '\0')
		return broken(r, "a response code without end");
	if (r->state == AT_CODE_PAIR)
		r->state = AT_CODE_QUOTED;
	else if (c == '\\')
		r->state = AT_CODE_PAIR;
	else if (c == '"')
		r->state = AT_CODE;
	return add(r, c);
}

static enum imap_event
at_code_end(struct imap_reply *r, char c)
{
	begin(r, IMAP_TEXT, AT_TEXT);
	return c == ' ' ? IMAP_MORE : at_text(r, c);
}

static enum imap_event
at_cr(struct imap_reply *r, char c)
{
	return c == '\n' ? finish(r) : broken(r, "a CR that is no line's end");
}

static enum imap_event
at_broken(struct imap_reply *r, char c)
{
	(void)c;
	return broken(r, "nothing is read any more");
}

static enum imap_event (*const octet[])(struct imap_reply *, char) = { [AT_START] = at_start, [AT_SPACE] = at_space,
	[AT_ATOM] = at_atom, [AT_SECTION] = at_section, [AT_QUOTED] = at_quoted, [AT_QUOTED_PAIR] = at_quoted_pair,
	[AT_TILDE] = at_tilde, [AT_SIZE] = at_size, [AT_SIZE_PLUS] = at_size_plus, [AT_SIZE_END] = at_size_end,
	[AT_SIZE_CR] = at_size_cr, [AT_LITERAL] = at_literal, [AT_MESSAGE] = at_broken, [AT_AFTER] = at_after,
	[AT_STATUS] = at_status, [AT_CODE] = at_code, [AT_CODE_QUOTED] = at_code_quoted,
	[AT_CODE_PAIR] = at_code_quoted, [AT_CODE_END] = at_code_end, [AT_TEXT] = at_text, [AT_CR] = at_cr,
	[AT_BROKEN] = at_broken };

/* Octets of a message pass by. */
static size_t
pass(struct imap_reply *r, const char *s, size_t n, enum imap_event *event)
{
	size_t some = n < r->body_left ? n : (size_t)r->body_left;

	r->piece = (struct span){ s, some };
	r->body_left -= some;
	if (r->body_left == 0)
		r->state = AT_AFTER;
	*event = some > 0 ? IMAP_OCTETS : IMAP_MORE;
	return some;
}

size_t
imap_reply_feed(struct imap_reply *r, const char *s, size_t n, enum imap_event *event)
{
	*event = IMAP_MORE;
	if (r->whole)
		forget(r);
	for (size_t i = 0; i < n;) {
		if (r->state == AT_MESSAGE) {
			i += pass(r, s + i, n - i, event);
			if (*event != IMAP_MORE)
				return i;
			continue;
		}
		if (++r->octets > IMAP_REPLY_MAX)
			*event = broken(r, "a reply that is too long");
		else
			*event = octet[r->state](r, s[i]);
		i++;
		if (*event != IMAP_MORE)
			return i;
	}
	return n;
}

/* --- questions ----------------------------------------------------------- */

struct span
imap_reply_text(const struct imap_reply *r, size_t word)
{
	if (word >= r->count)
		return SPAN("");
	return (struct span){ buf_str(&r->text) + r->words[word].at,
		r->words[word].kind == IMAP_BODY ? 0 : r->words[word].len };
}

bool
imap_reply_is(const struct imap_reply *r, size_t word, const char *name)
{
	return word < r->count && r->words[word].kind == IMAP_ATOM && span_case_is(imap_reply_text(r, word), name);
}

int
imap_reply_number(const struct imap_reply *r, size_t word, uint64_t max, uint64_t *out)
{
	if (word >= r->count || r->words[word].kind != IMAP_ATOM)
		return -1;
	return num_parse(imap_reply_text(r, word), max, out);
}

size_t
imap_reply_behind(const struct imap_reply *r, size_t word)
{
	size_t depth = 0;

	for (; word < r->count; word++) {
		if (r->words[word].kind == IMAP_OPEN)
			depth++;
		else if (r->words[word].kind == IMAP_CLOSE && depth > 0)
			depth--;
		if (depth == 0)
			return word + 1;
	}
	return r->count;
}
