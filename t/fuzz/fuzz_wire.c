/*
 * Promises of lib/wire/wire.c: what the other end says is in the table and has its words, or it is EPROTO; nothing
 * it sends can be read twice or beyond its end.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/sys/packet.h"
#include "lib/wire/agents.h"
#include "lib/wire/auth.h"
#include "lib/wire/callout.h"
#include "lib/wire/control.h"
#include "lib/wire/secure.h"
#include "lib/wire/submit.h"
#include "lib/wire/token.h"
#include "lib/wire/wire.h"
#include "t/fuzz/fuzz.h"

static void
check(const uint8_t *octets, size_t n, const struct wire_msg *table, unsigned state, enum wire_who me)
{
	struct wire_packet p;
	struct wire w;
	int pair[2], rv;

	PROMISE(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	wire_open(&w, pair[0], me, table, state);
	if (send(pair[1], octets, n, MSG_DONTWAIT) == (ssize_t)n) {
		rv = wire_recv(&w, deadline_in(0), &p);
		PROMISE(rv != 0 || n == 0);
		if (rv == 1) {
			PROMISE(p.msg->who != me && (p.msg->said_in & state) != 0 && p.msg->fds == 0);
			PROMISE(p.n <= WIRE_WORDS);
			for (size_t i = 0; i < p.n; i++)
				PROMISE(strlen(p.word[i]) <= n);
			PROMISE(p.body.len < n);
			wire_drop(&p);
		}
	}
	wire_close(&w);
	close(pair[1]);
}

/* Those who listen to somebody with fewer rights than they have, and one of the other kind. */
static const struct {
	const struct wire_msg *table;
	unsigned state;
	enum wire_who me;
} ends[] = {
	{ submit_messages, SUBMIT_IDLE, SERVER }, { submit_messages, SUBMIT_FILLING, SERVER },
	{ submit_messages, SUBMIT_DECIDING, CLIENT }, { auth_messages, AUTH_IDLE, SERVER },
	{ auth_messages, AUTH_STEPPING, SERVER }, { secure_messages, SECURE_IDLE, SERVER },
	{ agents_messages, AGENTS_NEW, SERVER }, { agents_messages, AGENTS_BUSY, SERVER },
	{ control_messages, CONTROL_IDLE, SERVER }, { token_messages, TOKEN_IDLE, SERVER },
	{ token_messages, TOKEN_LOGIN, SERVER }, { callout_messages, CALLOUT_IDLE, SERVER },
};

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	if (n == 0 || n > LIMIT_PACKET)
		return 0;
	for (size_t i = 0; i < COUNT(ends); i++)
		check(octets, n, ends[i].table, ends[i].state, ends[i].me);
	return 0;
}
