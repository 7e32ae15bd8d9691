/*
 * body: what follows DATA (RFC 5321, 4.1.1.4 and 4.5.2) or BDAT (RFC 3030).
 *
 * A machine over octets with one way out: CRLF "." CRLF. A line begins behind a
 * CRLF and nowhere else, so no other sequence can end a message here and be
 * passed on as text, or the other way round; only who is named as an old device
 * may end lines by LF alone. Knows no socket and no file.
 */
#include "smtpd/body.h"

#include <string.h>

#include "lib/base/ascii.h"

static const char received[] = "received:";
#define RECEIVED_LEN (sizeof(received) - 1)
#define NO_MATCH 255u

void
body_init(struct body *b, uint64_t size_limit, uint64_t received_limit, bool normalize)
{
	memset(b, 0, sizeof(*b));
	b->size_limit = size_limit;
	b->received_limit = received_limit;
	b->normalize = normalize;
	b->state = BODY_BOL;
	b->in_header = true;
	b->blank = true;
}

uint64_t
body_wire_octets(const struct body *b)
{
	return b->octets + b->lines;
}

static void
fault(struct body *b, enum body_fault what)
{
	if (b->fault == BODY_FINE)
		b->fault = what;
}

/* Octets in front of the first CR or LF; *high collects their bits. Sixteen at a time,
 * in the compiler's own vectors: they become SSE or NEON, or plain code. */
typedef unsigned char octets16 __attribute__((vector_size(16)));

static size_t
plain_run(const char *s, size_t n, unsigned *high)
{
	octets16 all = { 0 };
	size_t i = 0;

	for (; n - i >= sizeof(all); i += sizeof(all)) {
		octets16 v;
		uint64_t hit[2];

		memcpy(&v, s + i, sizeof(v));
		octets16 stop = (octets16)(v == '\r') | (octets16)(v == '\n');
		memcpy(hit, &stop, sizeof(hit));
		if ((hit[0] | hit[1]) != 0)
			break;
		all |= v;
	}
	for (size_t k = 0; k < sizeof(all); k++)
		*high |= all[k];
	for (; i < n && s[i] != '\r' && s[i] != '\n'; i++)
		*high |= (unsigned char)s[i];
	return i;
}

/* A header line's first octets, which may come in pieces. */
static void
match_received(struct body *b, const char *s, size_t n)
{
	for (size_t i = 0; i < n && b->match < RECEIVED_LEN; i++) {
		if (ascii_lower((unsigned char)s[i]) != received[b->match]) {
			b->match = NO_MATCH;
			return;
		}
		if (++b->match == RECEIVED_LEN && ++b->received > b->received_limit)
			fault(b, BODY_LOOP);
	}
}

static void
put(struct body *b, const char *s, size_t n, char *out, size_t *made)
{
	uint64_t wire = body_wire_octets(b);

	if (b->fault != BODY_FINE || n == 0)
		return;
	if (b->size_limit != 0 && (wire > b->size_limit || n > b->size_limit - wire)) {
		fault(b, BODY_TOO_LARGE);
		return;
	}
	memcpy(out + *made, s, n);
	*made += n;
	b->octets += n;
}

static size_t
put_text(struct body *b, const char *s, size_t n, char *out, size_t *made)
{
	unsigned high = 0;
	size_t run = plain_run(s, n, &high);

	if (high > 0x7f)
		b->eightbit = true;
	if (run == 0)
		return 0;
	b->blank = false;
	if (b->in_header)
		match_received(b, s, run);
	put(b, s, run, out, made);
	return run;
}

static void
put_line_end(struct body *b, char *out, size_t *made)
{
	if (b->size_limit != 0 && body_wire_octets(b) + 2 > b->size_limit)
		fault(b, BODY_TOO_LARGE);
	if (b->fault == BODY_FINE)
		b->lines++;
	put(b, "\n", 1, out, made);
	if (b->blank)
		b->in_header = false;
	b->blank = true;
	b->match = 0;
}

/* In a line: everything up to its CR, or a bare LF. Octets taken. */
static size_t
in_text(struct body *b, const char *s, size_t n, char *out, size_t *made)
{
	size_t i = put_text(b, s, n, out, made);

	if (i == n)
		return i;
	if (s[i] == '\r') {
		b->state = BODY_CR;
	} else if (b->lf_ends) {
		put_line_end(b, out, made);
		b->state = BODY_BOL;
	} else if (b->normalize) {
		put_line_end(b, out, made); /* still BODY_TEXT: a dot here is only a dot */
	} else {
		fault(b, BODY_BARE_LF);
	}
	return i + 1;
}

/* One octet in any other state. 1: taken; 0: it belongs to the new state. */
static size_t
at_edge(struct body *b, char c, char *out, size_t *made)
{
	switch (b->state) {
	case BODY_BOL:
		b->state = c == '.' && !b->counted ? BODY_DOT : BODY_TEXT;
		return b->state == BODY_DOT;
	case BODY_DOT: /* the dot that transparency put there is dropped */
		b->state = c == '\r' ? BODY_DOT_CR : BODY_TEXT;
		if (c == '\n' && b->lf_ends)
			b->ended = true;
		else if (c == '\n')
			fault(b, BODY_BARE_LF); /* an end of data for others: never normalized */
		else
			b->blank = false;
		return c == '\r' || c == '\n';
	case BODY_DOT_CR:
		if (c == '\n') {
			b->ended = true;
			return 1;
		}
		break;
	case BODY_CR:
		if (c == '\n') {
			put_line_end(b, out, made);
			b->state = BODY_BOL;
			return 1;
		}
		break;
	case BODY_TEXT:
		break;
	}
	fault(b, BODY_BARE_CR);
	b->state = c == '\r' ? BODY_CR : BODY_TEXT;
	return c == '\r';
}

void
body_end(struct body *b, char *out, size_t *made)
{
	*made = 0;
	if (b->state == BODY_CR)
		fault(b, BODY_BARE_CR);
	if (b->state != BODY_BOL)
		put_line_end(b, out, made);
	b->ended = true;
}

size_t
body_feed(struct body *b, const char *in, size_t n, char *out, size_t *made)
{
	size_t i = 0;

	*made = 0;
	while (i < n && !b->ended) {
		if (b->state == BODY_TEXT)
			i += in_text(b, in + i, n - i, out, made);
		else
			i += at_edge(b, in[i], out, made);
	}
	return i;
}
