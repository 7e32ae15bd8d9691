/*
 * packet: one SOCK_SEQPACKET packet with descriptors.
 *
 * Knows sendmsg(2) and SCM_RIGHTS; not what is in a packet (lib/wire does).
 */
#include "lib/sys/packet.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/sys/file.h"
#include "lib/sys/proc.h"

/* Room for one more tells "too many". The kernel uses the padding, too. */
union control {
	char room[CMSG_SPACE(sizeof(int) * (LIMIT_PACKET_FDS + 1))];
	struct cmsghdr align;
};
#define FDS_ROOM (sizeof(union control) / sizeof(int))

/* 0: ready (or broken: the next call says how); -1 with errno. */
static int
wait_for(int fd, short events, deadline_ms deadline)
{
	struct pollfd p = { fd, events, 0 };
	int n;

	do
		n = poll(&p, 1, deadline_left(deadline));
	while (n == -1 && errno == EINTR && !proc_stopping);
	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0 ? 0 : -1;
}

int
packet_send(int fd, const void *octets, size_t n, const int *fds, int nfds,
    deadline_ms deadline)
{
	struct iovec iov = { (void *)(uintptr_t)octets, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int flags = MSG_NOSIGNAL | (deadline == NEVER ? 0 : MSG_DONTWAIT);
	union control control;
	struct cmsghdr *c;

	if (n > LIMIT_PACKET || nfds > LIMIT_PACKET_FDS) {
		errno = EMSGSIZE;
		return -1;
	}
	if (nfds > 0) {
		memset(&control, 0, sizeof(control));
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)nfds);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)nfds);
	}
	while (sendmsg(fd, &m, flags) == -1) {
		if (errno == EINTR && !proc_stopping)
			continue;
		if (errno != EAGAIN || deadline == NEVER)
			return -1;
		if (wait_for(fd, POLLOUT, deadline) == -1)
			return -1;
	}
	return 0;
}

/* Every descriptor that came along, into all (room for FDS_ROOM). */
static int
take_fds(struct msghdr *m, int *all)
{
	struct cmsghdr *c;
	size_t n, count = 0;

	for (c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (n > FDS_ROOM - count)
			n = FDS_ROOM - count; /* cannot be: control is smaller */
		memcpy(all + count, CMSG_DATA(c), n * sizeof(int));
		count += n;
	}
	return (int)count;
}

ssize_t
packet_recv(int fd, char *buf, int *fds, int *nfds, deadline_ms deadline)
{
	struct iovec iov = { buf, LIMIT_PACKET };
	union control control;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control) };
	int flags = MSG_CMSG_CLOEXEC, all[FDS_ROOM], count;
	ssize_t n;

	*nfds = 0;
	for (;;) {
		/* Who waits for an answer asks before it is there: wait first. */
		if (deadline != NEVER && wait_for(fd, POLLIN, deadline) == -1)
			return -1;
		n = recvmsg(fd, &m,
		    flags | (deadline == NEVER ? 0 : MSG_DONTWAIT));
		if (n >= 0)
			break;
		/* Gone without reading all we said. The kernel tells that once, and before what it said last: that is
		 * still there, and counts. */
		if (errno == ECONNRESET)
			continue;
		if (errno == EINTR && !proc_stopping)
			continue;
		if (errno != EAGAIN || deadline == NEVER)
			return -1;
	}
	count = take_fds(&m, all);
	if (n == 0 || count > LIMIT_PACKET_FDS ||
	    (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		while (count > 0)
			file_close(all[--count]);
		if (n > 0)
			errno = EBADMSG;
		return n > 0 ? -1 : 0;
	}
	memcpy(fds, all, sizeof(int) * (size_t)count);
	*nfds = count;
	buf[n] = '\0';
	return n;
}
