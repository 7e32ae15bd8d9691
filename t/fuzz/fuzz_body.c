/*
 * Promises of smtpd/body.c: the same text whether the octets come at once or one by one; the text of a
 * message that is taken is what a plain reading of RFC 5321, 4.1.1.4 and 4.5.2 makes of the wire: so there is one
 * end of data and no other. The first octet of the input chooses size limit and mode.
 */
#include <string.h>

#include "lib/base/buf.h"
#include "smtpd/body.h"
#include "t/fuzz/fuzz.h"

static size_t
feed(struct body *b, const char *s, size_t n, size_t piece, char *out, size_t *made)
{
	size_t taken = 0;

	*made = 0;
	while (taken < n && !b->ended) {
		size_t part = n - taken < piece ? n - taken : piece, some;

		taken += body_feed(b, s + taken, part, out + *made, &some);
		*made += some;
		PROMISE(*made <= taken);
	}
	return taken;
}

/* Line by line, each ended by CRLF, without its first dot; the line of one dot is the end. */
static void
plain_reading(const char *in, size_t n, struct buf *text)
{
	const char *end = in + n, *crlf;

	while ((crlf = memmem(in, (size_t)(end - in), "\r\n", 2)) != NULL) {
		struct span line = { in, (size_t)(crlf - in) };

		in = crlf + 2;
		PROMISE(memchr(line.s, '\n', line.len) == NULL && memchr(line.s, '\r', line.len) == NULL);
		if (span_is(line, "."))
			break;
		if (line.len > 0 && line.s[0] == '.')
			line = (struct span){ line.s + 1, line.len - 1 };
		buf_addspan(text, line);
		buf_addc(text, '\n');
	}
	PROMISE(crlf != NULL && in == end);
}

static void
check(const struct body *b, const char *in, size_t taken, const char *text, size_t n)
{
	struct buf plain = BUF_INIT(1 << 20);
	uint64_t lines = 0;

	if (b->fault != BODY_FINE || !b->ended)
		return;
	PROMISE(memchr(text, '\r', n) == NULL);
	PROMISE(n == 0 || text[n - 1] == '\n');
	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	PROMISE(b->octets == n && b->lines == lines);
	PROMISE(body_wire_octets(b) == n + lines);
	PROMISE(b->size_limit == 0 || body_wire_octets(b) <= b->size_limit);
	if (!b->normalize) {
		plain_reading(in, taken, &plain);
		PROMISE(plain.len == n && (n == 0 || memcmp(plain.s, text, n) == 0));
	}
	buf_free(&plain);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	const char *in = (const char *)octets + 1;
	char *whole, *pieces;
	struct body a, b;
	size_t taken, made, made_b;

	if (n < 2)
		return 0;
	n--;
	whole = malloc(n);
	pieces = malloc(n);
	body_init(&a, octets[0] & 0x7e, 3, octets[0] & 1);
	body_init(&b, octets[0] & 0x7e, 3, octets[0] & 1);
	taken = feed(&a, in, n, n, whole, &made);
	PROMISE(taken == feed(&b, in, n, octets[0] & 0x80 ? 2 : 1, pieces, &made_b));
	PROMISE(a.ended == b.ended && (a.fault == BODY_FINE) == (b.fault == BODY_FINE));
	if (a.fault == BODY_FINE) /* else nobody gets what came out before */
		PROMISE(made == made_b && memcmp(whole, pieces, made) == 0 && a.octets == b.octets &&
		    a.lines == b.lines && a.eightbit == b.eightbit && a.received == b.received);
	PROMISE(a.ended || taken == n);
	check(&a, in, taken, whole, made);
	free(whole);
	free(pieces);
	return 0;
}
