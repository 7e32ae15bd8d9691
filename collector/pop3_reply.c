/*
 * pop3_reply: the grammar of POP3's replies, taken leniently.
 *
 * Pure functions on lines, so that a fuzzer can run the whole module.
 */
#include "collector/pop3_reply.h"

#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/num.h"

enum pop3_status
pop3_status(struct span line, struct span *text)
{
	enum pop3_status status = POP3_STRANGE;
	struct span rest;

	*text = line;
	if (span_begins(line, "+OK", &rest))
		status = POP3_OK;
	else if (span_begins(line, "-ERR", &rest))
		status = POP3_ERR;
	else if (span_begins(line, "+", &rest) && (rest.len == 0 || rest.s[0] == ' '))
		status = POP3_CHALLENGE;
	if (status != POP3_STRANGE)
		*text = span_trim(rest);
	return status;
}

static bool
contains(struct span s, const char *what)
{
	size_t n = strlen(what);

	for (size_t i = 0; i + n <= s.len; i++)
		if (ascii_caseeq(s.s + i, what, n))
			return true;
	return false;
}

bool
pop3_busy(struct span text)
{
	static const char *const codes[] = { "[IN-USE", "[LOGIN-DELAY", "[SYS/" };
	static const char *const words[] = { "in use", "maildrop lock", "mailbox lock", "is locked by", "try again",
		"temporar" };

	for (size_t i = 0; i < COUNT(codes); i++)
		if (span_begins(text, codes[i], NULL))
			return true;
	if (span_begins(text, "[AUTH", NULL))
		return false;
	for (size_t i = 0; i < COUNT(words); i++)
		if (contains(text, words[i]))
			return true;
	return false;
}

/* What APOP digests is the server's choice: a message-id and nothing else, lest it be more than that. */
struct span
pop3_timestamp(struct span greeting)
{
	const struct span none = { "", 0 };
	const char *open = memchr(greeting.s, '<', greeting.len), *close;
	size_t at = 0;

	if (open == NULL)
		return none;
	close = memchr(open, '>', greeting.len - (size_t)(open - greeting.s));
	if (close == NULL)
		return none;
	for (const char *c = open + 1; c < close; c++) {
		if (!ascii_print((unsigned char)*c) || *c == ' ' || *c == '<')
			return none;
		at += *c == '@';
	}
	return at == 1 ? (struct span){ open, (size_t)(close - open) + 1 } : none;
}

void
pop3_capa_line(struct pop3_capa *c, struct span line)
{
	struct span word = span_cut(&line, ' ');

	c->pipelining = c->pipelining || span_case_is(word, "PIPELINING");
	c->stls = c->stls || span_case_is(word, "STLS");
	if (!span_case_is(word, "SASL") || line.s == NULL)
		return;
	if (c->sasl.len > 0)
		buf_addc(&c->sasl, ' ');
	buf_addspan(&c->sasl, span_trim(line));
}

bool
pop3_listing_end(struct span *line)
{
	if (line->len == 0 || line->s[0] != '.')
		return false;
	*line = (struct span){ line->s + 1, line->len - 1 };
	return line->len == 0;
}

static bool
read_number(struct span *line, uint64_t max, uint64_t *out)
{
	struct span word = span_cut(line, ' ');

	return num_parse(word, max, out) == 0;
}

bool
pop3_list_line(struct span line, uint32_t *number, uint64_t *octets)
{
	uint64_t n;

	if (!read_number(&line, UINT32_MAX, &n) || n == 0)
		return false;
	*number = (uint32_t)n;
	if (line.s == NULL || !read_number(&line, INT64_MAX, octets))
		*octets = 0;
	return true;
}

static bool
uid_ok(struct span uid)
{
	if (uid.len == 0 || uid.len > POP3_UID_MAX)
		return false;
	for (size_t i = 0; i < uid.len; i++)
		if (!ascii_print((unsigned char)uid.s[i]) || uid.s[i] == ' ')
			return false;
	return true;
}

bool
pop3_uidl_line(struct span line, uint32_t *number, struct span *uid)
{
	uint64_t n;

	if (!read_number(&line, UINT32_MAX, &n) || n == 0)
		return false;
	*number = (uint32_t)n;
	*uid = line.s != NULL ? span_trim(line) : (struct span){ "", 0 };
	if (!uid_ok(*uid))
		*uid = (struct span){ "", 0 };
	return true;
}
