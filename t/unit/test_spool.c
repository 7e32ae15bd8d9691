/* test_spool: the directories of the queue, and IDs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/store/spool.h"
#include "lib/sys/file.h"

static void
id_order(void **state)
{
	char before[LIMIT_ID], id[LIMIT_ID];
	size_t i;

	(void)state;
	spool_id(before);
	for (i = 0; i < 100000; i++) {
		spool_id(id);
		assert_true(strcmp(before, id) < 0);
		memcpy(before, id, sizeof(id));
	}
	assert_true(spool_id_valid(id));
	assert_true(strlen(id) <= 16);
}

static void
id_earlier(void **state)
{
	char now[LIMIT_ID], id[LIMIT_ID], zero[LIMIT_ID] = "0000000001zzzzz";

	(void)state;
	spool_id(now);
	memcpy(id, now, sizeof(id));
	spool_id_earlier(id, 0);
	assert_true(strcmp(id, now) <= 0 && strncmp(id, now, 10) == 0);
	spool_id_earlier(id, 3600);
	assert_true(spool_id_valid(id));
	assert_true(strcmp(id, now) < 0);
	/* 3600 s are 900,000,000 ticks: the fifth digit counts 32^5 ticks of 4 us, 134 s. */
	assert_int_equal(strncmp(id, now, 3), 0);
	spool_id_earlier(zero, 3600);
	assert_string_equal(zero, "000000000000000");
}

static void
id_of_child(void **state)
{
	char ours[LIMIT_ID], theirs[LIMIT_ID] = "";
	int pipes[2], status;
	pid_t pid;

	(void)state;
	spool_id(ours);
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		spool_id(theirs);
		_exit(file_write_all(pipes[1], theirs, sizeof(theirs)) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(file_read_all(pipes[0], theirs, sizeof(theirs)), 0);
	assert_true(spool_id_valid(theirs));
	/* What a process draws at random: the last five digits. */
	assert_string_not_equal(theirs + 10, ours + 10);
	file_close(pipes[0]);
	file_close(pipes[1]);
}

static void
id_valid(void **state)
{
	static const struct {
		const char *id;
		bool valid;
	} rows[] = {
		{ "0123456789abcde", true },
		{ "zzzzzzzzzzzzzzz", true },
		{ "", false },
		{ "0123456789abcd", false },
		{ "0123456789abcdef", false },
		{ "0123456789abcdi", false },
		{ "0123456789abcdl", false },
		{ "0123456789abcdo", false },
		{ "0123456789abcdu", false },
		{ "0123456789abcdE", false },
		{ "../../etc/passw", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++)
		assert_int_equal(spool_id_valid(rows[i].id), rows[i].valid);
}

static void
opened(void **state)
{
	static const char *const dirs[] = { "new", "cur", "env", "hold", "bad",
		"tmp" };
	char dir[] = "/tmp/spool.XXXXXX", path[64];
	struct buf why = BUF_INIT(500);
	struct spool s;
	struct stat st;
	size_t i, round;

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (round = 0; round < 2; round++) {
		assert_int_equal(spool_open(&s, dir, &why), 0);
		assert_int_equal(why.len, 0);
		for (i = 0; i < COUNT(dirs); i++) {
			assert_int_equal(fstatat(s.root, dirs[i], &st, 0), 0);
			assert_int_equal(st.st_mode & 0777, 0700);
		}
		assert_int_equal(fcntl(s.hold_fd, F_GETFD), FD_CLOEXEC);
		file_close(s.root);
		file_close(s.new_fd);
		file_close(s.cur_fd);
		file_close(s.env_fd);
		file_close(s.hold_fd);
		file_close(s.bad_fd);
		file_close(s.tmp_fd);
	}
	for (i = 0; i < COUNT(dirs); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, dirs[i]);
		assert_int_equal(rmdir(path), 0);
	}
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(spool_open(&s, dir, &why), -1);
	assert_non_null(strstr(buf_str(&why), dir));
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(id_order),
		cmocka_unit_test(id_earlier),
		cmocka_unit_test(id_of_child),
		cmocka_unit_test(id_valid),
		cmocka_unit_test(opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
