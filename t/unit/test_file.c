/* test_file: lib/sys/file.c, in a directory of its own */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/sys/file.h"
#include "t/unit/tree.h"

static int dir;
static char dir_name[] = "/tmp/test_file.XXXXXX";

static int
make_dir(void **state)
{
	(void)state;
	if (mkdtemp(dir_name) == NULL)
		return -1;
	dir = open(dir_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir == -1 ? -1 : 0;
}

static int
remove_dir(void **state)
{
	(void)state;
	close(dir);
	return tree_remove(dir_name);
}

static void
content_is(const char *name, const char *s, size_t n)
{
	struct buf b = BUF_INIT(1 << 24);

	assert_int_equal(file_slurp_at(dir, name, &b), 0);
	assert_int_equal(b.len, n);
	if (n > 0)
		assert_memory_equal(b.s, s, n);
	buf_free(&b);
}

static void
replaced(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(file_replace_at(dir, "a", "one", 3, 0640), 0);
	content_is("a", "one", 3);
	assert_int_equal(fstatat(dir, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(file_replace_at(dir, "a", "", 0, 0600), 0);
	content_is("a", "", 0);
	assert_int_equal(file_mkdirs_at(dir, "x/y/z", 0700), 0);
	assert_int_equal(file_mkdirs_at(dir, "x/y/z", 0700), 0);
	assert_int_equal(file_replace_at(dir, "x/y/b", "two", 3, 0600), 0);
	content_is("x/y/b", "two", 3);
	assert_int_equal(file_replace_at(dir, "no/b", "two", 3, 0600), -1);
	assert_int_equal(errno, ENOENT);
	/* a directory is in the way: nothing is left behind */
	assert_int_equal(file_replace_at(dir, "x", "two", 3, 0600), -1);
	assert_int_equal(file_mkdirs_at(dir, "a/b", 0700), -1);
	assert_int_equal(errno, ENOTDIR);
}

static void
slurped(void **state)
{
	struct buf b = BUF_INIT(3);

	(void)state;
	assert_int_equal(file_replace_at(dir, "s", "abc", 3, 0600), 0);
	assert_int_equal(file_slurp_at(dir, "s", &b), 0);
	assert_string_equal(b.s, "abc");
	buf_free(&b);
	buf_init(&b, 2);
	assert_int_equal(file_slurp_at(dir, "s", &b), -1);
	assert_int_equal(errno, EFBIG);
	assert_int_equal(file_slurp_at(dir, "none", &b), -1);
	assert_int_equal(errno, ENOENT);
	buf_free(&b);
}

static void
copied(void **state)
{
	static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 3000000 };
	char *s = malloc(3000000);
	size_t i, k;
	int from, to;

	(void)state;
	for (i = 0; i < 3000000; i++)
		s[i] = (char)(i * i / 7);
	for (k = 0; k < COUNT(sizes); k++) {
		assert_int_equal(file_replace_at(dir, "from", s, sizes[k], 0600), 0);
		from = openat(dir, "from", O_RDONLY);
		to = openat(dir, "to", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_int_equal(lseek(from, 1, SEEK_SET), 1); /* does not matter */
		assert_int_equal(file_copy(from, to), 0);
		assert_int_equal(file_writeout(to), 0);
		close(from);
		close(to);
		content_is("to", s, sizes[k]);
	}
	/* from where the kernel does not copy itself */
	from = open("/proc/version", O_RDONLY);
	to = openat(dir, "to", O_WRONLY | O_TRUNC);
	assert_int_equal(file_copy(from, to), 0);
	assert_true(lseek(to, 0, SEEK_END) > 10);
	close(to);
	to = open("/dev/full", O_WRONLY);
	assert_int_equal(file_copy(from, to), -1);
	assert_int_equal(errno, ENOSPC);
	close(to);
	close(from);
	free(s);
}

static void
all_or_error(void **state)
{
	int ends[2], fd;
	char got[8];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) { /* in two parts */
		(void)!write(ends[1], "abcd", 4);
		usleep(20000);
		(void)!write(ends[1], "efg", 3);
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(file_read_all(ends[0], got, 6), 0);
	assert_memory_equal(got, "abcdef", 6);
	assert_int_equal(file_read_all(ends[0], got, 2), -1);
	assert_int_equal(errno, EIO);
	close(ends[0]);
	waitpid(pid, NULL, 0);
	fd = open("/dev/full", O_WRONLY);
	assert_int_equal(file_write_all(fd, "x", 1), -1);
	assert_int_equal(errno, ENOSPC);
	errno = 42;
	file_close(fd);
	file_close(-1);
	assert_int_equal(errno, 42);
}

static void
named_afterwards(void **state)
{
	bool linkable;
	struct stat st;
	int fd = file_unnamed_at(dir, 0660, &linkable);

	(void)state;
	assert_int_not_equal(fd, -1);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	if (!linkable) {
		close(fd);
		skip();
		return; /* skip() does not; analyzers cannot know */
	}
	assert_int_equal(file_write_all(fd, "mail", 4), 0);
	assert_int_equal(file_link_fd(fd, dir, "one"), 0);
	assert_int_equal(file_link_fd(fd, dir, "two"), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 2);
	content_is("one", "mail", 4);
	content_is("two", "mail", 4);
	assert_int_equal(file_link_fd(fd, dir, "two"), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(file_link_fd(fd, dir, "no/three"), -1);
	assert_int_equal(errno, ENOENT);
	close(fd);
}

static void
journals(void **state)
{
	int proc = open("/proc", O_RDONLY | O_DIRECTORY);

	(void)state;
	assert_false(file_names_follow(proc));
	assert_false(file_names_follow(-1));
	close(proc);
	(void)file_names_follow(dir); /* whichever it is */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replaced),
		cmocka_unit_test(slurped),
		cmocka_unit_test(copied),
		cmocka_unit_test(all_or_error),
		cmocka_unit_test(named_afterwards),
		cmocka_unit_test(journals),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
