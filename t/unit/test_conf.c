/* test_conf: posthouse.conf, read and printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/store/conf.h"
#include "lib/sys/file.h"

static char *
file_of(const char *text)
{
	char *name = mem_dup("/tmp/conf.XXXXXX");
	int fd = mkstemp(name);

	assert_int_not_equal(fd, -1);
	assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
	file_close(fd);
	return name;
}

static void
defaults(void **state)
{
	struct buf why = BUF_INIT(1000);
	struct conf c;

	(void)state;
	assert_int_equal(conf_read(&c, "/nonexistent/posthouse.conf", &why), 0);
	assert_int_equal(why.len, 0);
	assert_string_not_equal(c.hostname, "");
	assert_string_equal(c.helo_name, c.hostname);
	assert_string_equal(c.listen_smtp, "127.0.0.1:25, [::1]:25");
	assert_true(c.relay);
	assert_int_equal(c.message_size_limit, 50 << 20);
	assert_int_equal(c.plaintext_login, PLAINTEXT_LOOPBACK);
	assert_int_equal(c.sandbox, SANDBOX_AUTO);
	assert_int_equal(c.queue_lifetime, 5 * 86400);
	assert_int_equal(c.retry_first, 300);
	assert_false(c.sync_names_always);
	assert_false(c.log_detail);
	conf_free(&c);
	buf_free(&why);
}

static void
over_defaults(void **state)
{
	char *file = file_of("# ours\n\nhostname = mx.example\n"
	    "  relay=none  \n" "listen_smtp =\n" "queue_lifetime = 2d\r\n"
	    "message_size_limit = 64k\n" "plaintext_login = always\n"
	    "smtp_bare_newline = normalize\n" "log_level = detail\n"
	    "remote_port = 65535\n" "resolver = 192.0.2.53 # not a comment");
	struct buf why = BUF_INIT(1000);
	struct conf c;

	(void)state;
	assert_int_equal(conf_read(&c, file, &why), 0);
	assert_string_equal(buf_str(&why), "");
	assert_string_equal(c.hostname, "mx.example");
	assert_string_equal(c.helo_name, "mx.example");
	assert_false(c.relay);
	assert_string_equal(c.listen_smtp, "");
	assert_int_equal(c.queue_lifetime, 2 * 86400);
	assert_int_equal(c.message_size_limit, 65536);
	assert_int_equal(c.plaintext_login, PLAINTEXT_ALWAYS);
	assert_true(c.smtpd_bare_newline_normalize);
	assert_true(c.log_detail);
	assert_int_equal(c.remote_port, 65535);
	assert_string_equal(c.resolver, "192.0.2.53 # not a comment");
	conf_free(&c);
	assert_int_equal(unlink(file), 0);
	free(file);
	buf_free(&why);
}

/* Each line of text alone, and what is said about it. */
static const struct {
	const char *line, *error;
} wrong[] = {
	{ "hostnam = x", "there is no setting \"hostnam\": did you mean "
	  "hostname?" },
	{ "wibble = 1", "there is no setting \"wibble\"; posthouse.conf(5) "
	  "lists those there are" },
	{ "relay", "a setting has the form name = value" },
	{ "relay = yes", "relay cannot be \"yes\": write none or trusted" },
	{ "plaintext_login = no", "plaintext_login cannot be \"no\": write "
	  "loopback, trusted, never or always" },
	{ "rcpt_limit = 99", "rcpt_limit cannot be 99: write 100 to 100000" },
	{ "rcpt_limit = 100001", "rcpt_limit cannot be 100001: write 100 to "
	  "100000" },
	{ "rcpt_limit = -1", "rcpt_limit cannot be \"-1\": write a number" },
	{ "rcpt_limit = 99999999999999999999999",
	  "rcpt_limit cannot be 99999999999999999999999: write 100 to 100000" },
	{ "remote_port = 65536", "remote_port cannot be 65536: write 1 to "
	  "65535" },
	{ "smtpd_timeout = soon", "smtpd_timeout cannot be \"soon\": write a "
	  "time, for example 90s, 15m, 12h or 5d" },
	{ "smtpd_timeout = 0", "smtpd_timeout cannot be 0: write 1 to 86400 "
	  "seconds" },
	{ "message_size_limit = big", "message_size_limit cannot be \"big\": "
	  "write a size, for example 64k, 50M, or 0 for no limit" },
	{ "message_size_limit = 50", "message_size_limit cannot be 50: write 1024 to 1099511627776 octets, or 0 for no limit" },
	{ "hostname = a\tb", "hostname contains a control character: "
	  "remove it" },
};

static void
refused(void **state)
{
	struct buf why = BUF_INIT(1000), want = BUF_INIT(1000);
	struct conf c;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(wrong); i++) {
		char *file = file_of(wrong[i].line);

		buf_reset(&why);
		buf_reset(&want);
		buf_addf(&want, "%s:1: %s\n", file, wrong[i].error);
		assert_int_equal(conf_read(&c, file, &why), -1);
		assert_string_equal(buf_str(&why), buf_str(&want));
		conf_free(&c);
		assert_int_equal(unlink(file), 0);
		free(file);
	}
	buf_free(&why);
	buf_free(&want);
}

static void
all_errors(void **state)
{
	char *file = file_of("relay = none\nx = 1\nrelay = trusted\nport\n");
	struct buf why = BUF_INIT(1000), want = BUF_INIT(1000);
	struct conf c;

	(void)state;
	assert_int_equal(conf_read(&c, file, &why), -1);
	buf_addf(&want, "%s:2: there is no setting \"x\"; posthouse.conf(5) "
	    "lists those there are\n"
	    "%s:3: relay was set in line 1 already: keep one of them\n"
	    "%s:4: a setting has the form name = value\n", file, file, file);
	assert_string_equal(buf_str(&why), buf_str(&want));
	conf_free(&c);
	assert_int_equal(unlink(file), 0);
	free(file);
	buf_free(&why);
	buf_free(&want);
}

/* What is printed reads back as the same. */
static void
printed(void **state)
{
	char *file = file_of("queue_lifetime = 90\nretry_last = 12h\n"
	    "message_size_limit = 2049\nqueue_free_floor = 0\n"
	    "sandbox = required\nsync_names = always\nlisten_pop3 = none\n");
	struct buf why = BUF_INIT(1000), first = BUF_INIT(65536),
	    second = BUF_INIT(65536);
	struct conf c;

	(void)state;
	assert_int_equal(conf_read(&c, file, &why), 0);
	conf_print(&c, &first);
	conf_free(&c);
	assert_int_equal(unlink(file), 0);
	free(file);
	assert_non_null(strstr(first.s, "\nqueue_lifetime = 90s\n"));
	assert_non_null(strstr(first.s, "\nretry_last = 12h\n"));
	assert_non_null(strstr(first.s, "\nmessage_size_limit = 2049\n"));
	assert_non_null(strstr(first.s, "\nqueue_free_floor = 0\n"));
	assert_non_null(strstr(first.s, "\nsandbox = required\n"));
	assert_non_null(strstr(first.s, "\nretry_first = 5m\n"));
	file = file_of(buf_str(&first));
	assert_int_equal(conf_read(&c, file, &why), 0);
	conf_print(&c, &second);
	assert_string_equal(buf_str(&second), buf_str(&first));
	conf_free(&c);
	assert_int_equal(unlink(file), 0);
	free(file);
	buf_free(&why);
	buf_free(&first);
	buf_free(&second);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(over_defaults),
		cmocka_unit_test(refused),
		cmocka_unit_test(all_errors),
		cmocka_unit_test(printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
