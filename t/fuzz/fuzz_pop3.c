/*
 * Promises of collector/pop3_reply.c and pop3_body.c: whatever a server says, spans lie within its line; a number that
 * is understood is the one that stands there; a UID that is used is printable and of fair length. A message's end is
 * the same however the octets are cut, and is CRLF.CRLF of what came.
 */
#include <string.h>

#include "collector/pop3_body.h"
#include "collector/pop3_reply.h"
#include "t/fuzz/fuzz.h"

#define MOST 4096

static void
inside(struct span part, struct span line)
{
	PROMISE(part.len == 0 || (part.s >= line.s && part.s + part.len <= line.s + line.len));
}

static void
listings(struct span line)
{
	uint32_t number = 0, same = 0;
	uint64_t octets = 0;
	struct span uid = { NULL, 0 }, rest = line;

	if (pop3_list_line(line, &number, &octets))
		PROMISE(number > 0 && octets <= INT64_MAX && line.s[0] >= '0' && line.s[0] <= '9');
	if (pop3_uidl_line(line, &same, &uid)) {
		PROMISE(same > 0 && (number == 0 || number == same));
		PROMISE(uid.len <= POP3_UID_MAX);
		inside(uid, line);
		for (size_t i = 0; i < uid.len; i++)
			PROMISE(uid.s[i] > ' ' && uid.s[i] <= '~');
	}
	if (pop3_listing_end(&rest))
		PROMISE(span_is(line, "."));
	inside(rest, line);
	PROMISE(rest.len == line.len || (line.s[0] == '.' && rest.len + 1 == line.len));
}

static void
replies(struct span line, struct pop3_capa *capa)
{
	struct span text, timestamp;
	enum pop3_status status = pop3_status(line, &text);

	inside(text, line);
	PROMISE(status == POP3_STRANGE || (line.len > 0 && (line.s[0] == '+' || line.s[0] == '-')));
	(void)pop3_busy(text);
	timestamp = pop3_timestamp(text);
	inside(timestamp, line);
	PROMISE(timestamp.len == 0 || (timestamp.s[0] == '<' && timestamp.s[timestamp.len - 1] == '>' &&
	    memchr(timestamp.s, '@', timestamp.len) != NULL));
	pop3_capa_line(capa, line);
}

/* Octets up to and with the end; all of them when there is none. */
static size_t
feed(const char *in, size_t n, size_t step, char *out, size_t *len, bool *end)
{
	struct pop3_body b = { 0 };
	size_t at = 0;

	*len = 0;
	while (at < n && b.state != BODY_END) {
		size_t made, piece = n - at < step ? n - at : step;
		size_t used = pop3_body_feed(&b, in + at, piece, out + *len, &made);

		PROMISE(used <= piece && (used == piece || b.state == BODY_END) && made <= piece + 2);
		*len += made;
		at += used;
	}
	*end = b.state == BODY_END;
	return at;
}

static void
body(const char *in, size_t n)
{
	char whole[MOST + 2], pieces[MOST + 2];
	size_t whole_len, pieces_len, used;
	bool end, same;

	used = feed(in, n, n, whole, &whole_len, &end);
	for (size_t step = 1; step < 4; step++) {
		PROMISE(feed(in, n, step, pieces, &pieces_len, &same) == used && same == end);
		PROMISE(pieces_len == whole_len && memcmp(pieces, whole, whole_len) == 0);
	}
	if (end && used > 3)
		PROMISE(memcmp(in + used - 5, "\r\n.\r\n", 5) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct pop3_capa capa = { .sasl = BUF_INIT(4096) };
	struct span rest = { (const char *)octets, n };

	if (n == 0 || n > MOST)
		return 0;
	body(rest.s, n);
	while (rest.s != NULL) {
		struct span line = span_cut(&rest, '\n');

		if (line.len > 0 && line.s[line.len - 1] == '\r')
			line.len--;
		replies(line, &capa);
		listings(line);
	}
	PROMISE(capa.sasl.len <= 4096);
	buf_free(&capa.sasl);
	return 0;
}
