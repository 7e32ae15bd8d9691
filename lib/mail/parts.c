/*
 * parts: a walk through a MIME message, streamed.
 *
 * Knows headers, boundaries and encodings; what is wanted of them is for others. Holds a line, a field and a few
 * kilobytes of text, however large the message is. Goes on after a fault as well as it can, for who wants to hide
 * something writes what only some programs understand.
 */
#include "lib/mail/parts.h"

#include <string.h>

#include "lib/base/ascii.h"
#include "lib/mail/header.h"
#include "lib/mail/mime.h"
#include "lib/mail/parameters.h"
#include "lib/mail/uni.h"

static void
begin_header(struct parts *p)
{
	p->state = PARTS_IN_HEADER;
	p->kind = PARTS_LEAF;
	p->encoding = PARTS_PLAIN;
	p->is_text = true; /* RFC 2045, 5.2 */
	p->charset[0] = p->boundary[0] = '\0';
	p->typed = p->encoded = p->zip_named = false;
	buf_reset(&p->raw);
}

void
parts_init(struct parts *p, const struct parts_found *found, void *arg)
{
	memset(p, 0, sizeof(*p));
	p->found = found;
	p->arg = arg;
	p->in_top = true;
	buf_init(&p->raw, PARTS_FIELD);
	buf_init(&p->value, PARTS_FIELD);
	buf_init(&p->name, 4 * PARTS_FIELD);
	buf_init(&p->text, PARTS_TEXT + PARTS_LINE);
	begin_header(p);
}

void
parts_free(struct parts *p)
{
	buf_wipe(&p->raw);
	buf_wipe(&p->value);
	buf_wipe(&p->text);
	buf_free(&p->raw);
	buf_free(&p->value);
	buf_free(&p->name);
	buf_free(&p->text);
	zip_free(p->zip);
	explicit_bzero(p->line, sizeof(p->line));
}

static void
fault(struct parts *p, const char *what)
{
	if (p->fault == NULL)
		p->fault = what;
}

/* --- names ---------------------------------------------------------------- */

static bool
names_archive(const char *name, size_t n)
{
	return n >= 4 && ascii_caseeq(name + n - 4, ".zip", 4);
}

/* Blanks and dots at its end are no part of a name to Windows; control characters to nobody. */
static void
tell_plain(struct parts *p, struct span name)
{
	char plain[PARTS_NAME] = "";
	size_t n = 0;

	if (name.len > sizeof(plain)) /* what it ends with counts most */
		name = (struct span){ name.s + name.len - sizeof(plain), sizeof(plain) };
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.s[i] >= ' ' && name.s[i] != 0x7f)
			plain[n++] = name.s[i];
	while (n > 0 && (plain[n - 1] == ' ' || plain[n - 1] == '.'))
		n--;
	if (n > 0)
		p->found->name(p->arg, (struct span){ plain, n });
	p->zip_named = p->zip_named || names_archive(plain, n);
}

/* To some programs a name ends at a NUL. */
static void
tell_name(struct parts *p, struct span name)
{
	const char *nul = name.len > 0 ? memchr(name.s, '\0', name.len) : NULL;

	if (p->found->name == NULL)
		return;
	if (++p->names > PARTS_COUNT) {
		fault(p, "too many names");
		return;
	}
	tell_plain(p, name);
	if (nul != NULL)
		tell_plain(p, (struct span){ name.s, (size_t)(nul - name.s) });
}

static void
zip_name(void *p, struct span name)
{
	tell_plain(p, name);
}

static void
take_names(struct parts *p, struct span parameters, const char *word)
{
	struct buf value = BUF_INIT(PARTS_FIELD), readable = BUF_INIT(4 * PARTS_FIELD);
	struct span name, rest = parameters;

	while (parameters_next(&rest, &name, &value)) { /* a second one may be what another program takes */
		if (!span_case_is(name, word))
			continue;
		buf_reset(&p->name);
		buf_reset(&readable);
		uni_from_header(buf_span(&value), &readable);
		mime_decode(buf_span(&readable), &p->name);
		tell_name(p, buf_span(&p->name));
	}
	if (parameters_get_extended(parameters, word, &value))
		tell_name(p, buf_span(&value));
	buf_free(&value);
	buf_free(&readable);
}

/* --- a header ------------------------------------------------------------- */

