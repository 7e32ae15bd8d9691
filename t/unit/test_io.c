/* test_io: lib/sys/io.c, each input whole and one octet at a time */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/sys/io.h"
#include "lib/sys/proc.h"

#define SOON 50     /* ms: nothing will come */
#define LONG 10000  /* ms: it will come */

struct pair {
	struct io io;
	int peer;
};

static void
open_pair(struct pair *p)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	io_open(&p->io, fds[0]);
	p->peer = fds[1];
}

static void
close_pair(struct pair *p)
{
	io_close(&p->io);
	if (p->peer != -1)
		close(p->peer);
}

/* A child says it, step octets at a time (0: at once), and hangs up. */
static pid_t
say(struct pair *p, const char *s, size_t n, size_t step)
{
	pid_t pid = fork();
	size_t part;

	if (pid == 0) {
		close(p->io.fd);
		for (; n > 0; s += part, n -= part) {
			part = step > 0 && step < n ? step : n;
			if (write(p->peer, s, part) != (ssize_t)part)
				_exit(1);
		}
		_exit(0);
	}
	close(p->peer);
	p->peer = -1;
	return pid;
}

struct expected {
	enum line result;
	const char *line;
	size_t len;
};
#define OK(s) { LINE_OK, s, sizeof(s) - 1 }
#define IS(r) { r, NULL, 0 }
#define IN(s) s, sizeof(s) - 1

struct row {
	bool lenient;
	const char *in;
	size_t n;
	struct expected out[8]; /* max 10 octets; ends with LINE_EOF */
};

/* clang-format off */
static const struct row rows[] = {
	{ false, IN(""), { IS(LINE_EOF) } },
	{ false, IN("NOOP\r\n"), { OK("NOOP"), IS(LINE_EOF) } },
	{ false, IN("\r\n\r\n"), { OK(""), OK(""), IS(LINE_EOF) } },
	{ false, IN("A\r\nB\r\nC\r\n"), { OK("A"), OK("B"), OK("C"), IS(LINE_EOF) } },
	{ false, IN("QUIT"), { IS(LINE_EOF) } }, /* the end of the file ends no line */
	{ false, IN("A\r\nQUIT\r"), { OK("A"), IS(LINE_EOF) } },
	{ false, IN("A\nB\r\nC\r\n"), { IS(LINE_BARE), OK("C"), IS(LINE_EOF) } },
	{ false, IN("\nB\r\nC\r\n"), { IS(LINE_BARE), OK("C"), IS(LINE_EOF) } },
	{ false, IN("A\rB\r\nC\r\n"), { IS(LINE_BARE), OK("C"), IS(LINE_EOF) } },
	{ false, IN("A\r\r\nC\r\n"), { IS(LINE_BARE), OK("C"), IS(LINE_EOF) } },
	{ false, IN("\r\rC\r\nD\r\n"), { IS(LINE_BARE), OK("D"), IS(LINE_EOF) } },
	{ false, IN("A\n\r\nC\r\n"), { IS(LINE_BARE), OK("C"), IS(LINE_EOF) } },
	{ false, IN("A\0B\r\nC\r\n"), { IS(LINE_BARE), OK("C"), IS(LINE_EOF) } },
	{ false, IN("\0\r\nC\r\n"), { IS(LINE_BARE), OK("C"), IS(LINE_EOF) } },
	{ false, IN("A\n"), { IS(LINE_EOF) } },
	{ false, IN("0123456789\r\n0123456789a\r\nB\r\n"),
		{ OK("0123456789"), IS(LINE_LONG), OK("B"), IS(LINE_EOF) } },
	{ false, IN("012345678\r\nB\r\n"), { OK("012345678"), OK("B"), IS(LINE_EOF) } },
	{ false, IN("0123456789abcdefghijklmnopqrstuvwxyz\r\nB\r\n"),
		{ IS(LINE_LONG), OK("B"), IS(LINE_EOF) } },
	{ false, IN("0123456789abcdef\nQUIT\nghij\rRSET\r\nB\r\n"), /* no line in it */
		{ IS(LINE_LONG), OK("B"), IS(LINE_EOF) } },
	{ false, IN("0123456789ab\r\r\nB\r\n"), { IS(LINE_LONG), OK("B"), IS(LINE_EOF) } },
	{ false, IN("0123456789abcdefgh"), { IS(LINE_EOF) } },
	{ false, IN("\xff\x80\r\n"), { OK("\xff\x80"), IS(LINE_EOF) } },

	{ true, IN("A\nB\r\nC\r\n"), { OK("A"), OK("B"), OK("C"), IS(LINE_EOF) } },
	{ true, IN("A\rB\r\r\nC\n"), { OK("A\rB\r"), OK("C"), IS(LINE_EOF) } },
	{ true, IN("A\0B\n\n"), { OK("A\0B"), OK(""), IS(LINE_EOF) } },
	{ true, IN("0123456789\n0123456789a\nB\n"),
		{ OK("0123456789"), IS(LINE_LONG), OK("B"), IS(LINE_EOF) } },
	{ true, IN("0123456789abcdefghij\r\nB\n"), { IS(LINE_LONG), OK("B"), IS(LINE_EOF) } },
	{ true, IN("A"), { IS(LINE_EOF) } },
};
/* clang-format on */

