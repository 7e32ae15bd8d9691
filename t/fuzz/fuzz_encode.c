/*
 * Promises of pop3d/encode.c: the same answer whether the message is read at once or in pieces; its end stands at
 * its end only; every line ends with CRLF; the octets told by LIST are those sent. The first octet of the input
 * chooses the mode and the lines of TOP.
 */
#include <string.h>

#include "lib/base/buf.h"
#include "pop3d/encode.h"
#include "t/fuzz/fuzz.h"

static void
run(const char *in, size_t n, size_t piece, struct encode e, struct buf *out)
{
	char *room = malloc(ENCODE_ROOM(piece));
	char end[ENCODE_END];

	for (size_t at = 0; at < n; at += piece) {
		size_t part = n - at < piece ? n - at : piece,
		       made = encode_some(&e, in + at, part, room);

		PROMISE(made <= ENCODE_ROOM(part));
		buf_add(out, room, made);
	}
	buf_add(out, end, encode_end(&e, end));
	free(room);
}

/* Octets of the answer before the final dot, the dots in front of dots not counted. */
static uint64_t
check_answer(const struct buf *out)
{
	struct span rest = buf_span(out);
	uint64_t octets = 0;

	for (;;) {
		struct span line = span_cut(&rest, '\n');

		PROMISE(rest.s != NULL && line.len > 0 && line.s[line.len - 1] == '\r');
		if (span_is(line, ".\r"))
			break;
		PROMISE(line.s[0] != '.' || line.s[1] == '.');
		octets += line.len + 1 - (line.s[0] == '.');
	}
	PROMISE(rest.len == 0);
	return octets;
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	const char *in = (const char *)octets + 1;
	struct buf whole = BUF_INIT(1 << 20), pieces = BUF_INIT(1 << 20);
	struct wire_count count = { 0 };
	struct encode e = { 0 };
	uint64_t sent;

	if (n < 2)
		return 0;
	n--;
	e.keep_crlf = octets[0] & 1;
	e.top = octets[0] & 2;
	e.lines_left = octets[0] >> 4;
	run(in, n, n, e, &whole);
	run(in, n, 1 + (octets[0] >> 2 & 3), e, &pieces);
	PROMISE(span_eq(buf_span(&whole), buf_span(&pieces)));
	sent = check_answer(&whole);
	wire_count_some(&count, in, n);
	if (!e.top && e.keep_crlf) /* counted are files of unknown line ends */
		PROMISE(sent == wire_count_end(&count));
	buf_free(&whole);
	buf_free(&pieces);
	return 0;
}
