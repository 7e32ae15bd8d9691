/*
 * io: octets to and from a peer, with deadlines.
 *
 * Knows the socket, the two buffers and the line end. Knows no protocol and
 * no TLS (a transport does).
 *
 * System calls are counted here: on a blocking socket the kernel waits inside
 * recv(2) itself (SO_RCVTIMEO, set anew only when a deadline comes nearer than
 * the old value), so a command costs one call to read and its replies one to
 * send. poll(2) is called when recv or send had nothing.
 */
#include "lib/sys/io.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/sys/file.h"
#include "lib/sys/proc.h"

#define IN_OCTETS 16384
#define OUT_FLUSH 65536             /* io_put sends on its own from here */
#define OUT_MAX (4 * 1024 * 1024)   /* one io_put more than that is a fault */
#define PUT_WAIT_MS 300000
#define IOV_AT_ONCE 16

/* --- opening and closing ------------------------------------------------ */

void
io_open(struct io *io, int fd)
{
	*io = (struct io){ .fd = fd, .put_wait_ms = PUT_WAIT_MS };
	io->in_cap = IN_OCTETS;
	io->in = mem_grow(NULL, io->in_cap, 1);
	buf_init(&io->out, OUT_MAX);
}

static void
forget_octets(struct io *io)
{
	if (io->in != NULL)
		explicit_bzero(io->in, io->in_top);
	io->in_pos = io->in_end = io->in_top = 0;
	buf_wipe(&io->out);
}

void
io_reuse(struct io *io, int fd)
{
	struct io fresh = { .fd = fd, .put_wait_ms = io->put_wait_ms };

	forget_octets(io);
	fresh.in = io->in;
	fresh.in_cap = io->in_cap;
	fresh.out = io->out;
	*io = fresh;
}

void
io_close(struct io *io)
{
	int saved = errno;

	if (io->via.close != NULL)
		io->via.close(io->via.state);
	file_close(io->fd);
	forget_octets(io);
	free(io->in);
	buf_free(&io->out);
	*io = (struct io){ .fd = -1 };
	errno = saved;
}

/* --- the socket or what stands in front of it ---------------------------- */

/* 0: try again now; -1 with errno. */
static int
wait_for(const struct io *io, short events, deadline_ms deadline)
{
	struct pollfd p = { io->fd, events, 0 };
	int n = poll(&p, 1, deadline_left(deadline));

	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0 || (n == -1 && errno == EINTR && !proc_stopping) ? 0 : -1;
}

/*
 * Let recv(2) wait itself, but not beyond the deadline. Three quarters of what
 * is left: so the value stays good for the next deadline of the same length,
 * and poll(2) waits for the last quarter.
 */
static int
limit_recv(struct io *io, deadline_ms deadline)
{
	int left = deadline_left(deadline), ms;
	struct timeval t;

	if (left == 0) {
		/* Nothing to wait for, but what is there may be read. */
		return MSG_DONTWAIT;
	}
	if (left == -1)
		left = 3600 * 1000;
	if (io->recv_wait_ms > 0 && io->recv_wait_ms <= left)
		return 0;
	ms = left / 4 * 3 + 1;
	t = (struct timeval){ ms / 1000, ms % 1000 * 1000 };
	if (setsockopt(io->fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) == -1)
		return MSG_DONTWAIT;
	io->recv_wait_ms = ms;
	return 0;
}

static ssize_t
read_some(struct io *io, void *to, size_t n, deadline_ms deadline)
{
	short want = POLLIN;
	ssize_t got;

	for (;;) {
		if (io->via.read != NULL)
			got = io->via.read(io->via.state, to, n, &want);
		else
			got = recv(io->fd, to, n, limit_recv(io, deadline));
		if (got >= 0)
			return got;
		if (errno == EINTR && !proc_stopping)
			continue;
		if (errno != EAGAIN || wait_for(io, want, deadline) == -1)
			return -1;
	}
}