static void
copy_parameter(struct span parameters, const char *name, char *out, size_t room)
{
	struct buf value = BUF_INIT(PARTS_FIELD);

	if ((parameters_get(parameters, name, &value) || parameters_get_extended(parameters, name, &value)) &&
	    value.len < room)
		memcpy(out, buf_str(&value), value.len + 1);
	buf_free(&value);
}

/* Of two only one counts (RFC 5322, 3.6), and which one programs do not agree about: that there are parts counts more. */
static void
take_type(struct parts *p, struct span value)
{
	struct span parameters, type = parameters_token(value, &parameters);

	take_names(p, parameters, "name");
	if (p->typed)
		fault(p, "a header has two Content-Type fields");
	if (p->typed && p->kind == PARTS_MULTIPART)
		return;
	p->typed = true;
	if (span_case_is(type, "message/partial"))
		fault(p, "a message comes in pieces"); /* RFC 2046, 5.2.2: what was in it shows when they are together */
	p->kind = span_begins(type, "multipart/", NULL) ? PARTS_MULTIPART :
	    span_case_is(type, "message/rfc822") || span_case_is(type, "message/global") ? PARTS_MESSAGE : PARTS_LEAF;
	p->is_text = span_begins(type, "text/", NULL);
	p->charset[0] = p->boundary[0] = '\0';
	copy_parameter(parameters, "charset", p->charset, sizeof(p->charset));
	if (p->kind == PARTS_MULTIPART)
		copy_parameter(parameters, "boundary", p->boundary, sizeof(p->boundary));
}

static void
take_encoding(struct parts *p, struct span value)
{
	static const char *const plain[] = { "7bit", "8bit", "binary", "", NULL };
	struct span rest, encoding = parameters_token(value, &rest);

	if (p->encoded)
		fault(p, "a header has two Content-Transfer-Encoding fields");
	p->encoded = true;
	p->encoding = PARTS_PLAIN;
	if (span_case_is(encoding, "base64"))
		p->encoding = PARTS_BASE64;
	else if (span_case_is(encoding, "quoted-printable"))
		p->encoding = PARTS_QUOTED;
	else {
		for (size_t i = 0; plain[i] != NULL; i++)
			if (span_case_is(encoding, plain[i]))
				return;
		fault(p, "an unknown Content-Transfer-Encoding");
	}
}

static void
end_field(struct parts *p)
{
	struct span rest = buf_span(&p->raw), parameters;
	struct field f;

	if (buf_over(&p->raw))
		fault(p, "a field of the header is too long");
	if (rest.len > 0 && header_next(&rest, &f) && f.name.len > 0) {
		buf_reset(&p->value);
		header_unfold(f.value, &p->value);
		if (span_case_is(f.name, "Content-Type"))
			take_type(p, buf_span(&p->value));
		else if (span_case_is(f.name, "Content-Transfer-Encoding"))
			take_encoding(p, buf_span(&p->value));
		else if (span_case_is(f.name, "Content-Disposition")) {
			(void)parameters_token(buf_span(&p->value), &parameters);
			take_names(p, parameters, "filename");
		}
		if (p->found->field != NULL)
			p->found->field(p->arg, p->in_top, f.name, buf_span(&p->value));
	}
	buf_reset(&p->raw);
}

static void
begin_multipart(struct parts *p)
{
	struct parts_level *l;

	p->state = PARTS_BETWEEN;
	if (p->encoding != PARTS_PLAIN)
		fault(p, "a multipart is encoded"); /* RFC 2045, 6.4 */
	if (p->boundary[0] == '\0') {
		fault(p, "a multipart has no boundary");
		return;
	}
	if (p->depth + p->messages >= PARTS_DEPTH) {
		fault(p, "parts lie too deep in one another");
		return;
	}
	l = &p->levels[p->depth++];
	l->len = strlen(p->boundary);
	memcpy(l->boundary, p->boundary, l->len + 1);
	l->messages = p->messages;
}

static void
begin_text(struct parts *p)
{
	p->state = PARTS_IN_TEXT;
	p->bits = p->have = 0;
	p->archive = p->found->name == NULL ? PARTS_NO_ZIP : p->zip_named ? PARTS_ZIP : PARTS_MAY_BE_ZIP;
	buf_reset(&p->text);
	if (p->found->part != NULL)
		p->found->part(p->arg);
}

