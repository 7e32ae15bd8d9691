/*
 * Tests of master/logfile: whole lines, days that turn at local midnight, old days forgotten.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/sys/file.h"
#include "master/logfile.h"
#include "t/unit/tree.h"

#define DAY_S 86400
#define EVENING 1795391999 /* 2026-11-22T23:59:59Z */

static char dir[] = "/tmp/test_logfile.XXXXXX";

static const char *
content(const char *name)
{
	static struct buf text = BUF_INIT(1024 * 1024);
	char *path = mem_fmt("%s/%s", dir, name);

	buf_reset(&text);
	if (file_slurp_at(AT_FDCWD, path, &text) == -1)
		buf_adds(&text, "(none)");
	free(path);
	return buf_str(&text);
}

static void
make(const char *name)
{
	char *path = mem_fmt("%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_not_equal(fd, -1);
	close(fd);
	free(path);
}

static bool
there(const char *name)
{
	char *path = mem_fmt("%s/%s", dir, name);
	bool yes = access(path, F_OK) == 0;

	free(path);
	return yes;
}

static void
say(struct log_source *src, struct logfile *l, const char *text)
{
	assert_int_equal(write(src->write_fd, text, strlen(text)), strlen(text));
	source_read(src, l);
}

static void
leave(struct log_source *src)
{
	close(src->read_fd);
	close(src->write_fd);
	buf_free(&src->pending);
}

static void
days_turn(void **state)
{
	struct logfile l = { .dir = dir, .keep_days = 2, .echo_fd = -1, .fd = -1 };
	struct log_source src;

	(void)state;
	make("2026-11-19.log");
	make("2026-11-20.log");
	make("2026-11-21.log");
	make("2026-11-19.txt");
	make("x2026-11-19.log");
	assert_int_equal(source_open(&src), 0);
	assert_int_equal(logfile_turn(&l, EVENING), EVENING + 1);
	assert_false(there("2026-11-19.log"));
	assert_true(there("2026-11-20.log"));
	say(&src, &l, "one\n");
	assert_int_equal(logfile_turn(&l, EVENING), EVENING + 1);
	assert_int_equal(logfile_turn(&l, EVENING + 1), EVENING + 1 + DAY_S);
	say(&src, &l, "two\n");
	assert_string_equal(content("2026-11-22.log"), "one\n");
	assert_string_equal(content("2026-11-23.log"), "two\n");
	assert_false(there("2026-11-20.log"));
	assert_true(there("2026-11-21.log"));
	assert_true(there("2026-11-19.txt"));
	assert_true(there("x2026-11-19.log"));
	leave(&src);
}

static void
lines_are_whole(void **state)
{
	struct logfile l = { .dir = dir, .keep_days = 0, .echo_fd = -1, .fd = -1 };
	struct log_source a, b;

	(void)state;
	assert_int_equal(source_open(&a), 0);
	assert_int_equal(source_open(&b), 0);
	logfile_turn(&l, EVENING + 5 * DAY_S);
	assert_true(there("2026-11-21.log")); /* 0 days to keep: for ever */
	say(&a, &l, "a begins ");
	say(&b, &l, "b whole\nb begins ");
	assert_string_equal(content("2026-11-27.log"), "b whole\n");
	say(&a, &l, "and ends\n");
	assert_string_equal(content("2026-11-27.log"), "b whole\na begins and ends\n");
	source_drain(&b, &l);
	assert_string_equal(content("2026-11-27.log"),
	    "b whole\na begins and ends\nb begins \n");
	leave(&a);
	leave(&b);
}

static void
summer_and_winter(void **state)
{
	/* Days of 23 and 25 hours end at midnight all the same. */
	static const struct {
		int64_t now, midnight;
	} cases[] = {
		{ 1774695600 /* 2026-03-28T12:00+01 */, 1774695600 + 12 * 3600 },
		{ 1774740600 /* 2026-03-29T00:30+01 */, 1774740600 + 81000 },
		{ 1792881000 /* 2026-10-25T00:30+02 */, 1792881000 + 88200 },
	};
	struct logfile l = { .dir = dir, .keep_days = 0, .echo_fd = -1, .fd = -1 };
	size_t i;

	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	for (i = 0; i < COUNT(cases); i++) {
		l.midnight_s = 0;
		assert_int_equal(logfile_turn(&l, cases[i].now), cases[i].midnight);
	}
}

static int
set_up(void **state)
{
	(void)state;
	setenv("TZ", "UTC0", 1);
	tzset();
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	return tree_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(days_turn),
		cmocka_unit_test(lines_are_whole),
		cmocka_unit_test(summer_and_winter),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
