/* test_sandbox: lib/sys/sandbox.c really denies; every case is a process of its own */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/sys/file.h"
#include "lib/sys/sandbox.h"
#include "lib/sys/sanitized.h"
#include "t/unit/tree.h"

static char top[] = "/tmp/test_sandbox.XXXXXX";
static bool have_landlock;

static int
make_dirs(void **state)
{
	int fd;

	(void)state;
	have_landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 2;
	if (mkdtemp(top) == NULL || (fd = open(top, O_RDONLY)) == -1 ||
	    file_mkdirs_at(fd, "ro", 0755) == -1 ||
	    file_mkdirs_at(fd, "rw/a", 0755) == -1 ||
	    file_mkdirs_at(fd, "rw/b", 0755) == -1 ||
	    file_mkdirs_at(fd, "spool", 0755) == -1 ||
	    file_mkdirs_at(fd, "no", 0755) == -1 ||
	    file_replace_at(fd, "ro/f", "x", 1, 0644) == -1 ||
	    file_replace_at(fd, "rw/a/f", "x", 1, 0644) == -1 ||
	    file_replace_at(fd, "no/f", "x", 1, 0644) == -1)
		return -1;
	close(fd);
	return chdir(top);
}

static int
remove_dirs(void **state)
{
	(void)state;
	return chdir("/") == 0 ? tree_remove(top) : -1;
}

/* 0, or the errno. */
static int
opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd == -1)
		return errno;
	close(fd);
	return 0;
}

static int
gives(int rv)
{
	return rv == -1 ? errno : 0;
}

#define CHECK(n, is, want) \
	do { \
		int is_ = (is); \
		if (is_ != (want)) { \
			fprintf(stderr, "# step %d: %d, not %d\n", n, is_, want); \
			return n; \
		} \
	} while (0)

static int
paths(const struct sandbox *s)
{
	bool linkable;
	int fd, dir;

	fd = file_unnamed_at(AT_FDCWD, 0600, &linkable);
	if (fd != -1)
		close(fd);
	dir = open("spool", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = linkable ? file_unnamed_at(dir, 0660, &linkable) : -1;
	sandbox_enter(s);
	CHECK(1, opens("ro/f", O_RDONLY), 0);
	CHECK(2, opens("ro/f", O_RDWR), EACCES);
	CHECK(3, opens("ro/g", O_WRONLY | O_CREAT), EACCES);
	CHECK(4, opens("no/f", O_RDONLY), EACCES);
	CHECK(5, opens("no", O_RDONLY | O_DIRECTORY), EACCES);
	CHECK(6, opens("/etc/passwd", O_RDONLY), EACCES);
	CHECK(7, gives(unlink("ro/f")), EACCES);
	CHECK(8, opens("rw/a/f", O_RDWR | O_TRUNC), 0);
	CHECK(9, opens("rw/a/g", O_WRONLY | O_CREAT | O_EXCL), 0);
	CHECK(10, gives(link("rw/a/g", "rw/b/g")), 0);
	CHECK(11, gives(rename("rw/a/g", "rw/b/h")), 0); /* of the same inode: nothing */
	CHECK(12, gives(unlink("rw/b/g")), 0);
	CHECK(13, gives(mkdir("rw/c", 0700)), 0);
	CHECK(14, gives(link("rw/a/f", "ro/h")), EACCES);
	CHECK(15, gives(link("no/f", "rw/a/h")) != 0, 1);
	if (fd != -1) /* from the spool into a mailbox, as local does it */
		CHECK(16, gives(file_link_fd(fd, AT_FDCWD, "rw/b/mail")), 0);
	return 0;
}

static int
calls_denied(const struct sandbox *s)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "x" };
	char *argv[] = { (char[]){ "/bin/true" }, NULL };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sandbox_enter(s);
	if (!SANITIZED)
		CHECK(20, gives(fork()), EPERM);
	CHECK(21, gives(execv(argv[0], argv)), EPERM);
	CHECK(22, gives(socket(AF_INET, SOCK_STREAM, 0)), EPERM);
	CHECK(23, gives(socket(AF_INET6, SOCK_DGRAM, 0)), EPERM);
	CHECK(24, gives(socket(AF_UNIX, SOCK_STREAM, 0)), EPERM);
	CHECK(25, gives(socket(AF_NETLINK, SOCK_RAW, 0)), EPERM);
	CHECK(26, gives(socket(AF_PACKET, SOCK_RAW, 0)), EPERM);
	CHECK(27, gives(socket(AF_ALG, SOCK_SEQPACKET, 0)), EPERM);
	CHECK(28, gives(connect(fd, (struct sockaddr *)&sun, sizeof(sun))), EPERM);
	CHECK(29, gives(setuid(getuid())), EPERM);
	CHECK(30, gives((int)syscall(SYS_unshare, CLONE_NEWUSER)), EPERM);
	CHECK(31, gives(mount("x", "/", "tmpfs", 0, NULL)), EPERM);
	CHECK(32, gives((int)syscall(SYS_keyctl, 0, 0, 0, 0, 0)), EPERM);
	CHECK(33, gives((int)syscall(SYS_bpf, 0, NULL, 0)), EPERM);
	CHECK(34, gives((int)syscall(SYS_io_uring_setup, 1, NULL)), EPERM);
	CHECK(35, gives(socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){ 0 })), 0);
	return 0;
}

