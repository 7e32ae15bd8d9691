/* test_log: lib/base/log.c, by what arrives on standard error */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/limits.h"
#include "lib/base/log.h"

static char got[65536];
static size_t got_len;
static int ends[2], stderr_was;

static void
begin(void)
{
	fflush(stderr);
	assert_int_equal(pipe(ends), 0);
	stderr_was = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
}

static void
end(void)
{
	ssize_t n;

	dup2(stderr_was, STDERR_FILENO);
	close(stderr_was);
	close(ends[1]);
	n = read(ends[0], got, sizeof(got) - 1);
	got_len = n > 0 ? (size_t)n : 0;
	got[got_len] = '\0';
	close(ends[0]);
}

/* What stands behind "TIME program[pid] ", whose form is checked. */
static const char *
event(void)
{
	int y, mo, d, h, mi, s, ms, pid, used = 0;

	// NOLINTNEXTLINE(cert-err34-c): widths bound them, and a pid fits
	assert_int_equal(sscanf(got, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ test[%d] %n",
	    &y, &mo, &d, &h, &mi, &s, &ms, &pid, &used), 8);
	assert_int_equal(pid, getpid());
	return got + used;
}

static void
values(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain", "v=plain\n" },
		{ "ann@example.org", "v=ann@example.org\n" },
		{ "", "v=\"\"\n" },
		{ "two words", "v=\"two words\"\n" },
		{ "a=b", "v=\"a=b\"\n" },
		{ "say \"x\"", "v=\"say \\\"x\\\"\"\n" },
		{ "back\\slash", "v=\"back\\\\slash\"\n" },
		{ "a\r\nb", "v=\"a\\x0d\\x0ab\"\n" },
		{ "\x1b[31m", "v=\"\\x1b[31m\"\n" },
		{ "%n%s", "v=%n%s\n" },
		{ "\xc3\xa9\x7f", "v=\"\\xc3\\xa9\\x7f\"\n" },
	};
	char want[200];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		begin();
		log_event(EV_WARNING, LS("v", cases[i].in));
		end();
		snprintf(want, sizeof(want), "program.warning %s", cases[i].out);
		assert_string_equal(event(), want);
	}
}

static void
fields(void **state)
{
	(void)state;
	begin();
	log_event(EV_SMTPD_RECEIVED, LS("id", "7kq"), LN("octets", 4096),
	    LN("low", INT64_MIN), LSPAN("nul", SPAN("a\0b")));
	end();
	assert_string_equal(event(), "smtpd.received id=7kq octets=4096 "
	    "low=-9223372036854775808 nul=\"a\\x00b\"\n");
}

static void
ceilings(void **state)
{
	char text[20000];
	const char *line;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	begin();
	log_event(EV_WARNING, LS("v", text), LN("n", 1));
	end();
	line = event();
	assert_int_equal(strspn(line + 19, "x"), LIMIT_LOG_VALUE);
	assert_string_equal(line + 19 + LIMIT_LOG_VALUE, "...\" n=1\n");
	/* many long values: still one line of one write */
	memset(text, '\n', sizeof(text) - 1);
	begin();
	log_event(EV_WARNING, LS("a", text), LS("b", text), LS("c", text),
	    LS("d", text), LS("e", text));
	end();
	assert_in_range(got_len, 3000, 4096);
	assert_ptr_equal(strchr(got, '\n'), got + got_len - 1);
	assert_int_equal(got[got_len - 2], '"');
}

static void
levels(void **state)
{
	(void)state;
	begin();
	log_detail(EV_WARNING, LS("v", "x"));
	end();
	assert_int_equal(got_len, 0);
	log_level_set(LOG_DETAIL);
	begin();
	log_detail(EV_WARNING, LS("v", "x"));
	end();
	assert_string_equal(event(), "program.warning v=x\n");
	log_level_set(LOG_NOTICE);
}

/* One write for many; an error does not wait; what does not fit goes first. */
static void
gathering(void **state)
{
	static char text[1800];

	(void)state;
	begin();
	log_gather();
	log_event(EV_WARNING, LN("n", 1));
	log_event(EV_WARNING, LN("n", 2));
	end();
	assert_int_equal(got_len, 0);
	begin();
	log_flush();
	log_flush();
	end();
	assert_non_null(strstr(got, "n=1\n"));
	assert_non_null(strstr(got, "n=2\n"));
	begin();
	log_event(EV_WARNING, LN("n", 3));
	log_error(EV_WARNING, LN("n", 4));
	end();
	assert_true(strstr(got, "n=3\n") != NULL && strstr(got, "n=3\n") < strstr(got, "n=4\n"));
	memset(text, 'x', sizeof(text) - 1);
	begin();
	for (int i = 0; i < 4; i++)
		log_event(EV_WARNING, LN("i", i), LS("a", text), LS("b", text));
	end();
	assert_true(got_len > 0 && got_len % 4096 != 0 && got[got_len - 1] == '\n');
	begin();
	log_flush();
	end();
	assert_non_null(strstr(got, "i=3"));
}

static void
the_end(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	begin();
	pid = fork();
	if (pid == 0) {
		log_open("test");
		fatal(EX_CONFIG, "cannot read %s: %s", "x", "no\nsuch");
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	end();
	assert_int_equal(WEXITSTATUS(status), EX_CONFIG);
	assert_non_null(strstr(got,
	    "] program.fatal text=\"cannot read x: no\\x0asuch\"\n"));
}

static int
open_log(void **state)
{
	(void)state;
	log_open("test");
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(fields),
		cmocka_unit_test(ceilings),
		cmocka_unit_test(levels),
		cmocka_unit_test(gathering),
		cmocka_unit_test(the_end),
	};

	return cmocka_run_group_tests(tests, open_log, NULL);
}
