/* test_pop3_reply: what servers say, and what only looks like it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "collector/pop3_reply.h"

static void
statuses(void **state)
{
	static const struct {
		const char *line;
		enum pop3_status status;
		const char *text;
	} rows[] = {
		{ "+OK", POP3_OK, "" },
		{ "+ok two", POP3_OK, "two" },
		{ "+OK  in ", POP3_OK, "in" },
		{ "-ERR [AUTH] no", POP3_ERR, "[AUTH] no" },
		{ "-err", POP3_ERR, "" },
		{ "+ dXNlcg==", POP3_CHALLENGE, "dXNlcg==" },
		{ "+", POP3_CHALLENGE, "" },
		{ "+ ", POP3_CHALLENGE, "" },
		{ "+O", POP3_STRANGE, "+O" },
		{ "OK", POP3_STRANGE, "OK" },
		{ " +OK", POP3_STRANGE, " +OK" },
		{ "", POP3_STRANGE, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span text;

		if (pop3_status(span_of(rows[i].line), &text) != rows[i].status || !span_is(text, rows[i].text))
			fail_msg("\"%s\": text \"%.*s\"", rows[i].line, (int)text.len, text.s);
	}
}

/* RFC 2449, 8.1 and RFC 3206; and what is said without codes. */
static void
busy(void **state)
{
	static const struct {
		const char *text;
		bool busy;
	} rows[] = {
		{ "[IN-USE] x", true }, { "[login-delay] x", true }, { "[SYS/TEMP] x", true }, { "[SYS/PERM] x", true },
		{ "[AUTH] mailbox in use", false }, { "Unable to lock maildrop: mailbox locked", true },
		{ "maildrop in use by another", true }, { "account locked out", false }, { "bad password", false },
		{ "", false }, { "please try again later", true }, { "Temporary failure", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (pop3_busy(span_of(rows[i].text)) != rows[i].busy)
			fail_msg("\"%s\"", rows[i].text);
}

static void
timestamps(void **state)
{
	static const struct {
		const char *greeting, *timestamp;
	} rows[] = {
		{ "POP3 server ready <1896.697170952@dbc.mtview.ca.us>", "<1896.697170952@dbc.mtview.ca.us>" },
		{ "<1@a> and more", "<1@a>" },
		{ "none", "" }, { "<1@a", "" }, { "<no at>", "" }, { "<a b@c>", "" }, { "<a@b@c>", "" }, { "<<1@a>", "" },
		{ "<\x01@a>", "" }, { "> <", "" }, { "<>", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (!span_is(pop3_timestamp(span_of(rows[i].greeting)), rows[i].timestamp))
			fail_msg("\"%s\"", rows[i].greeting);
}

static void
listings(void **state)
{
	static const struct {
		const char *line;
		uint32_t number; /* 0: no such line */
		uint64_t octets;
	} sizes[] = {
		{ "1 120", 1, 120 }, { "2 200 and more", 2, 200 }, { "3", 3, 0 }, { "4 many", 4, 0 }, { "5 -1", 5, 0 },
		{ "0 1", 0, 0 }, { "", 0, 0 }, { "x", 0, 0 }, { "-1 1", 0, 0 }, { "4294967295 1", 4294967295, 1 },
		{ "4294967296 1", 0, 0 }, { "6 9223372036854775807", 6, INT64_MAX }, { "6 9223372036854775808", 6, 0 },
	};
	static const struct {
		const char *line;
		uint32_t number;
		const char *uid;
	} uids[] = {
		{ "1 whqtswO00WBw418f9t5JxYwZ", 1, "whqtswO00WBw418f9t5JxYwZ" }, { "2  a ", 2, "a" }, { "3", 3, "" },
		{ "4 a b", 4, "" }, { "5 \x7f", 5, "" }, { "x y", 0, "" }, { "6 ~!", 6, "~!" },
	};
	uint32_t number;
	uint64_t octets;
	struct span uid;

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		number = 0;
		octets = 0;
		if (pop3_list_line(span_of(sizes[i].line), &number, &octets) != (sizes[i].number > 0) ||
		    number != sizes[i].number || octets != sizes[i].octets)
			fail_msg("LIST \"%s\"", sizes[i].line);
	}
	for (size_t i = 0; i < COUNT(uids); i++) {
		number = 0;
		uid = SPAN("");
		if (pop3_uidl_line(span_of(uids[i].line), &number, &uid) != (uids[i].number > 0) ||
		    number != uids[i].number || !span_is(uid, uids[i].uid))
			fail_msg("UIDL \"%s\"", uids[i].line);
	}
}

static void
capabilities(void **state)
{
	static const char *const lines[] = { "TOP", "sasl PLAIN SCRAM-SHA-256", "SASL", "SASL LOGIN", "PipeLining",
		"STLSX", "EXPIRE 0", "" };
	struct pop3_capa c = { .sasl = BUF_INIT(100) };
	struct span line = SPAN("..x");

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++)
		pop3_capa_line(&c, span_of(lines[i]));
	assert_true(c.pipelining);
	assert_false(c.stls);
	assert_string_equal(buf_str(&c.sasl), "PLAIN SCRAM-SHA-256 LOGIN");
	assert_false(pop3_listing_end(&line));
	assert_true(span_is(line, ".x"));
	line = SPAN(".");
	assert_true(pop3_listing_end(&line));
	line = SPAN("");
	assert_false(pop3_listing_end(&line));
	buf_free(&c.sasl);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(statuses), cmocka_unit_test(busy),
		cmocka_unit_test(timestamps), cmocka_unit_test(listings), cmocka_unit_test(capabilities) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
