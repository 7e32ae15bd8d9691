/*
 * test_dsn: the words of a report: what was said is taken apart, nothing foreign breaks a line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "queue/dsn.h"

static const struct {
	const char *last;
	enum news news;
	const char *fields; /* behind Action */
	const char *action, *subject; /* NULL: failed */
} cases[] = {
	{ "550 5.1.1 host mx.far.example said: No such user", NEWS_FAILED,
	    "Status: 5.1.1\nRemote-MTA: dns; mx.far.example\nDiagnostic-Code: smtp; 550 5.1.1 No such user\n", NULL, NULL },
	{ "550 host mx.far.example said: No", NEWS_FAILED,
	    "Status: 5.0.0\nRemote-MTA: dns; mx.far.example\nDiagnostic-Code: smtp; 550 No\n", NULL, NULL },
	{ "451 4.4.1 connection refused", NEWS_EXPIRED,
	    "Status: 5.4.7\nDiagnostic-Code: X-Posthouse; 451 4.4.1 connection refused\n", NULL, NULL },
	{ "554 5.3.0 ", NEWS_FAILED, "Status: 5.3.0\nDiagnostic-Code: X-Posthouse; 554 5.3.0\n", NULL, NULL },
	{ "550", NEWS_FAILED, "Status: 5.0.0\nDiagnostic-Code: X-Posthouse; 550\n", NULL, NULL },
	{ "", NEWS_FAILED, "Status: 5.0.0\n", NULL, NULL },
	{ "550 5.1.1 a\r\nb\033c\xff", NEWS_FAILED, "Status: 5.1.1\nDiagnostic-Code: X-Posthouse; 550 5.1.1 a??b?c?\n", NULL, NULL },
	{ "550 5.1.1 words that go on and on until the line is as full as a line should ever be", NEWS_FAILED,
	    "Status: 5.1.1\nDiagnostic-Code: X-Posthouse; 550 5.1.1 words that go on and on until the\n"
	    "    line is as full as a line should ever be\n", NULL, NULL },
	{ "451 4.3.2 host mx.far.example said: busy", NEWS_DELAYED,
	    "Status: 4.3.2\nRemote-MTA: dns; mx.far.example\nDiagnostic-Code: smtp; 451 4.3.2 busy\n",
	    "delayed", "Your message has not been delivered yet" },
	{ "connection refused", NEWS_DELAYED, "Status: 4.0.0\nDiagnostic-Code: X-Posthouse; connection refused\n",
	    "delayed", "Your message has not been delivered yet" },
	{ "250 2.0.0 delivered to the mailbox", NEWS_DELIVERED, "Status: 2.0.0\n", "delivered",
	    "Your message was delivered" },
	{ "250 2.6.0 host mx.far.example said: taken", NEWS_RELAYED,
	    "Status: 2.6.0\nRemote-MTA: dns; mx.far.example\nDiagnostic-Code: smtp; 250 2.6.0 taken\n", "relayed",
	    "Your message was handed on" },
	/* a status of another class is not believed */
	{ "550 5.1.1 host mx.far.example said: ok", NEWS_RELAYED,
	    "Status: 2.0.0\nRemote-MTA: dns; mx.far.example\nDiagnostic-Code: smtp; 550 5.1.1 ok\n", "relayed",
	    "Your message was handed on" },
};