static void
run(const struct row *r, size_t step)
{
	const struct expected *want;
	enum line got;
	struct span line;
	struct pair p;
	pid_t pid;

	open_pair(&p);
	pid = say(&p, r->in, r->n, step);
	for (want = r->out;; want++) {
		got = r->lenient
		    ? io_line_lenient(&p.io, 10, deadline_in(LONG), &line)
		    : io_line(&p.io, 10, deadline_in(LONG), &line);
		if (got != want->result)
			print_error("in: %s\n", r->in);
		assert_int_equal(got, want->result);
		if (got == LINE_EOF)
			break;
		if (got != LINE_OK)
			continue;
		assert_int_equal(line.len, want->len);
		assert_memory_equal(line.s, want->line, line.len);
	}
	waitpid(pid, NULL, 0);
	close_pair(&p);
}

static void
lines(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		run(&rows[i], 0);
		run(&rows[i], 1);
		run(&rows[i], 2);
	}
}

static void
add_many(struct buf *b, char c, size_t n)
{
	while (n-- > 0)
		buf_addc(b, c);
}

/* Over-long lines that are longer than the buffer, at every place in it. */
static void
huge_lines(void **state)
{
	static const size_t sizes[] = { 16381, 16382, 16383, 16384, 16385,
		16386, 32768, 100001 };
	struct buf said = BUF_INIT(2 * 100001 + 100);
	struct span line;
	struct pair p;
	size_t i;
	pid_t pid;

	(void)state;
	for (i = 0; i < COUNT(sizes); i++) {
		buf_reset(&said);
		add_many(&said, 'x', sizes[i]);
		buf_adds(&said, "\r\nA\r\n");
		add_many(&said, '\n', sizes[i]);
		buf_adds(&said, "\r\nB\r\n");
		open_pair(&p);
		pid = say(&p, said.s, said.len, 4093);
		assert_int_equal(io_line(&p.io, SIZE_MAX, deadline_in(LONG),
		    &line), sizes[i] <= 16382 ? LINE_OK : LINE_LONG);
		assert_int_equal(io_line(&p.io, SIZE_MAX, deadline_in(LONG),
		    &line), LINE_OK);
		assert_true(span_is(line, "A"));
		assert_int_equal(io_line(&p.io, SIZE_MAX, deadline_in(LONG),
		    &line), sizes[i] <= 16382 ? LINE_BARE : LINE_LONG);
		assert_int_equal(io_line(&p.io, SIZE_MAX, deadline_in(LONG),
		    &line), LINE_OK);
		assert_true(span_is(line, "B"));
		assert_int_equal(io_line(&p.io, SIZE_MAX, deadline_in(LONG),
		    &line), LINE_EOF);
		waitpid(pid, NULL, 0);
		close_pair(&p);
	}
	buf_free(&said);
}