static void
end_header(struct parts *p)
{
	end_field(p);
	p->in_top = false;
	if (p->kind == PARTS_MULTIPART)
		begin_multipart(p);
	else if (p->kind == PARTS_MESSAGE && p->encoding == PARTS_PLAIN && p->depth + p->messages < PARTS_DEPTH) {
		p->messages++;
		begin_header(p);
	} else {
		if (p->kind == PARTS_MESSAGE)
			fault(p, p->encoding != PARTS_PLAIN ? "a message inside is encoded" : "parts lie too deep in one another");
		begin_text(p);
	}
}

/* --- text ----------------------------------------------------------------- */

static void
tell_text(struct parts *p, struct span text)
{
	struct buf readable = BUF_INIT(4 * (PARTS_TEXT + PARTS_LINE));

	if (text.len == 0 || p->found->text == NULL)
		return;
	if (p->is_text && p->charset[0] != '\0' && !span_case_is(span_of(p->charset), "utf-8") &&
	    !span_case_is(span_of(p->charset), "us-ascii") && uni_decode(span_of(p->charset), text, &readable))
		text = buf_span(&readable);
	p->found->text(p->arg, text);
	buf_free(&readable);
}

/* Archives begin like this, unless their name says enough. */
static void
look_for_zip(struct parts *p)
{
	if (p->archive == PARTS_MAY_BE_ZIP && p->text.len >= 4) {
		p->archive = memcmp(p->text.s, "PK", 2) == 0 ? PARTS_ZIP : PARTS_NO_ZIP;
		if (p->archive == PARTS_NO_ZIP && p->found->text == NULL)
			buf_reset(&p->text);
	}
}

static void
feed_zip(struct parts *p, struct span octets)
{
	if (p->zip == NULL)
		p->zip = zip_new(zip_name, p);
	zip_feed(p->zip, octets);
}

static void
end_zip(struct parts *p)
{
	if (p->archive != PARTS_ZIP || p->zip == NULL)
		return;
	zip_end(p->zip);
	zip_begin(p->zip);
	if (zip_fault(p->zip) != NULL)
		fault(p, zip_fault(p->zip));
}

/* What is decoded goes out in whole lines where there are any: a character is seldom split between two of them. */
static void
flush_text(struct parts *p, bool all)
{
	const char *lf;
	size_t n = p->text.len;

	if (n == 0)
		return;
	if (!all && (lf = memrchr(p->text.s, '\n', n)) != NULL)
		n = (size_t)(lf - p->text.s) + 1;
	if (p->archive == PARTS_ZIP)
		feed_zip(p, (struct span){ p->text.s, n });
	tell_text(p, (struct span){ p->text.s, n });
	buf_drop(&p->text, n);
}

static void
end_text(struct parts *p)
{
	flush_text(p, true);
	end_zip(p);
}

static void
decode_base64(struct parts *p, struct span line)
{
	for (size_t i = 0; i < line.len; i++) {
		int v = base64_value(line.s[i]);

		if (line.s[i] == '=') { /* behind padding a new text may begin: some programs read on */
			p->bits = p->have = 0;
			continue;
		}
		if (v < 0)
			continue; /* RFC 2045, 6.8 */
		p->bits = (p->bits << 6 | (unsigned)v) & 0xffffff;
		p->have += 6;
		if (p->have >= 8) {
			p->have -= 8;
			buf_addc(&p->text, (char)(p->bits >> p->have & 0xff));
		}
	}
}