static void
test_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct env_rcpt rcpt = { .address = "bob@far.example", .orcpt = "rfc822;Bob@far.example",
			.last = cases[i].last };
		const struct dsn_rcpt r = { &rcpt, cases[i].news };
		const struct envelope env = { .sender = "ann@example.org", .ret = "", .envid = "" };
		const struct dsn d = { .hostname = "mail.example.org", .id = "1hec", .env = &env, .rcpts = &r,
			.rcpt_count = 1, .now = 1795315490,
			.retry_until = 1795315490 + 7 * 86400, .header = SPAN("Subject: x\n") };
		struct buf out = BUF_INIT(65536), want = BUF_INIT(65536);

		dsn_begin(&d, &out);
		dsn_end(&d, &out);
		buf_addf(&want, "\nOriginal-Recipient: rfc822;Bob@far.example\nFinal-Recipient: rfc822; bob@far.example\n"
		                "Action: %s\n%sLast-Attempt-Date: ", cases[i].action == NULL ? "failed" : cases[i].action,
		    cases[i].fields);
		if (strstr(out.s, want.s) == NULL)
			fail_msg("\"%s\":\n%s\nnot in\n%s", cases[i].last, want.s, out.s);
		buf_reset(&want);
		buf_addf(&want, "\nSubject: %s\nMessage-ID: ",
		    cases[i].subject == NULL ? "Your message could not be delivered" : cases[i].subject);
		assert_non_null(strstr(out.s, want.s));
		assert_int_equal(strstr(out.s, "\nWill-Retry-Until: Sun, 29 Nov 2026 ") != NULL, cases[i].news == NEWS_DELAYED);
		for (size_t k = 0; k < out.len; k++)
			assert_true(out.s[k] == '\n' || ((unsigned char)out.s[k] >= 0x20 && (unsigned char)out.s[k] < 0x7f));
		buf_free(&out);
		buf_free(&want);
	}
}

/* The message's ID is taken over when it is one, and nothing else. */
static void
test_thread(void **state)
{
	static const struct {
		const char *header;
		bool taken;
	} rows[] = {
		{ "Message-ID: <a@b>\n", true },
		{ "Subject: x\nmessage-id:\n <a@b>\n", true },
		{ "Message-ID: <a@b> <c@d>\n", false },
		{ "Message-ID: <a\x01@b>\n", false },
		{ "Message-ID: nonsense\n", false },
		{ "Subject: x\n", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct envelope env = { .sender = "ann@example.org", .ret = "", .envid = "" };
		const struct dsn d = { .hostname = "m", .id = "1", .env = &env, .header = span_of(rows[i].header) };
		struct buf out = BUF_INIT(65536);

		dsn_begin(&d, &out);
		assert_int_equal(strstr(out.s, "\nIn-Reply-To: <a@b>\nReferences: <a@b>\n") != NULL, rows[i].taken);
		assert_int_equal(strstr(out.s, "In-Reply-To") != NULL, rows[i].taken);
		buf_free(&out);
	}
}

/* RFC 8689, 6; REQUIRETLS counts for more (4.1). */
static void
test_no_tls(void **state)
{
	static const struct {
		const char *header;
		bool requiretls, no;
	} rows[] = {
		{ "Subject: x\nTLS-Required: No\n", false, true },
		{ "tls-required:\n no\nSubject: x\n", false, true },
		{ "TLS-Required: No\n", true, false },
		{ "TLS-Required: Yes\n", false, false },
		{ "TLS-Required: No way\n", false, false },
		{ "X-TLS-Required: No\n", false, false },
		{ "Subject: x\n\nTLS-Required: No\n", false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct env_rcpt rcpt = { .address = "bob@far.example", .orcpt = "", .last = "550" };
		const struct dsn_rcpt r = { &rcpt, NEWS_FAILED };
		const struct envelope env = { .sender = "ann@example.org", .ret = "", .envid = "",
			.requiretls = rows[i].requiretls };
		const struct dsn d = { .hostname = "mail.example.org", .id = "1hec", .env = &env, .rcpts = &r,
			.rcpt_count = 1, .header = span_of(rows[i].header) };
		struct buf out = BUF_INIT(65536);

		dsn_begin(&d, &out);
		assert_int_equal(strstr(buf_str(&out), "\nTLS-Required: No\n") != NULL, rows[i].no);
		buf_free(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields), cmocka_unit_test(test_no_tls), cmocka_unit_test(test_thread) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