static void
time_passes(void **state)
{
	struct span line;
	struct pair p;

	(void)state;
	open_pair(&p);
	assert_int_equal(io_line(&p.io, 10, deadline_in(SOON), &line),
	    LINE_TIMEOUT);
	assert_int_equal(write(p.peer, "AB", 2), 2);
	assert_int_equal(io_line(&p.io, 10, deadline_in(SOON), &line),
	    LINE_TIMEOUT);
	/* what came in time is not lost */
	assert_int_equal(write(p.peer, "C\r\nD\r\n", 6), 6);
	assert_int_equal(io_line(&p.io, 10, deadline_in(LONG), &line), LINE_OK);
	assert_true(span_is(line, "ABC"));
	assert_int_equal(io_line(&p.io, 10, deadline_in(0), &line), LINE_OK);
	assert_true(span_is(line, "D"));
	/* a deadline that is over reads what is there, and waits for nothing */
	assert_int_equal(write(p.peer, "E\r\n", 3), 3);
	assert_int_equal(io_line(&p.io, 10, deadline_in(0), &line), LINE_OK);
	assert_int_equal(io_line(&p.io, 10, deadline_in(0), &line), LINE_TIMEOUT);
	close_pair(&p);
}

static void
output_waits_for_input(void **state)
{
	struct span line;
	struct pair p;
	char got[64];

	(void)state;
	open_pair(&p);
	io_puts(&p.io, "250 a\r\n");
	io_puts(&p.io, "250 b\r\n");
	assert_int_equal(recv(p.peer, got, sizeof(got), MSG_DONTWAIT), -1);
	assert_int_equal(io_line(&p.io, 10, deadline_in(0), &line), LINE_TIMEOUT);
	assert_int_equal(recv(p.peer, got, sizeof(got), MSG_DONTWAIT), 14);
	assert_memory_equal(got, "250 a\r\n250 b\r\n", 14);
	io_puts(&p.io, "x");
	assert_int_equal(io_send(&p.io, (struct iovec[]){ { (char[]){ "yz" }, 2 },
	    { NULL, 0 }, { (char[]){ "w" }, 1 } }, 3, deadline_in(LONG)), 0);
	assert_int_equal(recv(p.peer, got, sizeof(got), MSG_DONTWAIT), 4);
	assert_memory_equal(got, "xyzw", 4);
	assert_int_equal(p.io.octets_out, 18);
	assert_int_equal(io_flush(&p.io, deadline_in(0)), 0);
	close_pair(&p);
}

static void
much_output(void **state)
{
	size_t n = 3 * 1000 * 1000, i, got = 0;
	unsigned char piece[5000];
	char *s = malloc(n);
	struct pair p;
	ssize_t part;
	pid_t pid;

	(void)state;
	for (i = 0; i < n; i++)
		s[i] = (char)(i * 7 % 251);
	open_pair(&p);
	pid = fork();
	if (pid == 0) {
		close(p.peer);
		for (i = 0; i < n / 2; i += 1000)
			io_put(&p.io, s + i, 1000);
		if (io_send(&p.io, &(struct iovec){ s + n / 2, n - n / 2 }, 1,
		        deadline_in(LONG)) == -1)
			_exit(1);
		_exit(0);
	}
	close(p.io.fd);
	p.io.fd = -1;
	while ((part = read(p.peer, piece, sizeof(piece))) > 0)
		for (i = 0; i < (size_t)part; i++, got++)
			assert_int_equal(piece[i], got * 7 % 251);
	assert_int_equal(got, n);
	waitpid(pid, NULL, 0);
	close_pair(&p);
	free(s);
}

static void
peer_gone(void **state)
{
	struct span line;
	struct pair p;

	(void)state;
	open_pair(&p);
	close(p.peer);
	p.peer = -1;
	io_puts(&p.io, "x");
	assert_int_equal(io_flush(&p.io, deadline_in(LONG)), -1);
	assert_int_equal(errno, EPIPE);
	io_puts(&p.io, "y"); /* ignored */
	assert_int_equal(io_line(&p.io, 10, deadline_in(LONG), &line), LINE_ERROR);
	assert_int_equal(errno, EPIPE);
	close_pair(&p);
}

