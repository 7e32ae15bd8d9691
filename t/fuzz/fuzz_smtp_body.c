/*
 * Promises of smtpd/body.c: it agrees with the simplest thing that could be right (the first
 * CRLF.CRLF of the text, a CRLF put in front of it, is the end), however the octets are cut;
 * what comes out holds no CR, and with dots stuffed and CRLF again it is what went in. Of a
 * device every LF ends a line, and the first that is a dot is the end.
 */
#include <string.h>

#include "smtpd/body.h"
#include "t/fuzz/fuzz.h"

#define MOST 2048

/* Octets up to and with the end of data; 0: none in there. */
static size_t
plain_end(const char *s, size_t n)
{
	if (n >= 3 && memcmp(s, ".\r\n", 3) == 0)
		return 3;
	for (size_t i = 0; i + 5 <= n; i++)
		if (memcmp(s + i, "\r\n.\r\n", 5) == 0)
			return i + 5;
	return 0;
}

/* Is there a CR or LF that is not half of a CRLF? */
static bool
plain_bare(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\n' && (i == 0 || s[i - 1] != '\r'))
			return true;
		if (s[i] == '\r' && (i + 1 == n || s[i + 1] != '\n'))
			return true;
	}
	return false;
}

static size_t
feed(struct body *b, const char *in, size_t n, size_t step, char *out, size_t *len)
{
	size_t at = 0;

	*len = 0;
	while (at < n && !b->ended) {
		size_t made, piece = n - at < step ? n - at : step;
		size_t used = body_feed(b, in + at, piece, out + *len, &made);

		PROMISE(used <= piece && made <= used);
		PROMISE(used == piece || b->ended);
		*len += made;
		at += used;
	}
	return at;
}

/* As a client would send it: the other way round. */
static size_t
stuff(const char *s, size_t n, char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '.' && (i == 0 || s[i - 1] == '\n'))
			out[len++] = '.';
		if (s[i] == '\n')
			out[len++] = '\r';
		out[len++] = s[i];
	}
	memcpy(out + len, ".\r\n", 3);
	return len + 3;
}

static void
check_round_trip(const char *text, size_t n)
{
	static char wire[2 * MOST + 3], back[2 * MOST + 3];
	size_t len, wire_len = stuff(text, n, wire);
	struct body b;

	body_init(&b, 0, MOST, false);
	PROMISE(feed(&b, wire, wire_len, wire_len, back, &len) == wire_len);
	PROMISE(b.ended && b.fault == BODY_FINE);
	PROMISE(len == n && memcmp(back, text, n) == 0);
}

static void
check(const char *in, size_t n, size_t step)
{
	static char out[MOST];
	size_t len, end = plain_end(in, n), used;
	struct body b;

	body_init(&b, 0, MOST, false);
	used = feed(&b, in, n, step, out, &len);
	PROMISE(b.ended == (end != 0));
	PROMISE(used == (end != 0 ? end : n));
	PROMISE(memchr(out, '\r', len) == NULL);
	PROMISE(b.octets == len && body_wire_octets(&b) <= used);
	if (b.ended)
		PROMISE((b.fault != BODY_FINE) == plain_bare(in, end));
	if (b.ended && b.fault == BODY_FINE)
		check_round_trip(out, len);
}

/* A device's: the octets of the text that lines make, unstuffed; *used: up to and with its end, 0: none. */
static size_t
plain_device(const char *in, size_t n, char *out, size_t *used, bool *bare)
{
	size_t at = 0, len = 0;

	*used = 0;
	*bare = false;
	while (at < n) {
		const char *lf = memchr(in + at, '\n', n - at), *line = in + at;
		size_t line_len;

		if (lf == NULL)
			break;
		line_len = (size_t)(lf - line);
		at += line_len + 1;
		if (line_len > 0 && line[line_len - 1] == '\r')
			line_len--;
		if (line_len == 1 && line[0] == '.') {
			*used = at;
			break;
		}
		if (memchr(line, '\r', line_len) != NULL)
			*bare = true;
		if (line_len > 0 && line[0] == '.')
			line++, line_len--;
		memcpy(out + len, line, line_len);
		out[len + line_len] = '\n';
		len += line_len + 1;
	}
	return len;
}

static void
check_device(const char *in, size_t n, size_t step)
{
	static char out[MOST], want[MOST];
	size_t len, end, used, want_len;
	struct body b;
	bool bare;

	want_len = plain_device(in, n, want, &end, &bare);
	body_init(&b, 0, MOST, false);
	b.lf_ends = true;
	used = feed(&b, in, n, step, out, &len);
	PROMISE(b.ended == (end != 0));
	PROMISE(used == (end != 0 ? end : n));
	PROMISE(memchr(out, '\r', len) == NULL);
	if (!b.ended)
		return;
	PROMISE((b.fault != BODY_FINE) == bare);
	PROMISE(bare || (len == want_len && memcmp(out, want, len) == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	static char in[MOST];

	if (n > MOST)
		return 0;
	memcpy(in, octets, n);
	for (size_t step = 1; step <= 33; step += 8) {
		check(in, n, step);
		check_device(in, n, step);
	}
	check(in, n, n == 0 ? 1 : n);
	check_device(in, n, n == 0 ? 1 : n);
	return 0;
}
