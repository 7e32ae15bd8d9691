/*
 * callout: the table of the dialogue with calloutd, and its client.
 */
#include "lib/wire/callout.h"

#include <errno.h>
#include <string.h>

#include "lib/base/num.h"
#include "lib/sys/listen.h"

// clang-format off
const struct wire_msg callout_messages[] = {
	/* who    verb       fds  said in          leads to         words */
	{ CLIENT, "ASK",     0,   CALLOUT_IDLE,    CALLOUT_ASKING,  "address" },
	{ SERVER, "YES",     0,   CALLOUT_ASKING,  CALLOUT_IDLE,    "" },
	{ SERVER, "NO",      0,   CALLOUT_ASKING,  CALLOUT_IDLE,    "code enhanced text" },
	{ SERVER, "UNKNOWN", 0,   CALLOUT_ASKING,  CALLOUT_IDLE,    "reason" },
	{ 0 },
};
// clang-format on

void
callout_init(struct callout *c, const char *socket_path)
{
	memset(c, 0, sizeof(*c));
	c->path = socket_path;
	wire_open(&c->wire, -1, CLIENT, callout_messages, CALLOUT_IDLE);
}

void
callout_close(struct callout *c)
{
	wire_close(&c->wire);
	callout_init(c, c->path);
}

static int
ask(struct callout *c, const char *address, deadline_ms until, struct wire_packet *p)
{
	int fd;

	if (c->wire.fd == -1) {
		fd = connect_unix(c->path);
		if (fd == -1)
			return -1;
		wire_open(&c->wire, fd, CLIENT, callout_messages, CALLOUT_IDLE);
	}
	return wire_say(&c->wire, until, "ASK", address) == 0 && wire_recv(&c->wire, until, p) == 1 ? 0 : -1;
}

static enum callout_answer
unknown(struct callout *c, const char *why)
{
	c->reply = (struct reply){ .code = 0, .text = why };
	return CALLOUT_UNKNOWN;
}

enum callout_answer
callout_ask(struct callout *c, const char *address, deadline_ms until)
{
	bool fresh = c->wire.fd == -1;
	struct wire_packet p;
	uint64_t code;
	int rv = ask(c, address, until, &p);

	if (rv == -1) {
		callout_close(c);
		if (!fresh && !deadline_over(until)) /* it was started anew meanwhile */
			rv = ask(c, address, until, &p);
	}
	if (rv == -1) {
		callout_close(c); /* a late answer would be taken for that of the next question */
		return unknown(c, "calloutd does not answer");
	}
	if (wire_is(&p, "YES"))
		return CALLOUT_YES;
	if (wire_is(&p, "UNKNOWN"))
		return unknown(c, p.word[0]);
	if (num_parse(span_of(p.word[0]), 599, &code) == -1 || code < 500)
		return unknown(c, "calloutd makes no sense");
	c->reply = (struct reply){ .code = (int)code, .text = p.word[2] };
	(void)strlcpy(c->reply.enhanced, p.word[1], sizeof(c->reply.enhanced));
	return CALLOUT_NO;
}
