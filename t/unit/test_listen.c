/* test_listen: lib/sys/listen.c */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/sys/listen.h"

static uint16_t
port_of(int fd)
{
	struct sockaddr_in6 in6 = { 0 };
	struct sockaddr_in in = { 0 };
	socklen_t len = sizeof(in6);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&in6, &len), 0);
	if (in6.sin6_family == AF_INET6)
		return ntohs(in6.sin6_port);
	memcpy(&in, &in6, sizeof(in));
	return ntohs(in.sin_port);
}

static int
option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void
tcp(void **state)
{
	struct buf why = BUF_INIT(1024);
	int fds[4], client, server;
	struct sockaddr_in to = { .sin_family = AF_INET };

	(void)state;
	assert_int_equal(listen_tcp("127.0.0.1:0", 7, fds, 4, &why), 1);
	assert_string_equal(buf_str(&why), "");
	assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	assert_int_equal(option(fds[0], SOL_SOCKET, SO_REUSEADDR), 1);
	assert_int_equal(option(fds[0], IPPROTO_IP, IP_FREEBIND), 1);
	to.sin_port = htons(port_of(fds[0]));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
	server = accept(fds[0], NULL, NULL);
	assert_int_not_equal(server, -1);
	assert_int_equal(option(server, IPPROTO_TCP, TCP_NODELAY), 1);
	close(server);
	close(client);
	close(fds[0]);
	/* an address that no interface has */
	assert_int_equal(listen_tcp("192.0.2.1:0", 7, fds, 4, &why), 1);
	close(fds[0]);
	buf_free(&why);
}

static void
in_use(void **state)
{
	struct buf why = BUF_INIT(1024), want = BUF_INIT(1024);
	char address[64];
	int fds[4], more[4];

	(void)state;
	assert_int_equal(listen_tcp("127.0.0.1:0", 7, fds, 4, &why), 1);
	snprintf(address, sizeof(address), "127.0.0.1:%u", port_of(fds[0]));
	assert_int_equal(listen_tcp(address, 7, more, 4, &why), -1);
	buf_addf(&want, "cannot listen on %s: address in use by %.15s (pid %d)",
	    address, program_invocation_short_name, (int)getpid());
	assert_string_equal(buf_str(&why), buf_str(&want));
	close(fds[0]);
	buf_free(&why);
	buf_free(&want);
}

static void
not_addresses(void **state)
{
	static const char *const bad[] = { "", ":", "127.0.0.1:", "::1:25",
		"127.0.0.1:x y", "127.0.0.1:99999", "[::1", "999.1.1.1:25",
		"no.such.host.invalid:25" };
	struct buf why = BUF_INIT(1024);
	int fds[4];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++) {
		buf_reset(&why);
		assert_int_equal(listen_tcp(bad[i], 7, fds, 4, &why), -1);
		assert_memory_equal(buf_str(&why), "cannot listen on ", 17);
	}
	buf_free(&why);
}

static void
packets(void **state)
{
	char dir[] = "/tmp/test_listen.XXXXXX", path[300], deep[200];
	struct buf why = BUF_INIT(1024);
	int fd, again, client, server, i;
	struct stat st;
	uid_t uid;
	pid_t pid;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	/* longer than an address of a unix socket can be */
	memset(deep, 'd', 150);
	deep[150] = '\0';
	snprintf(path, sizeof(path), "%s/%s", dir, deep);
	assert_int_equal(mkdir(path, 0700), 0);
	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s%ssocket", dir,
		    i == 0 ? "" : deep, i == 0 ? "" : "/");
		fd = listen_unix(path, 0622, &why);
		assert_int_not_equal(fd, -1);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0622);
		again = listen_unix(path, 0600, &why); /* an old one is replaced */
		assert_int_not_equal(again, -1);
		client = connect_unix(path);
		assert_int_not_equal(client, -1);
		assert_int_equal(fcntl(client, F_GETFD), FD_CLOEXEC);
		server = accept(again, NULL, NULL);
		assert_int_equal(peer_uid(server, &uid, &pid), 0);
		assert_int_equal(uid, getuid());
		assert_int_equal(pid, getpid());
		close(server);
		close(client);
		close(again);
		close(fd);
		assert_int_equal(connect_unix(path), -1);
		assert_int_equal(errno, ECONNREFUSED);
		assert_int_equal(unlink(path), 0);
	}
	/* what is no socket is not replaced */
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(listen_unix(path, 0600, &why), -1);
	assert_non_null(strstr(buf_str(&why), "Address already in use"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(connect_unix(path), -1);
	assert_int_equal(errno, ENOENT);
	*strrchr(path, '/') = '\0';
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(dir), 0);
	buf_free(&why);
}

/* In a child: listen_passed() looks at its environment once. */
static int
child(const char *pid, const char *fds, const char *names,
    const char *const *want)
{
	const char *name;
	char self[16];
	int i, n = 0, null;

	null = open("/dev/null", O_RDONLY);
	for (i = 3; i < 6; i++)
		dup2(null, i);
	snprintf(self, sizeof(self), "%d", (int)getpid());
	setenv("LISTEN_PID", pid != NULL ? pid : self, 1);
	setenv("LISTEN_FDS", fds, 1);
	if (names != NULL)
		setenv("LISTEN_FDNAMES", names, 1);
	for (; want[n] != NULL; n++)
		if (listen_passed(n, &name) != 3 + n || strcmp(name, want[n]) != 0 ||
		    fcntl(3 + n, F_GETFD) != FD_CLOEXEC)
			return 10 + n;
	return listen_passed(n, &name) == -1 && listen_passed(-1, &name) == -1 ? 0 : 2;
}

static void
handed_over(void **state)
{
	static const struct {
		const char *pid, *fds, *names;
		const char *want[4];
	} cases[] = {
		{ NULL, "2", "smtp:pop3", { "smtp", "pop3", NULL } },
		{ NULL, "1", NULL, { "unknown", NULL } },
		{ NULL, "2", "smtp", { "smtp", "unknown", NULL } },
		{ NULL, "0", "", { NULL } },
		{ NULL, "-1", "smtp", { NULL } },
		{ NULL, "2x", "smtp", { NULL } },
		{ "1", "2", "smtp:pop3", { NULL } }, /* for somebody else */
		{ "", "2", "smtp:pop3", { NULL } },
	};
	int status;
	size_t i;
	pid_t pid;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		pid = fork();
		if (pid == 0)
			_exit(child(cases[i].pid, cases[i].fds, cases[i].names,
			    cases[i].want));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp),
		cmocka_unit_test(in_use),
		cmocka_unit_test(not_addresses),
		cmocka_unit_test(packets),
		cmocka_unit_test(handed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
