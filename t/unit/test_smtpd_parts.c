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
#include "lib/mail/xtext.h"

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
		{ " REQUIRETLS=yes", SAY_PARAMETER_VALUE, 0, false, false },
		{ " REQUIRETLS requiretls", SAY_PARAMETER_TWICE, 0, false, false },
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
	assert_false(p.requiretls);
	assert_int_equal(params_mail(span_of(" RequireTLS"), &p), SAY_OK);
	assert_true(p.requiretls);
	assert_int_equal(params_rcpt(span_of(" REQUIRETLS"), &p), SAY_PARAMETER_UNKNOWN);
	assert_int_equal(params_rcpt(span_of(""), &p), SAY_OK);
	assert_int_equal(params_rcpt(span_of(" SIZE=1"), &p), SAY_PARAMETER_UNKNOWN);
	assert_int_equal(params_mail(span_of(" NOTIFY=NEVER"), &p), SAY_PARAMETER_UNKNOWN);
}

/* RFC 3461, 4. */
static void
dsn_parameters(void **state)
{
	static const struct {
		const char *text;
		enum said said;
		bool mail;
	} rows[] = {
		{ " RET=FULL ENVID=QQ314159", SAY_OK, true },
		{ " ret=hdrs envid=a+20b+2B+3D", SAY_OK, true },
		{ " RET=NONE", SAY_PARAMETER_VALUE, true },
		{ " RET", SAY_PARAMETER_VALUE, true },
		{ " RET=FULL RET=FULL", SAY_PARAMETER_TWICE, true },
		{ " ENVID", SAY_PARAMETER_VALUE, true },
		{ " ENVID=a+2", SAY_PARAMETER_VALUE, true },
		{ " ENVID=a+", SAY_PARAMETER_VALUE, true },
		{ " ENVID=a+0G", SAY_PARAMETER_VALUE, true },
		{ " ENVID=a+0A", SAY_PARAMETER_VALUE, true }, /* a new line, were it let through */
		{ " ENVID=a+00b", SAY_PARAMETER_VALUE, true },
		{ " ENVID=a+7F", SAY_PARAMETER_VALUE, true },
		{ " ENVID=a+E4", SAY_PARAMETER_VALUE, true },
		{ " ENVID=a\xe4", SAY_PARAMETER_VALUE, true },
		{ " NOTIFY=NEVER", SAY_OK, false },
		{ " notify=success,Failure,DELAY ORCPT=rfc822;Bob+2Bx@example.org", SAY_OK, false },
		{ " NOTIFY=SUCCESS,SUCCESS", SAY_OK, false },
		{ " NOTIFY=NEVER,SUCCESS", SAY_PARAMETER_VALUE, false },
		{ " NOTIFY=", SAY_PARAMETER_SYNTAX, false },
		{ " NOTIFY=SUCCESS,", SAY_PARAMETER_VALUE, false },
		{ " NOTIFY=,SUCCESS", SAY_PARAMETER_VALUE, false },
		{ " NOTIFY=ALWAYS", SAY_PARAMETER_VALUE, false },
		{ " ORCPT=rfc822;", SAY_PARAMETER_VALUE, false },
		{ " ORCPT=;bob@example.org", SAY_PARAMETER_VALUE, false },
		{ " ORCPT=bob@example.org", SAY_PARAMETER_VALUE, false },
		{ " ORCPT=rfc822;bob+0D+0Ainjected", SAY_PARAMETER_VALUE, false },
		{ " ORCPT=r(c;bob", SAY_PARAMETER_VALUE, false },
		{ " ORCPT=X.400;bob", SAY_PARAMETER_VALUE, false }, /* a dot is none of an atom's */
		{ " ORCPT=utf-8;b\\x{F6}b@example.org", SAY_OK, false },
		{ " RET=FULL", SAY_PARAMETER_UNKNOWN, false },
	};
	struct buf text = BUF_INIT(1024), long_one = BUF_INIT(1024);
	struct params p = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		enum said said = (rows[i].mail ? params_mail : params_rcpt)(span_of(rows[i].text), &p);

		if (said != rows[i].said)
			print_error("row %zu: \"%s\"\n", i, rows[i].text);
		assert_int_equal(said, rows[i].said);
	}
	assert_int_equal(params_mail(span_of(" ENVID=a+20b+2b+3D RET=HDRS"), &p), SAY_OK);
	assert_string_equal(p.ret, "HDRS");
	assert_int_equal(xtext_decode(p.envid, &text), 0);
	assert_string_equal(buf_str(&text), "a b+=");
	buf_reset(&text);
	xtext_add(&text, "a b+=\xe4");
	assert_string_equal(buf_str(&text), "a+20b+2B+3D+E4");
	assert_int_equal(params_rcpt(span_of(" ORCPT=utf-8;x@y NOTIFY=DELAY,SUCCESS"), &p), SAY_OK);
	assert_null(p.orcpt.s);
	assert_int_equal(p.notify, NOTIFY_DELAY | NOTIFY_SUCCESS);
	for (size_t n = 100; n <= 101; n++) {
		buf_reset(&long_one);
		buf_addf(&long_one, " ENVID=%0*d", (int)n, 7);
		assert_int_equal(params_mail(buf_span(&long_one), &p), n == 100 ? SAY_OK : SAY_PARAMETER_VALUE);
		buf_reset(&long_one);
		buf_addf(&long_one, " ORCPT=rfc822;%0*d", (int)n + 393, 7);
		assert_int_equal(params_rcpt(buf_span(&long_one), &p), n == 100 ? SAY_OK : SAY_PARAMETER_VALUE);
	}
	buf_free(&text);
	buf_free(&long_one);
}

/* Two recipients that mean the same mailbox: who wants to hear of something hears of it. */
static void
notify_of_one(void **state)
{
	static const unsigned rows[][3] = {
		{ 0, 0, 0 },
		{ NOTIFY_NEVER, NOTIFY_NEVER, NOTIFY_NEVER },
		{ NOTIFY_NEVER, NOTIFY_SUCCESS, NOTIFY_SUCCESS },
		{ NOTIFY_NEVER, 0, NOTIFY_FAILURE | NOTIFY_DELAY },
		{ 0, NOTIFY_SUCCESS, NOTIFY_FAILURE | NOTIFY_DELAY | NOTIFY_SUCCESS },
		{ NOTIFY_DELAY, NOTIFY_SUCCESS, NOTIFY_DELAY | NOTIFY_SUCCESS },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct rcpts l = { 0 };

		assert_true(rcpts_add(&l, RCPT_LOCAL, "ann@example.org", "", rows[i][0]));
		assert_false(rcpts_add(&l, RCPT_LOCAL, "ann@example.org", "", rows[i][1]));
		assert_int_equal(l.r[0].notify, rows[i][2]);
		rcpts_free(&l);
	}
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
			assert_true(rcpts_add(&l, RCPT_LOCAL, names[i], "", 0));
			assert_false(rcpts_add(&l, RCPT_LOCAL, names[i / 2], "", 0));
		}
		assert_int_equal(l.n, MANY);
		assert_true(rcpts_has(&l, RCPT_LOCAL, "u4999@example.org"));
		assert_false(rcpts_has(&l, RCPT_RELAY, "u4999@example.org"));
		assert_true(rcpts_add(&l, RCPT_RELAY, names[0], "", 0)); /* another action is another thing */
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
		cmocka_unit_test(mail_parameters), cmocka_unit_test(dsn_parameters),
		cmocka_unit_test(notify_of_one),
		cmocka_unit_test(recipients_once),
		cmocka_unit_test(trace_fields),
		cmocka_unit_test(replies_complete),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