static int
calls_granted(const struct sandbox *s)
{
	char *argv[] = { (char[]){ "/bin/true" }, NULL };
	int status, fd;
	pid_t pid;

	sandbox_enter(s);
	CHECK(40, gives(fd = socket(AF_INET, SOCK_STREAM, 0)), 0);
	close(fd);
	CHECK(41, gives(fd = socket(AF_UNIX, SOCK_STREAM, 0)), 0);
	close(fd);
	CHECK(42, gives(socket(AF_PACKET, SOCK_RAW, 0)), EPERM);
	CHECK(43, gives(setuid(getuid())), 0);
	pid = fork();
	if (pid == 0) {
		execv(argv[0], argv);
		_exit(9);
	}
	CHECK(44, pid > 0, 1);
	CHECK(45, waitpid(pid, &status, 0), pid);
	CHECK(46, status, 0);
	CHECK(47, gives(mount("x", "/", "tmpfs", 0, NULL)), EPERM);
	return 0;
}

/* The filter is made before; another one, for other calls, is not mistaken for it. */
static int
prepared_denied(const struct sandbox *s)
{
	sandbox_prepare(s->calls);
	return calls_denied(s);
}

static int
prepared_for_others(const struct sandbox *s)
{
	sandbox_prepare(0);
	return calls_granted(s);
}

static int
in_child(int (*steps)(const struct sandbox *), const struct sandbox *s)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(steps(s));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
landlock(void **state)
{
	const struct sandbox s = { .mode = SANDBOX_REQUIRED,
		.paths = { { "ro", MAY_READ }, { "rw", MAY_READ | MAY_WRITE },
		    { "spool", MAY_READ | MAY_WRITE }, { "not-there", MAY_READ },
		    { "ro/f", MAY_READ } } };

	(void)state;
	if (!have_landlock)
		skip();
	assert_int_equal(in_child(paths, &s), 0);
}

static void
seccomp(void **state)
{
	const struct sandbox none = { .mode = SANDBOX_AUTO };
	const struct sandbox all = { .mode = SANDBOX_AUTO,
		.paths = { { "/", MAY_READ | MAY_EXEC } },
		.calls = CALL_FORK | CALL_EXEC | CALL_INET | CALL_UNIX | CALL_IDS };

	(void)state;
	assert_int_equal(in_child(calls_denied, &none), 0);
	assert_int_equal(in_child(calls_granted, &all), 0);
	assert_int_equal(in_child(prepared_denied, &none), 0);
	assert_int_equal(in_child(prepared_for_others, &all), 0);
}

/* The whole tree, to read; what was not granted there is denied. */
static int
reads_everywhere(const struct sandbox *s)
{
	sandbox_enter(s);
	CHECK(70, opens("no/f", O_RDONLY), 0);
	CHECK(71, opens("/etc/passwd", O_RDONLY), 0);
	CHECK(72, opens("no/f", O_RDWR), EACCES);
	CHECK(73, opens("no/g", O_WRONLY | O_CREAT), EACCES);
	CHECK(74, gives(rename("no/f", "rw/f")), EACCES);
	return 0;
}

/* All of it, and then, in the same process, one directory and fewer calls. */
static int
narrows_again(const struct sandbox *s)
{
	const struct sandbox less = { .mode = SANDBOX_REQUIRED, .paths = { { "rw/a", MAY_READ | MAY_WRITE } } };

	sandbox_enter(s);
	sandbox_prepare(0);
	CHECK(80, opens("no/f", O_RDWR), 0);
	CHECK(81, gives(rename("no/f", "rw/a/moved")), 0);
	CHECK(82, gives(rename("rw/a/moved", "no/f")), 0);
	CHECK(83, gives(mknod("no/fifo", S_IFIFO | 0600, 0)), EPERM);
	sandbox_enter(&less);
	CHECK(84, opens("rw/a/f", O_RDWR), 0);
	CHECK(85, opens("no/f", O_RDONLY), EACCES);
	CHECK(86, gives(link("rw/a/f", "rw/b/f2")), EACCES);
	if (!SANITIZED)
		CHECK(87, gives((int)fork()), EPERM);
	CHECK(88, gives(socket(AF_UNIX, SOCK_STREAM, 0)), EPERM);
	CHECK(89, gives(unshare(CLONE_NEWNS)), EPERM); /* the first filter's */
	return 0;
}

static void
everywhere(void **state)
{
	const struct sandbox reading = { .mode = SANDBOX_REQUIRED, .paths = { { "/", MAY_READ } } };
	const struct sandbox all = { .mode = SANDBOX_REQUIRED, .paths = { { "/", MAY_READ | MAY_WRITE } },
		.calls = CALL_FORK | CALL_UNIX };

	(void)state;
	if (!have_landlock)
		skip();
	assert_int_equal(in_child(reads_everywhere, &reading), 0);
	assert_int_equal(in_child(narrows_again, &all), 0);
}

static int
works_as_before(const struct sandbox *s)
{
	sandbox_enter(s);
	CHECK(60, opens("no/f", O_RDWR), 0);
	CHECK(61, opens("/etc/passwd", O_RDONLY), 0);
	return 0;
}

static void
off(void **state)
{
	const struct sandbox s = { .mode = SANDBOX_OFF };

	(void)state;
	assert_int_equal(in_child(works_as_before, &s), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(landlock),
		cmocka_unit_test(seccomp),
		cmocka_unit_test(everywhere),
		cmocka_unit_test(off),
	};

	return cmocka_run_group_tests(tests, make_dirs, remove_dirs);
}
