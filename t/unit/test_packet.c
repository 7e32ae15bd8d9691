/* test_packet: lib/sys/packet.c */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/sys/packet.h"

static int ends[2];
static char buf[LIMIT_PACKET + 1], sent[LIMIT_PACKET + 1];

static int
open_ends(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
}

static int
close_ends(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

/* How many descriptors this process has open. */
static int
open_fds(void)
{
	int n = 0, fd;

	for (fd = 0; fd < 200; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static void
octets(void **state)
{
	static const size_t sizes[] = { 1, 2, 4096, LIMIT_PACKET - 1, LIMIT_PACKET };
	int fds[LIMIT_PACKET_FDS], nfds;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sent); i++)
		sent[i] = (char)(i * 31);
	for (i = 0; i < COUNT(sizes); i++) {
		assert_int_equal(packet_send(ends[0], sent, sizes[i], NULL, 0,
		    deadline_in(1000)), 0);
		memset(buf, 'x', sizeof(buf));
		assert_int_equal(packet_recv(ends[1], buf, fds, &nfds,
		    deadline_in(1000)), sizes[i]);
		assert_int_equal(nfds, 0);
		assert_memory_equal(buf, sent, sizes[i]);
		assert_int_equal(buf[sizes[i]], '\0');
	}
	assert_int_equal(packet_send(ends[0], sent, LIMIT_PACKET + 1, NULL, 0,
	    deadline_in(1000)), -1);
	assert_int_equal(errno, EMSGSIZE);
}

static void
boundaries_stay(void **state)
{
	int fds[LIMIT_PACKET_FDS], nfds;

	(void)state;
	assert_int_equal(packet_send(ends[0], "one", 3, NULL, 0, NEVER), 0);
	assert_int_equal(packet_send(ends[0], "two", 3, NULL, 0, NEVER), 0);
	assert_int_equal(packet_recv(ends[1], buf, fds, &nfds, NEVER), 3);
	assert_string_equal(buf, "one");
	assert_int_equal(packet_recv(ends[1], buf, fds, &nfds, NEVER), 3);
	assert_string_equal(buf, "two");
}

static void
descriptors(void **state)
{
	int out[LIMIT_PACKET_FDS + 1], in[LIMIT_PACKET_FDS], n, i, nfds;
	int before;
	struct stat a, b;

	(void)state;
	for (i = 0; i <= LIMIT_PACKET_FDS; i++)
		out[i] = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	before = open_fds();
	for (n = 0; n <= LIMIT_PACKET_FDS; n++) {
		assert_int_equal(packet_send(ends[0], "x", 1, out, n,
		    deadline_in(1000)), 0);
		assert_int_equal(packet_recv(ends[1], buf, in, &nfds,
		    deadline_in(1000)), 1);
		assert_int_equal(nfds, n);
		for (i = 0; i < n; i++) {
			assert_int_equal(fstat(out[i], &a), 0);
			assert_int_equal(fstat(in[i], &b), 0);
			assert_int_equal(a.st_ino, b.st_ino);
			assert_int_equal(fcntl(in[i], F_GETFD), FD_CLOEXEC);
			close(in[i]);
		}
	}
	assert_int_equal(packet_send(ends[0], "x", 1, out, LIMIT_PACKET_FDS + 1,
	    deadline_in(1000)), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(open_fds(), before);
	for (i = 0; i <= LIMIT_PACKET_FDS; i++)
		close(out[i]);
}

/* What packet_send does not send, a hostile peer may. */
static void
hostile(void **state)
{
	char control[CMSG_SPACE(sizeof(int) * 8)] = "";
	struct iovec iov = { sent, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int before = open_fds(), fds[8], in[LIMIT_PACKET_FDS], i, nfds, n;
	struct cmsghdr *c;

	(void)state;
	for (n = LIMIT_PACKET_FDS + 1; n <= 8; n++) {
		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
		for (i = 0; i < n; i++)
			fds[i] = ends[0];
		memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)n);
		assert_int_equal(sendmsg(ends[0], &m, 0), 1);
		assert_int_equal(packet_recv(ends[1], buf, in, &nfds,
		    deadline_in(1000)), -1);
		assert_int_equal(errno, EBADMSG);
		assert_int_equal(nfds, 0);
		assert_int_equal(open_fds(), before);
	}
	/* longer than a packet may be */
	assert_int_equal(send(ends[0], sent, sizeof(sent), 0), sizeof(sent));
	assert_int_equal(packet_recv(ends[1], buf, in, &nfds, deadline_in(1000)), -1);
	assert_int_equal(errno, EBADMSG);
	/* and the next one is fine */
	assert_int_equal(packet_send(ends[0], "ok", 2, NULL, 0, deadline_in(1000)), 0);
	assert_int_equal(packet_recv(ends[1], buf, in, &nfds, deadline_in(1000)), 2);
}

static void
waits(void **state)
{
	int fds[LIMIT_PACKET_FDS], nfds, i;

	(void)state;
	assert_int_equal(packet_recv(ends[1], buf, fds, &nfds, deadline_in(20)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(packet_recv(ends[1], buf, fds, &nfds, NEVER), -1);
	assert_int_equal(errno, EAGAIN);
	for (i = 0; i < 100000; i++)
		if (packet_send(ends[1], sent, 4096, NULL, 0, NEVER) == -1)
			break;
	assert_int_equal(errno, EAGAIN); /* full, and it did not wait */
	assert_int_equal(packet_send(ends[1], sent, 4096, NULL, 0, deadline_in(20)), -1);
	assert_int_equal(errno, ETIMEDOUT);
}

static void
gone(void **state)
{
	int fds[LIMIT_PACKET_FDS], nfds;

	(void)state;
	assert_int_equal(packet_send(ends[0], "bye", 3, NULL, 0, NEVER), 0);
	assert_int_equal(shutdown(ends[0], SHUT_RDWR), 0);
	assert_int_equal(packet_recv(ends[1], buf, fds, &nfds, deadline_in(1000)), 3);
	assert_int_equal(packet_recv(ends[1], buf, fds, &nfds, deadline_in(1000)), 0);
	assert_int_equal(packet_send(ends[1], "x", 1, NULL, 0, deadline_in(1000)), -1);
	assert_int_equal(errno, EPIPE); /* and no SIGPIPE */
}

/* Closed with something unread: the kernel resets, yet what was said before counts. */
static void
gone_without_reading(void **state)
{
	int fds[LIMIT_PACKET_FDS], nfds;

	(void)state;
	assert_int_equal(packet_send(ends[1], "for you", 7, NULL, 0, NEVER), 0);
	assert_int_equal(packet_send(ends[0], "synced", 6, NULL, 0, NEVER), 0);
	assert_int_equal(packet_send(ends[0], "bye", 3, NULL, 0, NEVER), 0);
	close(ends[0]);
	ends[0] = -1;
	assert_int_equal(packet_recv(ends[1], buf, fds, &nfds, deadline_in(1000)), 6);
	assert_int_equal(packet_recv(ends[1], buf, fds, &nfds, deadline_in(1000)), 3);
	assert_int_equal(packet_recv(ends[1], buf, fds, &nfds, deadline_in(1000)), 0);
}

#define with_ends(f) cmocka_unit_test_setup_teardown(f, open_ends, close_ends)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_ends(octets),
		with_ends(boundaries_stay),
		with_ends(descriptors),
		with_ends(hostile),
		with_ends(waits),
		with_ends(gone),
		with_ends(gone_without_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
