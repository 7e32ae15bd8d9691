/*
 * mark: what is written above a copy, and read again from it.
 *
 * Ours stand in one place only: Return-Path, Delivered-To, one Received of ours, the two marks, then the
 * message. A sender's lines of the same names stand below that, so they are never taken for ours; those that
 * would only confuse people are left out.
 */
#include "collector/mark.h"

#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "lib/mail/header.h"
#include "lib/mail/trace.h"

#define SORTED "X-Posthouse-Sorted"
#define COLLECTED "X-Collected-For"

void
mark_write(struct buf *b, const char *account, const struct sort_account *a, size_t user,
    const struct sort_result *r, bool cut)
{
	buf_addf(b, COLLECTED ": %s@%s\n", sort_account_mark_of(a, user), sort_account_site(a));
	buf_addf(b, SORTED ": account=%s evidence=%s", account, sort_class_name(r->class));
	if (*r->field != '\0')
		buf_addf(b, " header=%s", r->field);
	if (*r->reason != '\0')
		buf_addf(b, " reason=%s", r->reason);
	if (cut)
		buf_addf(b, " cut=%d", LIMIT_HEADER);
	buf_addc(b, '\n');
}

bool
mark_without_foreign(struct span *rest, struct span *piece)
{
	struct span at = *rest;
	struct field f;

	if (rest->len == 0)
		return false;
	while (header_next(&at, &f)) {
		if (!span_case_is(f.name, SORTED))
			continue;
		*piece = (struct span){ rest->s, (size_t)(f.raw.s - rest->s) };
		*rest = (struct span){ f.raw.s + f.raw.len, rest->len - piece->len - f.raw.len };
		return true;
	}
	*piece = *rest;
	*rest = (struct span){ NULL, 0 };
	return true;
}

/* "name=value" of a line of words; empty: it is not there. */
static struct span
word_of(struct span line, const char *name)
{
	size_t n = strlen(name);
	struct span rest = span_trim(line);

	while (rest.s != NULL) {
		struct span word = span_cut(&rest, ' ');

		if (word.len > n && memcmp(word.s, name, n) == 0)
			return (struct span){ word.s + n, word.len - n };
	}
	return (struct span){ "", 0 };
}

/* Is it the Received of a collector? Others say how they took it, too: SMTP, LMTP. */
static bool
is_collected(struct span received, struct span *server)
{
	static const char *const how[] = { "POP3", "POP3S", "IMAP", "IMAPS" };
	struct trace t;

	trace_parse(received, &t);
	*server = trace_word(t.from);
	for (size_t i = 0; i < COUNT(how); i++)
		if (t.with.s != NULL && span_case_is(trace_word(t.with), how[i]))
			return true;
	return false;
}

static bool
ends_with_site(struct span mark, const char *site)
{
	const char *at = mark.len > 0 ? memrchr(mark.s, '@', mark.len) : NULL;

	if (site == NULL)
		return at != NULL;
	return at != NULL && span_case_is((struct span){ at + 1, mark.len - (size_t)(at + 1 - mark.s) }, site);
}

bool
mark_read(struct span stored, const char *site, struct mark *out)
{
	enum { ENVELOPE, TRACE, FOR, DONE } seen = ENVELOPE;
	struct span rest = stored;
	struct field f;

	*out = (struct mark){ 0 };
	while (seen != DONE && header_next(&rest, &f)) {
		struct span value = span_trim(f.value);

		if (seen == ENVELOPE && (span_case_is(f.name, "Return-Path") || span_case_is(f.name, "Delivered-To")))
			continue;
		if (seen == ENVELOPE && span_case_is(f.name, "Received") && is_collected(value, &out->server)) {
			seen = TRACE;
		} else if (seen == TRACE && span_case_is(f.name, COLLECTED) && ends_with_site(value, site)) {
			seen = FOR;
		} else if (seen == FOR && span_case_is(f.name, SORTED)) {
			out->account = word_of(value, "account=");
			out->evidence = word_of(value, "evidence=");
			out->end = (size_t)(f.raw.s + f.raw.len - stored.s);
			seen = DONE;
		} else {
			return false;
		}
	}
	return seen == DONE && out->account.len > 0 && out->evidence.len > 0;
}