/* Sends at least one octet of iov. */
static ssize_t
write_some(struct io *io, struct iovec *iov, int n, deadline_ms deadline)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = (size_t)n };
	short want = POLLOUT;
	ssize_t put;

	for (;;) {
		if (io->via.write != NULL)
			put = io->via.write(io->via.state, iov->iov_base,
			    iov->iov_len, &want);
		else
			put = sendmsg(io->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (put >= 0)
			return put;
		if (errno == EINTR && !proc_stopping)
			continue;
		if (errno != EAGAIN || wait_for(io, want, deadline) == -1)
			return -1;
	}
}

static int
write_all(struct io *io, struct iovec *iov, int n, deadline_ms deadline)
{
	ssize_t put;
	size_t part;

	while (n > 0) {
		if (iov->iov_len == 0) {
			iov++, n--;
			continue;
		}
		put = write_some(io, iov, n, deadline);
		if (put == -1)
			return -1;
		io->octets_out += (uint64_t)put;
		for (; n > 0 && put > 0; put -= (ssize_t)part) {
			part = (size_t)put < iov->iov_len ? (size_t)put
			                                  : iov->iov_len;
			if (part > 0) /* an empty one may lie nowhere */
				iov->iov_base = (char *)iov->iov_base + part;
			iov->iov_len -= part;
			if (iov->iov_len == 0)
				iov++, n--;
		}
	}
	return 0;
}

/* --- output ------------------------------------------------------------- */

/* A failed write is for good: what a peer got of it nobody knows. Who has closed without a look at our answers may have
 * said something before, which is still there to be read. */
static int
broken(struct io *io, int error)
{
	buf_reset(&io->out);
	if (io->hear_out && (error == EPIPE || error == ECONNRESET))
		return 0;
	io->error = error;
	errno = error;
	return -1;
}

int
io_send(struct io *io, const struct iovec *iov, int n, deadline_ms deadline)
{
	struct iovec all[IOV_AT_ONCE + 1];
	int i, count;

	if (io->error != 0 || buf_over(&io->out))
		return broken(io, io->error != 0 ? io->error : ENOBUFS);
	do {
		count = 0;
		if (io->out.len > 0)
			all[count++] = (struct iovec){ io->out.s, io->out.len };
		for (i = 0; i < n && i < IOV_AT_ONCE; i++)
			all[count++] = iov[i];
		if (write_all(io, all, count, deadline) == -1)
			return broken(io, errno);
		buf_reset(&io->out);
		iov += i;
		n -= i;
	} while (n > 0);
	return 0;
}

int
io_flush(struct io *io, deadline_ms deadline)
{
	const struct iovec nothing = { NULL, 0 };

	if (io->out.len == 0 && io->error == 0)
		return 0;
	return io_send(io, &nothing, 0, deadline);
}

void
io_put(struct io *io, const void *octets, size_t n)
{
	if (io->error != 0)
		return;
	buf_add(&io->out, octets, n);
	if (io->out.len >= OUT_FLUSH &&
	    io_flush(io, deadline_in(io->put_wait_ms)) == -1)
		return; /* io->error has it */
}

void
io_puts(struct io *io, const char *s)
{
	io_put(io, s, strlen(s));
}

/* --- input -------------------------------------------------------------- */

struct span
io_unread(const struct io *io)
{
	return (struct span){ io->in + io->in_pos, io->in_end - io->in_pos };
}

/* What is left stands at the start of the buffer. */
static void
close_ranks(struct io *io)
{
	if (io->in_pos == 0)
		return;
	memmove(io->in, io->in + io->in_pos, io->in_end - io->in_pos);
	io->in_end -= io->in_pos;
	io->in_pos = 0;
}

void
io_skip(struct io *io, size_t n)
{
	size_t have = io->in_end - io->in_pos;

	io->in_pos += n < have ? n : have;
	if (io->in_pos == io->in_end)
		io->in_pos = io->in_end = 0;
	io->scanned = 0;
}

