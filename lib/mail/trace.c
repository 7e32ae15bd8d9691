/*
 * trace: what a Received field says.
 *
 * Knows the shapes of the mail systems that are about; which of them to believe is the caller's question.
 */
#include "lib/mail/trace.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/mem.h"
#include "lib/mail/header.h"

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Past the parenthesis that opens at i. */
static size_t
past_comment(struct span s, size_t i)
{
	return i + header_comment((struct span){ s.s + i, s.len - i });
}

/* The next word outside parentheses from *at on; empty at the end. */
static struct span
next_word(struct span s, size_t *at)
{
	size_t i = *at, start;

	if (s.len == 0)
		return s;
	while (i < s.len && (blank(s.s[i]) || s.s[i] == '('))
		i = s.s[i] == '(' ? past_comment(s, i) : i + 1;
	for (start = i; i < s.len && !blank(s.s[i]) && s.s[i] != '('; i++)
		continue;
	*at = i;
	return (struct span){ s.s + start, i - start };
}

static struct span
without_date(struct span s)
{
	for (size_t i = 0; i < s.len;) {
		if (s.s[i] == ';')
			return (struct span){ s.s, i };
		i = s.s[i] == '(' ? past_comment(s, i) : i + 1;
	}
	return s;
}

static struct span *
clause_of(struct trace *t, struct span word)
{
	const struct {
		const char *keyword;
		struct span *clause;
	} clauses[] = {
		{ "from", &t->from }, { "by", &t->by }, { "via", &t->via },
		{ "with", &t->with }, { "id", &t->id }, { "for", &t->rcpt },
	};

	for (size_t i = 0; i < COUNT(clauses); i++)
		if (span_case_is(word, clauses[i].keyword))
			return clauses[i].clause;
	return NULL;
}

static void
end_clause(struct span *clause, const char *end)
{
	if (clause != NULL)
		*clause = span_trim((struct span){ clause->s, (size_t)(end - clause->s) });
}

void
trace_parse(struct span value, struct trace *out)
{
	struct span s = without_date(value), word;
	struct span *open = NULL;
	size_t at = 0;

	*out = (struct trace){ 0 };
	while ((word = next_word(s, &at)).len > 0) {
		struct span *clause = clause_of(out, word);

		if (clause == NULL || clause->s != NULL)
			continue;
		end_clause(open, word.s);
		*clause = (struct span){ word.s + word.len, 0 };
		open = clause;
	}
	end_clause(open, s.s + s.len);
}

struct span
trace_word(struct span clause)
{
	size_t at = 0;

	return clause.s == NULL ? clause : next_word(clause, &at);
}

/* --- the from clause ----------------------------------------------------- */

static bool
is_address(struct span s)
{
	char text[64];
	unsigned char octets[16];

	if (s.len == 0 || s.len >= sizeof(text) || memchr(s.s, '\0', s.len) != NULL)
		return false;
	memcpy(text, s.s, s.len);
	text[s.len] = '\0';
	return inet_pton(AF_INET, text, octets) == 1 || inet_pton(AF_INET6, text, octets) == 1;
}

/* "[192.0.2.1]", "host[192.0.2.1]:25", "[IPv6:2001:db8::1]", "[fe80::1%3]", "192.0.2.1:25", "ip=192.0.2.1";
 * empty if it is none of these. */
static struct span
literal_of(struct span word)
{
	struct span inner = word, cut;

	if (word.len > 0 && memchr(word.s, '[', word.len) != NULL) {
		span_cut(&inner, '[');
		inner = span_cut(&inner, ']');
	} else if (word.len > 0 && memchr(word.s, '=', word.len) != NULL) {
		span_cut(&inner, '=');
	}
	if (inner.len >= 5 && ascii_caseeq(inner.s, "IPv6:", 5))
		inner = (struct span){ inner.s + 5, inner.len - 5 };
	cut = inner;
	inner = span_cut(&cut, '%'); /* the zone of a link-local address (RFC 4007, 11) */
	if (is_address(inner))
		return inner;
	cut = inner;
	inner = span_cut(&cut, ':');
	return is_address(inner) ? inner : (struct span){ NULL, 0 };
}

static bool
host_octet(char c)
{
	return ascii_alnum((unsigned char)c) || c == '.' || c == '-' || c == '_';
}

/* "host.example", "user@host.example", "host.example[192.0.2.1]"; empty if it is no host's name. */
static struct span
name_of(struct span word)
{
	struct span name = word, at;

	if (word.len == 0)
		return name;
	name = span_cut(&word, '[');
	for (at = name; at.s != NULL;)
		name = span_cut(&at, '@');
	if (name.s == NULL)
		return name;
	while (name.len > 0 && name.s[name.len - 1] == '.')
		name.len--;
	for (size_t i = 0; i < name.len; i++)
		if (!host_octet(name.s[i]))
			return (struct span){ NULL, 0 };
	if (is_address(name) || span_case_is(name, "unknown"))
		return (struct span){ NULL, 0 };
	return name;
}

struct parenthesis {
	struct span address, name;
	bool helo, forged;
};

static bool
separates(char c)
{
	return blank(c) || c == '(' || c == ')' || c == ',' || c == ';';
}

static bool
starts_helo(struct span word)
{
	return word.len >= 5 && (ascii_caseeq(word.s, "helo=", 5) || ascii_caseeq(word.s, "ehlo=", 5));
}

/* What stands in a parenthesis of the from clause, nested ones included. */
static void
read_parenthesis(struct span s, struct parenthesis *out)
{
	static const char *const warning[] = { "may", "be", "forged" }; /* sendmail's */
	size_t warned = 0;
	bool helo_value = false;

	*out = (struct parenthesis){ 0 };
	for (size_t i = 0; i < s.len;) {
		struct span word = { s.s + i, 0 };

		while (i < s.len && !separates(s.s[i]))
			i++, word.len++;
		if (word.len == 0) {
			i++;
			continue;
		}
		if (helo_value || starts_helo(word)) {
			helo_value = false;
			out->helo = true;
			continue;
		}
		if (span_case_is(word, "HELO") || span_case_is(word, "EHLO")) {
			helo_value = out->helo = true;
			continue;
		}
		warned = span_case_is(word, warning[warned]) ? warned + 1 : span_case_is(word, warning[0]);
		if (warned == COUNT(warning)) {
			out->forged = true;
			warned = 0;
		}
		if (out->address.len == 0)
			out->address = literal_of(word);
		if (out->name.len == 0)
			out->name = name_of(word);
	}
}

void
trace_host(struct span from, struct trace_host *out)
{
	struct parenthesis first = { 0 }, p;
	struct span before = trace_word(from), outside;
	size_t parentheses = 0, at = 0;
	bool forged = false;

	*out = (struct trace_host){ 0 };
	for (size_t i = 0; i < from.len;) {
		size_t end = from.s[i] == '(' ? past_comment(from, i) : i + 1;

		if (from.s[i] == '(') {
			read_parenthesis((struct span){ from.s + i, end - i }, &p);
			if (parentheses++ == 0)
				first = p;
			forged = forged || p.forged;
			if (out->address.len == 0)
				out->address = p.address;
		}
		i = end;
	}
	while (out->address.len == 0 && (outside = next_word(from, &at)).len > 0)
		out->address = literal_of(outside);
	if (forged)
		return;
	if (first.name.len > 0)
		out->name = first.name;
	else if (first.helo || parentheses == 0)
		out->name = name_of(before);
}
