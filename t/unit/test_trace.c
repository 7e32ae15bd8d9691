/* test_trace: Received fields of many systems. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/mail/trace.h"
#include "lib/base/mem.h"

static const struct {
	const char *in, *from, *by, *with, *rcpt; /* first words; "" for none */
} clauses[] = {
	{ "from a.example (b.example [192.0.2.1]) by mx.example (Postfix) with ESMTP id X for <ann@example.org>; date",
	  "a.example", "mx.example", "ESMTP", "<ann@example.org>" },
	{ "by mx.example (Postfix, from userid 33) id X; date for x", "", "mx.example", "", "" },
	{ "(qmail 1 invoked by uid 89); date", "", "", "", "" },
	{ "FROM a.example BY mx.example FOR ann@example.org", "a.example", "mx.example", "", "ann@example.org" },
	{ "from a.example (for <x@y>) by mx.example (by z; from q) for <ann@example.org> for <x@y>",
	  "a.example", "mx.example", "", "<ann@example.org>" },
	{ "from a.example(b)by mx.example", "a.example", "mx.example", "", "" },
	{ "from a.example (open by mx.example for <x@y>", "a.example", "", "", "" },
	{ "", "", "", "", "" },
};

static void
is_word(struct span clause, const char *want, const char *row)
{
	struct span word = trace_word(clause);

	if (word.s == NULL ? *want != '\0' : !span_is(word, want))
		fail_msg("%s: %.*s, expected %s", row, (int)word.len, word.s, want);
}

static void
clause_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(clauses); i++) {
		struct trace t;

		trace_parse(span_of(clauses[i].in), &t);
		is_word(t.from, clauses[i].from, clauses[i].in);
		is_word(t.by, clauses[i].by, clauses[i].in);
		is_word(t.with, clauses[i].with, clauses[i].in);
		is_word(t.rcpt, clauses[i].rcpt, clauses[i].in);
	}
}

static const struct {
	const char *from, *address, *name;
} hosts[] = {
	{ "helo.example (real.example [192.0.2.1])", "192.0.2.1", "real.example" },
	{ "helo.example (unknown [192.0.2.1])", "192.0.2.1", "" },
	{ "helo.example ([fe80::1:2%11])", "fe80::1:2", "" },
	{ "helo.example (real.example [192.0.2.1] (may be forged))", "192.0.2.1", "" },
	{ "helo.example (IDENT:user@real.example [192.0.2.1])", "192.0.2.1", "real.example" },
	{ "real.example ([192.0.2.1] helo=helo.example)", "192.0.2.1", "real.example" },
	{ "[192.0.2.1] (helo=[127.0.0.1])", "192.0.2.1", "" },
	{ "[192.0.2.1] (port=25 helo=10.0.0.1)", "192.0.2.1", "" },
	{ "unknown (HELO mx.isp.example) (192.0.2.1)", "192.0.2.1", "" },
	{ "real.example (HELO helo.example) (192.0.2.1)", "192.0.2.1", "real.example" },
	{ "real.example (HELO 10.0.0.1) (192.0.2.1)", "192.0.2.1", "real.example" },
	{ "real.example", "", "real.example" },
	{ "10.0.0.1", "10.0.0.1", "" },
	{ "helo.example (real.example. [IPv6:2001:db8::1]:25)", "2001:db8::1", "real.example" },
	{ "helo.example (using TLSv1.3) (real.example [192.0.2.1])", "192.0.2.1", "using" },
	{ "", "", "" },
};

static void
host_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(hosts); i++) {
		struct trace_host h;

		trace_host(span_of(hosts[i].from), &h);
		if ((h.address.len > 0 ? !span_is(h.address, hosts[i].address) : *hosts[i].address != '\0') ||
		    (h.name.len > 0 ? !span_is(h.name, hosts[i].name) : *hosts[i].name != '\0'))
			fail_msg("%s: %.*s, %.*s", hosts[i].from, (int)h.address.len, h.address.s, (int)h.name.len,
			    h.name.s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(clause_rows), cmocka_unit_test(host_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
