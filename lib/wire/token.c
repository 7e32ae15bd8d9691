/*
 * token: the table of the dialogue with tokend, and its client.
 */
#include "lib/wire/token.h"

#include <errno.h>
#include <string.h>

#include "lib/mail/digest.h"
#include "lib/sys/listen.h"

// clang-format off
const struct wire_msg token_messages[] = {
	/* who    verb      fds  said in         leads to       words */
	{ CLIENT, "GET",    0,   TOKEN_IDLE,     TOKEN_ASKING,  "account refused" },
	{ SERVER, "TOKEN",  0,   TOKEN_ASKING,   TOKEN_IDLE,    "token expires" },
	{ SERVER, "LATER",  0,   TOKEN_ASKING,   TOKEN_IDLE,    "reason" },
	{ SERVER, "NO",     0,   TOKEN_ASKING,   TOKEN_IDLE,    "reason" },
	{ CLIENT, "LOGIN",  0,   TOKEN_IDLE,     TOKEN_LOGIN,   "account flow port secret secret_expires" },
	{ SERVER, "CODE",   0,   TOKEN_LOGIN,    WIRE_SAME,     "code url complete seconds" },
	{ SERVER, "VISIT",  0,   TOKEN_LOGIN,    WIRE_SAME,     "url redirect seconds" },
	{ CLIENT, "ANSWER", 0,   TOKEN_LOGIN,    WIRE_SAME,     "query" },
	{ SERVER, "DONE",   0,   TOKEN_LOGIN,    TOKEN_IDLE,    "note" },
	{ SERVER, "FAILED", 0,   TOKEN_LOGIN,    TOKEN_IDLE,    "reason" },
	{ CLIENT, "LIST",   0,   TOKEN_IDLE,     TOKEN_LISTING, "account" },
	{ SERVER, "ITEM",   0,   TOKEN_LISTING,  WIRE_SAME,     "account +" },
	{ CLIENT, "FORGET", 0,   TOKEN_IDLE,     TOKEN_LISTING, "account" },
	{ SERVER, "END",    0,   TOKEN_LISTING,  TOKEN_IDLE,    "count" },
	{ 0 },
};
// clang-format on

#define ANSWER_WAIT_MS 60000

void
token_hash(struct span token, char out[TOKEN_HASH + 1])
{
	uint8_t hash[DIGEST_OCTETS];

	digest_sha256(token.s, token.len, hash);
	digest_hex(hash, sizeof(hash), out);
}

static int
ask(struct wire *w, const char *account, const char *refused, struct wire_packet *p)
{
	char hash[TOKEN_HASH + 1] = "";

	if (refused != NULL)
		token_hash(span_of(refused), hash);
	if (wire_say(w, deadline_in(ANSWER_WAIT_MS), "GET", account, hash) == -1)
		return -1;
	switch (wire_recv(w, deadline_in(ANSWER_WAIT_MS), p)) {
	case 1:
		return 0;
	case 0:
		errno = ECONNRESET;
		return -1;
	default:
		return -1;
	}
}

int
token_get(const char *socket_path, const char *account, const char *refused, struct buf *token, struct buf *why)
{
	struct wire w;
	struct wire_packet p;
	int rv = -1, fd = connect_unix(socket_path);

	wire_open(&w, fd, CLIENT, token_messages, TOKEN_IDLE);
	if (fd == -1 || ask(&w, account, refused, &p) == -1) {
		buf_addf(why, "no token: tokend does not answer at %s: %s", socket_path, strerror(errno));
	} else if (!wire_is(&p, "TOKEN")) {
		buf_addf(why, "no token: %s", p.word[0]);
	} else {
		buf_reset(token);
		buf_adds(token, p.word[0]);
		explicit_bzero(w.buf, strlen("TOKEN ") + token->len);
		rv = buf_over(token) ? -1 : 0;
		if (rv == -1)
			buf_adds(why, "no token: it is too long");
	}
	wire_close(&w);
	return rv;
}