void
io_unget(struct io *io, struct span s)
{
	size_t have, need;

	if (io->in_pos < s.len) {
		close_ranks(io);
		have = io->in_end;
		need = have + s.len; /* both lie in memory: no overflow */
		if (need > io->in_cap) {
			io->in = mem_grow(io->in, need, 1);
			io->in_cap = need;
		}
		memmove(io->in + s.len, io->in, have);
		io->in_pos = s.len;
		io->in_end = need;
	}
	io->in_pos -= s.len;
	if (s.len > 0)
		memcpy(io->in + io->in_pos, s.s, s.len);
	if (io->in_end > io->in_top)
		io->in_top = io->in_end;
	io->scanned = 0;
}

int
io_fill(struct io *io, deadline_ms deadline)
{
	ssize_t n;

	if (io_flush(io, deadline) == -1)
		return -1;
	if (io->eof)
		return 0;
	if (io->in_pos == io->in_end)
		io->in_pos = io->in_end = 0;
	if (io->in_end == io->in_cap)
		close_ranks(io);
	if (io->in_end == io->in_cap) {
		errno = ENOBUFS;
		return -1;
	}
	n = read_some(io, io->in + io->in_end, io->in_cap - io->in_end,
	    deadline);
	if (n == -1)
		return -1;
	io->eof = n == 0;
	io->in_end += (size_t)n;
	if (io->in_end > io->in_top)
		io->in_top = io->in_end;
	io->octets_in += (uint64_t)n;
	return n > 0;
}

/* --- lines -------------------------------------------------------------- */

/*
 * Look for the line's end in what is unread, from where the last look ended.
 * True: the line's octets are the first *len, its end included in *used.
 */
static bool
find_end(struct io *io, bool lenient, size_t *len, size_t *used)
{
	const char *s = io->in + io->in_pos, *lf;
	size_t have = io->in_end - io->in_pos, at;

	while (io->scanned < have) {
		lf = memchr(s + io->scanned, '\n', have - io->scanned);
		if (lf == NULL)
			break;
		at = (size_t)(lf - s);
		io->scanned = at + 1;
		if (at > 0 && s[at - 1] == '\r')
			*len = at - 1;
		else if (lenient)
			*len = at;
		else {
			io->bare = true;
			continue;
		}
		*used = at + 1;
		return true;
	}
	io->scanned = have;
	return false;
}

/* Too long already: let go of what is there, but for a CR that may be half of
 * the line's end. */
static void
skip_part(struct io *io)
{
	size_t have = io->in_end - io->in_pos;

	io->skipping = true;
	if (have > 0 && io->in[io->in_end - 1] == '\r')
		have--;
	io_skip(io, have);
	io->scanned = io->in_end - io->in_pos;
}

/* The line is whole: which is it? Its octets are taken from the input. */
static enum line
judge(struct io *io, bool lenient, size_t len, size_t used, size_t max,
    struct span *line)
{
	const char *s = io->in + io->in_pos;
	bool too_long = io->skipping || len > max, bare = io->bare;

	io->in_pos += used; /* not io_skip(): the octets stay where they are */
	io->scanned = 0;
	io->skipping = io->bare = false;
	if (too_long)
		return LINE_LONG;
	if (bare || (!lenient && len > 0 &&
	    (memchr(s, '\r', len) != NULL || memchr(s, '\0', len) != NULL)))
		return LINE_BARE;
	*line = (struct span){ s, len };
	return LINE_OK;
}

static enum line
next_line(struct io *io, bool lenient, size_t max, deadline_ms deadline,
    struct span *line)
{
	size_t len, used;
	int filled;

	if (max > IN_OCTETS - 2)
		max = IN_OCTETS - 2;
	for (;;) {
		if (find_end(io, lenient, &len, &used))
			return judge(io, lenient, len, used, max, line);
		if (io->in_end - io->in_pos >= max + 2)
			skip_part(io);
		filled = io_fill(io, deadline);
		if (filled == 0)
			return LINE_EOF;
		if (filled == -1)
			return errno == ETIMEDOUT ? LINE_TIMEOUT : LINE_ERROR;
	}
}

enum line
io_line(struct io *io, size_t max, deadline_ms deadline, struct span *line)
{
	return next_line(io, false, max, deadline, line);
}

enum line
io_line_lenient(struct io *io, size_t max, deadline_ms deadline,
    struct span *line)
{
	return next_line(io, true, max, deadline, line);
}
