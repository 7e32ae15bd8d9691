/*
 * sasl: proving who we are to a server (RFC 4422), as a client. The only module that knows GNU SASL.
 *
 * Which mechanism: the strongest of those offered that the login has the means for. With a token OAUTHBEARER,
 * XOAUTH2; with a password SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS (with a channel binding), SCRAM-SHA-256,
 * SCRAM-SHA-1, PLAIN and LOGIN (these two show the password: under TLS only); CRAM-MD5 on demand only, or as the last resort.
 *
 * The dialogue, in any protocol:
 *   say AUTH sasl_mechanism(); when sasl_initial(), the answer of sasl_step(SPAN("")) may go on the same line
 *   (SASL-IR; an empty answer is "=" there), or is sent when the server's empty challenge comes;
 *   each challenge of the server: sasl_step(), send what it gave, "" being an empty line;
 *   the server says success: sasl_success(). Only when that is 0, too, we are logged in.
 */
#ifndef LIB_NET_SASL_H
#define LIB_NET_SASL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct sasl_login {
	const char *login;
	const char *password; /* NULL: none */
	const char *token;    /* OAuth2 access token; NULL: none */
	const char *host;     /* the server's name and port, for OAUTHBEARER */
	unsigned port;
	struct span binding;  /* of tls_binding(); empty: none */
	bool weak;            /* CRAM-MD5, too, when nothing better is offered */
};
struct sasl;
/*
 * offered: names of mechanisms between blanks, as EHLO's AUTH or CAPA's SASL have them; "AUTH=NAME" (IMAP) will
 * do; words that are no mechanism do not disturb. only: the one mechanism to use, "SCRAM" being any of
 * that family; NULL or "": the best.
 * private: nobody listens (TLS), so that the password may be shown. What login points to is not needed
 * afterwards. NULL with why: no mechanism serves.
 */
struct sasl *sasl_client(struct span offered, const struct sasl_login *, const char *only, bool private,
    struct buf *why) MUST_CHECK;
const char *sasl_mechanism(const struct sasl *);
bool sasl_initial(const struct sasl *); /* the client speaks first */
/*
 * Answer a challenge: base64 both, without the protocol's framing. 1: the server has to say more before
 * success; 0: success may come; -1 with why: the challenge is wrong (or over LIMIT_SASL octets, or the
 * server is not who it should be): cancel with "*". A server that refuses a token
 * says so in a challenge: that is 1, the status of it is in why, and an answer is to be sent as always.
 */
int sasl_step(struct sasl *, struct span challenge, struct buf *out, struct buf *why) MUST_CHECK;
/* The server says we are logged in. -1 with why: it may not know our password at all (RFC 5802, 3). */
int sasl_success(const struct sasl *, struct buf *why) MUST_CHECK;
/* Is a channel binding in it (-PLUS)? A server may speak of another kind than ours, and there is no way to ask which
 * (RFC 5802, 6). */
bool sasl_bound(const struct sasl *);
/*
 * What our own servers keep of a password for SCRAM-SHA-256: the text of a verifier (lib/mail/scram.h) with a fresh
 * salt; the caller frees. NULL: such a password is not for SCRAM (RFC 4013 forbids its characters).
 */
char *sasl_verifier(const char *password, uint64_t iterations) MUST_CHECK;
/* The password as SCRAM takes it (RFC 4013); the caller wipes and frees. NULL: it has characters that are forbidden. */
char *sasl_prepared(const char *password) MUST_CHECK;
void sasl_free(struct sasl *); /* secrets wiped; NULL is fine */

#endif
