/*
 * What smtpd is made of, without a socket: parameters, recipients, trace fields, replies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtpd/params.h"
#include "smtpd/rcpts.h"
#include "smtpd/trace.h"

static void
mail_parameters(void **state)
{
	// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order people read
	static const struct {
		const char *text;
		enum said said;
		uint64_t size;
		bool eightbit, smtputf8;
	} rows[] = {
		{ "", SAY_OK, 0, false, false },
		{ "  ", SAY_OK, 0, false, false },
		{ " SIZE=0", SAY_OK, 0, false, false },
		{ " size=12345  BODY=8BITMIME SMTPUTF8 ", SAY_OK, 12345, true, true },
		{ " BODY=7bit", SAY_OK, 0, false, false },
		{ " SIZE=18446744073709551615", SAY_OK, UINT64_MAX, false, false },
		{ " SIZE=18446744073709551616", SAY_OK, UINT64_MAX, false, false },
		{ " SIZE=00000000000000000007", SAY_OK, 7, false, false },
		{ " SIZE=000000000000000000007", SAY_PARAMETER_VALUE, 0, false, false },
		{ " SIZE=", SAY_PARAMETER_SYNTAX, 0, false, false },
		{ " SIZE", SAY_PARAMETER_VALUE, 0, false, false },
		{ " SIZE=1,000", SAY_PARAMETER_VALUE, 0, false, false },
		{ " SIZE=1 size=2", SAY_PARAMETER_TWICE, 0, false, false },
		{ " BODY=", SAY_PARAMETER_SYNTAX, 0, false, false },
		{ " BODY=8BIT", SAY_PARAMETER_VALUE, 0, false, false },
		{ " SMTPUTF8=", SAY_PARAMETER_SYNTAX, 0, false, false },
		{ " SMTPUTF8=x", SAY_PARAMETER_VALUE, 0, false, false },
		{ " X", SAY_PARAMETER_UNKNOWN, 0, false, false },
		{ " X=a=b", SAY_PARAMETER_SYNTAX, 0, false, false },
		{ " X_Y=a", SAY_PARAMETER_SYNTAX, 0, false, false },
		{ " =a", SAY_PARAMETER_SYNTAX, 0, false, false },
		{ "SIZE=1", SAY_PARAMETER_SYNTAX, 0, false, false },
		{ "\tSIZE=1", SAY_PARAMETER_SYNTAX, 0, false, false },
		{ " SIZE=1\tBODY=7BIT", SAY_PARAMETER_SYNTAX, 0, false, false },
	};
	struct params p;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		enum said said = params_mail(span_of(rows[i].text), &p);

		if (said != rows[i].said)
			print_error("row %zu: \"%s\"\n", i, rows[i].text);
		assert_int_equal(said, rows[i].said);
		if (said != SAY_OK)
			continue;
		assert_true(p.size == rows[i].size);
		assert_int_equal(p.eightbit, rows[i].eightbit);
		assert_int_equal(p.smtputf8, rows[i].smtputf8);
	}
	assert_int_equal(params_rcpt(span_of(""), &p), SAY_OK);
	assert_int_equal(params_rcpt(span_of(" SIZE=1"), &p), SAY_PARAMETER_UNKNOWN);
}

static void
recipients_once(void **state)
{
	enum { MANY = 5000 };
	static char names[MANY][24];
	struct rcpts l = { 0 };

	(void)state;
	for (int round = 0; round < 2; round++) {
		assert_false(rcpts_has(&l, RCPT_LOCAL, "u0@example.org"));
		for (int i = 0; i < MANY; i++) {
			snprintf(names[i], sizeof(names[i]), "u%d@example.org", i);
			assert_true(rcpts_add(&l, RCPT_LOCAL, names[i], ""));
			assert_false(rcpts_add(&l, RCPT_LOCAL, names[i / 2], ""));
		}
		assert_int_equal(l.n, MANY);
		assert_true(rcpts_has(&l, RCPT_LOCAL, "u4999@example.org"));
		assert_false(rcpts_has(&l, RCPT_RELAY, "u4999@example.org"));
		assert_true(rcpts_add(&l, RCPT_RELAY, names[0], "")); /* another action is another thing */
		for (int i = 0; i < MANY; i++)
			assert_string_equal(l.r[i].address, names[i]); /* in the order they came */
		rcpts_reset(&l);
		assert_int_equal(l.n, 0);
	}
	rcpts_free(&l);
}

static void
trace_fields(void **state)
{
	static const struct ip peer = { .v6 = false, .octets = { 192, 0, 2, 1 } };
	struct trace t = {
		.sender = "bob@client.example", .mailbox = "ann@example.org", .original = "sales@example.org",
		.helo = "(a b)\n<x>\x7f\xff", .peer = &peer, .host = "mx.example.org", .with = "ESMTP", .id = "7kq3",
	};
	struct buf out = BUF_INIT(4096);

	(void)state;
	setenv("TZ", "UTC", 1);
	trace_head(&t, &out);
	assert_string_equal(buf_str(&out), "Return-Path: <bob@client.example>\nX-Original-To: sales@example.org\n"
	    "Delivered-To: ann@example.org\n");
	buf_reset(&out);
	trace_received(&t, &out);
	assert_string_equal(buf_str(&out), "Received: from %28a%20b%29%0A%3Cx%3E%7F%FF ([192.0.2.1])\n"
	    "\tby mx.example.org with ESMTP id 7kq3\n\tfor <sales@example.org>; Thu, 01 Jan 1970 00:00:00 +0000\n");
	t.original = NULL;
	t.mailbox = NULL;
	t.sender = "";
	buf_reset(&out);
	trace_head(&t, &out);
	assert_string_equal(buf_str(&out), "Return-Path: <>\n");
	buf_free(&out);
}

/* Every reply has its code, its enhanced code of the same class, and words. */
static void
replies_complete(void **state)
{
	(void)state;
	for (enum said i = 0; i < SAY_COUNT; i++) {
		struct reply r = reply_say(i, NULL);

		assert_in_range(r.code, 200, 599);
		assert_non_null(r.text);
		if (r.enhanced[0] != '\0')
			assert_int_equal(r.enhanced[0], '0' + r.code / 100);
		else
			assert_true(i == SAY_GREETING || i == SAY_HELLO || i == SAY_GO_AHEAD || i == SAY_CHALLENGE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_parameters),
		cmocka_unit_test(recipients_once),
		cmocka_unit_test(trace_fields),
		cmocka_unit_test(replies_complete),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