/* RFC 2045, 6.7. What is no "=XX" stands for itself. */
static void
decode_quoted(struct parts *p, struct span line, bool ended)
{
	while (ended && line.len > 0 && ascii_space((unsigned char)line.s[line.len - 1]))
		line.len--;
	for (size_t i = 0; i < line.len; i++) {
		int high = -1, low = -1;

		if (line.s[i] == '=' && i + 1 == line.len && ended)
			return; /* the line goes on */
		if (line.s[i] == '=' && i + 2 < line.len) {
			high = hex_value(line.s[i + 1]);
			low = hex_value(line.s[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			buf_addc(&p->text, (char)(high * 16 + low));
			i += 2;
		} else
			buf_addc(&p->text, line.s[i]);
	}
	if (ended)
		buf_addc(&p->text, '\n');
}

/* "begin 644 letter.doc": a file among the lines of a text, as programs wrote it before MIME. */
static void
look_for_uuencode(struct parts *p, struct span line)
{
	size_t i = strlen("begin ");

	if (!span_begins(line, "begin ", NULL))
		return;
	while (i < line.len && line.s[i] >= '0' && line.s[i] <= '7')
		i++;
	if (i < strlen("begin 644") || i >= line.len || line.s[i] != ' ')
		return;
	tell_name(p, (struct span){ line.s + i + 1, line.len - i - 1 });
}

static void
take_text(struct parts *p, struct span line, bool ended)
{
	if (!p->going_on)
		look_for_uuencode(p, line);
	if (p->found->text == NULL && p->archive == PARTS_NO_ZIP)
		return;
	if (p->encoding == PARTS_BASE64)
		decode_base64(p, line);
	else if (p->encoding == PARTS_QUOTED)
		decode_quoted(p, line, ended);
	else {
		buf_addspan(&p->text, line);
		if (ended)
			buf_addc(&p->text, '\n');
	}
	look_for_zip(p);
	if (p->text.len >= PARTS_TEXT)
		flush_text(p, false);
}

/* --- lines ---------------------------------------------------------------- */

static bool
only_blanks(struct span s)
{
	return span_trim(s).len == 0;
}

/* The level whose boundary the line is, counted from 1, the innermost first; 0: none. An exact one goes before one
 * that the line only begins with (which is a boundary, too: RFC 2046, 5.1.1). */
static unsigned
boundary_of(const struct parts *p, struct span line, bool *last)
{
	for (int exact = 1; exact >= 0; exact--) {
		for (unsigned i = p->depth; i > 0; i--) {
			const struct parts_level *l = &p->levels[i - 1];
			struct span rest;

			if (line.len < 2 + l->len || memcmp(line.s + 2, l->boundary, l->len) != 0)
				continue;
			rest = (struct span){ line.s + 2 + l->len, line.len - 2 - l->len };
			*last = rest.len >= 2 && memcmp(rest.s, "--", 2) == 0;
			if (!exact || only_blanks(rest) || (*last && only_blanks((struct span){ rest.s + 2, rest.len - 2 })))
				return i;
		}
	}
	return 0;
}

/* What was open above this level is over. */
static void
at_boundary(struct parts *p, unsigned level, bool last)
{
	if (p->state == PARTS_IN_HEADER)
		end_header(p);
	if (p->state == PARTS_IN_TEXT)
		end_text(p);
	if (p->depth > level)
		fault(p, "a multipart does not end");
	p->messages = p->levels[level - 1].messages;
	p->depth = last ? level - 1 : level;
	p->state = PARTS_BETWEEN;
	if (last)
		return;
	if (++p->count > PARTS_COUNT)
		fault(p, "too many parts");
	else
		begin_header(p);
}

static void
take_header(struct parts *p, struct span line, bool ended)
{
	bool folded = !p->going_on && line.len > 0 && ascii_space((unsigned char)line.s[0]);

	if (line.len == 0 && ended && !p->going_on) {
		end_header(p);
		return;
	}
	if (!p->going_on && !folded)
		end_field(p);
	buf_addspan(&p->raw, line);
	if (ended)
		buf_addc(&p->raw, '\n');
}

/* A line, or as much of it as is looked at in one. */
static void
take_line(struct parts *p, bool ended)
{
	struct span line = { p->line, p->used };
	unsigned level = 0;
	bool last = false;

	if (ended && line.len > 0 && line.s[line.len - 1] == '\r')
		line.len--;
	if (!p->going_on && p->depth > 0 && line.len >= 2 && line.s[0] == '-' && line.s[1] == '-')
		level = boundary_of(p, line, &last);
	if (level > 0)
		at_boundary(p, level, last);
	else if (p->state == PARTS_IN_HEADER)
		take_header(p, line, ended);
	else if (p->state == PARTS_IN_TEXT)
		take_text(p, line, ended);
	p->going_on = !ended;
	p->used = 0;
}

void
parts_feed(struct parts *p, const char *s, size_t n)
{
	while (n > 0) {
		size_t room = PARTS_LINE - p->used, take = n < room ? n : room;
		const char *lf = memchr(s, '\n', take);

		if (lf != NULL)
			take = (size_t)(lf - s);
		memcpy(p->line + p->used, s, take);
		p->used += take;
		if (lf != NULL || p->used == PARTS_LINE)
			take_line(p, lf != NULL);
		take += lf != NULL;
		s += take;
		n -= take;
	}
}

void
parts_end(struct parts *p)
{
	if (p->used > 0)
		take_line(p, true);
	if (p->state == PARTS_IN_HEADER)
		end_header(p);
	if (p->state == PARTS_IN_TEXT)
		end_text(p);
	if (p->depth > 0)
		fault(p, "a multipart does not end");
}