static void
peer_does_not_read(void **state)
{
	char *s = calloc(1, 8 << 20);
	struct pair p;

	(void)state;
	open_pair(&p);
	assert_int_equal(io_send(&p.io, &(struct iovec){ s, 8 << 20 }, 1,
	    deadline_in(SOON)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	close_pair(&p);
	free(s);
}

/* A connection over TCP whose client has unread octets, has sent what it had to say, and closes: with RST. */
static void
open_reset(struct io *io, size_t says)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	char *octets = calloc(1, says);

	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	io_open(io, accept(listener, NULL, NULL));
	io_puts(io, "220 hello\r\n");
	assert_int_equal(io_flush(io, deadline_in(LONG)), 0);
	assert_int_equal(poll(&(struct pollfd){ client, POLLIN, 0 }, 1, LONG), 1);
	assert_int_equal(write(client, octets, says), says);
	close(client);
	close(listener);
	free(octets);
}

static void
peer_is_gone(void **state)
{
	const size_t says = 40000;
	struct io io;
	size_t heard = 0;

	(void)state;
	open_reset(&io, says);
	io_puts(&io, "250 for nobody\r\n");
	assert_int_equal(io_fill(&io, deadline_in(LONG)), -1);
	io_close(&io);
	open_reset(&io, says);
	io.hear_out = true;
	do {
		io_puts(&io, "250 for nobody\r\n");
		heard += io_unread(&io).len;
		io_skip(&io, io_unread(&io).len);
	} while (io_fill(&io, deadline_in(LONG)) == 1);
	assert_int_equal(heard, says);
	io_reuse(&io, io.fd);
	assert_false(io.hear_out);
	io_close(&io);
}

static void
taken_over(void **state)
{
	struct span line;
	struct pair p;
	size_t i;
	char large[20000];

	(void)state;
	open_pair(&p);
	assert_int_equal(write(p.peer, "LO\r\n", 4), 4);
	io_unget(&p.io, SPAN("HEL"));
	assert_int_equal(io_line(&p.io, 10, deadline_in(LONG), &line), LINE_OK);
	assert_true(span_is(line, "HELLO"));
	memset(large, 'a', sizeof(large));
	assert_int_equal(write(p.peer, "tail\r\n", 6), 6);
	assert_int_equal(io_fill(&p.io, deadline_in(LONG)), 1);
	io_unget(&p.io, (struct span){ large, sizeof(large) });
	assert_int_equal(io_unread(&p.io).len, sizeof(large) + 6);
	assert_memory_equal(io_unread(&p.io).s, large, sizeof(large));
	io_skip(&p.io, sizeof(large));
	assert_int_equal(io_line(&p.io, 10, deadline_in(LONG), &line), LINE_OK);
	assert_true(span_is(line, "tail"));
	/* the next session finds nothing of this one */
	io_unget(&p.io, SPAN("secret"));
	io_reuse(&p.io, p.io.fd);
	assert_int_equal(io_unread(&p.io).len, 0);
	for (i = 0; i < p.io.in_cap; i++)
		if (memcmp("secret", p.io.in + i, i + 6 <= p.io.in_cap ? 6 : 0) == 0 &&
		    i + 6 <= p.io.in_cap)
			fail_msg("a secret stayed at %zu", i);
	assert_int_equal(p.io.octets_in, 0);
	close_pair(&p);
}

static void
stopped(void **state)
{
	struct span line;
	struct pair p;
	pid_t pid;
	int status;

	(void)state;
	open_pair(&p);
	pid = fork();
	if (pid == 0) {
		proc_signals();
		assert_int_equal(write(p.io.fd, "!", 1), 1);
		if (io_line(&p.io, 10, deadline_in(LONG), &line) != LINE_ERROR)
			_exit(1);
		_exit(errno == EINTR ? 0 : 2);
	}
	assert_int_equal(read(p.peer, &(char){ 0 }, 1), 1);
	/* until it stands in its wait: a signal before it would only be noted */
	do {
		kill(pid, SIGTERM);
		(void)poll(NULL, 0, 5);
	} while (waitpid(pid, &status, WNOHANG) == 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close_pair(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(huge_lines),
		cmocka_unit_test(time_passes),
		cmocka_unit_test(output_waits_for_input),
		cmocka_unit_test(peer_is_gone),
		cmocka_unit_test(much_output),
		cmocka_unit_test(peer_gone),
		cmocka_unit_test(peer_does_not_read),
		cmocka_unit_test(taken_over),
		cmocka_unit_test(stopped),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
