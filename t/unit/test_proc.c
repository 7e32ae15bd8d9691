/* test_proc: lib/sys/proc.c */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/sys/proc.h"

static void
run_programs(void **state)
{
	char *env[] = { (char[]){ "env" }, NULL };
	char *exit3[] = { (char[]){ "sh" }, (char[]){ "-c" },
		(char[]){ "cat; exit 3" }, NULL };
	char *slow[] = { (char[]){ "sh" }, (char[]){ "-c" },
		(char[]){ "sleep 100; true" }, NULL };
	char *none[] = { (char[]){ "no-such-program" }, NULL };
	char got[512] = "";
	int ends[2], status;
	int64_t began;

	(void)state;
	setenv("SECRET", "x", 1);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(proc_run(env, ends[1], 10), 0);
	assert_true(read(ends[0], got, sizeof(got) - 1) > 0);
	assert_memory_equal(got, "PATH=", 5);
	assert_null(strstr(got, "SECRET"));
	assert_ptr_equal(strchr(got, '\n'), got + strlen(got) - 1);
	status = proc_run(exit3, ends[1], 10); /* its input is empty */
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
	began = clock_mono_ms();
	assert_int_equal(proc_run(slow, ends[1], 1), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_true(clock_mono_ms() - began < 50000);
	assert_int_equal(proc_run(none, ends[1], 1), -1);
	assert_int_equal(errno, ENOENT);
	close(ends[0]);
	close(ends[1]);
}

/* What a program says, within limits. */
static void
hear_programs(void **state)
{
	char *both[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char[]){ "echo out; echo first >&2; echo err >&2; exit 3" },
		NULL };
	char *endless[] = { (char[]){ "yes" }, NULL };
	char *complains[] = { (char[]){ "sh" }, (char[]){ "-c" },
		(char[]){ "i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo line $i >&2; done" }, NULL };
	char *background[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char[]){ "sleep 100 & echo done" }, NULL };
	char *slow[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char[]){ "echo x; sleep 100" }, NULL };
	struct buf out = BUF_INIT(100), err = BUF_INIT(16);
	int64_t began = clock_mono_ms();
	int status;

	(void)state;
	status = proc_output(both, &out, &err, 10);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
	assert_string_equal(buf_str(&out), "out\n");
	assert_string_equal(buf_str(&err), "first\nerr\n");
	buf_reset(&out);
	buf_reset(&err);
	assert_int_equal(proc_output(endless, &out, &err, 10), -1);
	assert_int_equal(errno, EMSGSIZE);
	buf_reset(&out);
	assert_int_equal(proc_output(complains, &out, &err, 10), 0);
	assert_string_equal(buf_str(&err), "ne 499\nline 500\n"); /* the end of it */
	assert_int_equal(proc_output(background, &out, &err, 10), 0);
	assert_string_equal(buf_str(&out), "done\n");
	assert_int_equal(proc_output(slow, &out, &err, 1), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_true(clock_mono_ms() - began < 50000);
	buf_free(&out);
	buf_free(&err);
}

/* --- the pool --------------------------------------------------------------- */

static int report[2];

static int
worker(void *arg, int slot)
{
	char line[2] = { (char)('0' + slot), *(const char *)arg };

	if (write(report[1], line, 2) != 2)
		return 1;
	if (slot == 0)
		return 7; /* at once: a new one comes */
	if (slot == 1)
		signal(SIGTERM, SIG_IGN); /* has to be killed */
	for (;;)
		if (pause() == -1 && slot != 1 && proc_stopping)
			return 0;
}

/* Two letters a worker that started; -1 when nobody holds the pipe any more. */
static int
next_start(void)
{
	char line[2];

	return read(report[0], line, 2) == 2 && line[1] == 'x' ? line[0] - '0'
	                                                       : -1;
}

static void
pool(void **state)
{
	int started[3] = { 0 }, status, slot, i;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(report), 0);
	pid = fork();
	if (pid == 0) {
		close(report[0]);
		proc_signals();
		proc_pool(3, 300, worker, (char[]){ "x" });
		_exit(proc_stopping ? 5 : 1);
	}
	close(report[1]);
	for (i = 0; started[0] < 3 || started[1] < 1 || started[2] < 1; i++) {
		slot = next_start();
		assert_in_range(slot, 0, 2);
		started[slot]++;
	}
	assert_int_equal(started[1], 1);
	assert_int_equal(started[2], 1);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 5);
	while (next_start() != -1)
		continue; /* the end of the pipe: all are gone */
	close(report[0]);
}

/* Workers end with a parent that was killed. */
static void
orphans(void **state)
{
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(report), 0);
	pid = fork();
	if (pid == 0) {
		close(report[0]);
		proc_signals();
		proc_pool(1, 300, worker, (char[]){ "x" });
		_exit(0);
	}
	close(report[1]);
	assert_int_equal(next_start(), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (next_start() != -1)
		continue;
	close(report[0]);
}

/* --- privileges -------------------------------------------------------------- */

static int
dropped(const char *user, uid_t uid)
{
	char *id[] = { (char[]){ "id" }, (char[]){ "-u" }, NULL };

	proc_drop(user);
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 1;
	if (getuid() != uid || geteuid() != uid)
		return 2;
	if (uid != 0 && (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0))
		return 3;
	if (uid != 0 && getgroups(0, NULL) > 10)
		return 4;
	return proc_run(id, STDERR_FILENO, 10) == 0 ? 0 : 5;
}

static int
in_child(const char *user, uid_t uid)
{
	pid_t pid = fork();
	int status, null;

	if (pid == 0) {
		null = open("/dev/null", O_WRONLY);
		dup2(null, STDERR_FILENO);
		_exit(dropped(user, uid));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
privileges(void **state)
{
	const struct passwd *pw;
	int status;

	(void)state;
	if (getuid() != 0) {
		assert_int_equal(in_child("no-such-user", getuid()), 0);
		assert_int_equal(proc_uid("nobody"), getuid());
		return;
	}
	pw = getpwnam("nobody");
	assert_non_null(pw);
	assert_int_equal(proc_uid("nobody"), pw->pw_uid);
	assert_int_equal(in_child("nobody", pw->pw_uid), 0);
	status = in_child("no-such-user", 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EX_NOUSER);
	status = in_child("root", 0);
	assert_int_equal(WEXITSTATUS(status), EX_NOUSER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_programs),
		cmocka_unit_test(hear_programs),
		cmocka_unit_test(pool),
		cmocka_unit_test(orphans),
		cmocka_unit_test(privileges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
