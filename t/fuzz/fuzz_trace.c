/*
 * Promises of lib/mail/trace.c: clauses lie in the value, one after the other; the host in front of a hop is an address
 * and a name of a host, or nothing.
 */
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/mail/trace.h"
#include "t/fuzz/fuzz.h"

static void
check_clause(struct span value, struct span clause)
{
	struct span word;

	if (clause.s == NULL)
		return;
	PROMISE(clause.s >= value.s && clause.s + clause.len <= value.s + value.len);
	word = trace_word(clause);
	PROMISE(word.len == 0 || (word.s >= clause.s && word.s + word.len <= clause.s + clause.len));
	PROMISE(word.len == 0 || (memchr(word.s, ' ', word.len) == NULL && memchr(word.s, '(', word.len) == NULL));
}

static void
check_host(struct span from)
{
	struct trace_host host;

	trace_host(from, &host);
	for (size_t i = 0; i < host.address.len; i++)
		PROMISE(ascii_alnum((unsigned char)host.address.s[i]) || strchr(".:", host.address.s[i]) != NULL);
	for (size_t i = 0; i < host.name.len; i++)
		PROMISE(ascii_alnum((unsigned char)host.name.s[i]) || strchr(".-_", host.name.s[i]) != NULL);
	PROMISE(!span_case_is(host.name, "unknown"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct span value = { (const char *)octets, n };
	struct trace t;

	trace_parse(value, &t);
	check_clause(value, t.from);
	check_clause(value, t.by);
	check_clause(value, t.via);
	check_clause(value, t.with);
	check_clause(value, t.id);
	check_clause(value, t.rcpt);
	check_host(t.from);
	check_host(value);
	return 0;
}
