/*
 * Promises of the line reader in lib/sys/io.c: the same lines whether the input comes
 * at once or in pieces; no line over the limit; no CR, LF or NUL in a strict one.
 * The first octet of the input chooses the limit and the size of the pieces.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/sys/io.h"
#include "t/fuzz/fuzz.h"

#define INPUT_MAX 4096 /* octets; they fit the socket */

static void
check_line(struct span line, size_t max, bool lenient)
{
	PROMISE(line.len <= max);
	PROMISE(memchr(line.s, '\n', line.len) == NULL);
	if (!lenient)
		PROMISE(memchr(line.s, '\r', line.len) == NULL &&
		    memchr(line.s, '\0', line.len) == NULL);
}

/* One line after the other, what they are and say into out. What is not there
 * yet is a time-out; the reader must go on from there. */
static bool
drain(struct io *io, size_t max, bool lenient, struct buf *out)
{
	for (;;) {
		struct span line = { "", 0 };
		enum line what = lenient ?
		    io_line_lenient(io, max, deadline_in(0), &line) :
		    io_line(io, max, deadline_in(0), &line);

		if (what == LINE_TIMEOUT)
			return true;
		PROMISE(what != LINE_ERROR);
		buf_addf(out, "%d:", (int)what);
		if (what == LINE_OK) {
			check_line(line, max, lenient);
			buf_addspan(out, line);
		}
		buf_addc(out, '\n');
		if (what == LINE_EOF)
			return false;
	}
}

static void
run(const uint8_t *s, size_t n, size_t max, size_t piece, bool lenient,
    struct buf *out)
{
	struct io io;
	int pair[2];

	PROMISE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	io_open(&io, pair[0]);
	for (size_t at = 0; at < n; at += piece) {
		size_t part = n - at < piece ? n - at : piece;

		PROMISE(send(pair[1], s + at, part, 0) == (ssize_t)part);
		PROMISE(drain(&io, max, lenient, out));
	}
	close(pair[1]);
	PROMISE(!drain(&io, max, lenient, out));
	io_close(&io);
}

int
LLVMFuzzerTestOneInput(const uint8_t *s, size_t n)
{
	if (n < 1 || n > INPUT_MAX)
		return 0;
	for (int lenient = 0; lenient < 2; lenient++) {
		struct buf whole = BUF_INIT(1 << 20), pieces = BUF_INIT(1 << 20);
		size_t max = s[0] & 0x3f, piece = 1 + (s[0] >> 6);

		run(s + 1, n - 1, max, n, lenient, &whole);
		run(s + 1, n - 1, max, piece, lenient, &pieces);
		PROMISE(span_eq(buf_span(&whole), buf_span(&pieces)));
		buf_free(&whole);
		buf_free(&pieces);
	}
	return 0;
}
