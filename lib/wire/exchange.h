/*
 * exchange: a client logs in by SASL, whatever the protocol around it: lines of base64 to and fro.
 *
 * Name and password of PLAIN and LOGIN are gathered here (lib/mail/credentials) and put before authd at once; SCRAM is, and tokens are,
 * authd's own business, line by line. exchange_wipe() when done, and when the client has gone in the middle.
 */
#ifndef LIB_WIRE_EXCHANGE_H
#define LIB_WIRE_EXCHANGE_H

#include "lib/mail/credentials.h"
#include "lib/wire/auth.h"
#include "lib/wire/secure.h"

#define EXCHANGE_CHALLENGE 1024 /* octets, NUL included */

enum exchange_step {
	EXCHANGE_MORE,      /* send challenge (base64), feed the answer */
	EXCHANGE_YES,       /* mailbox and ticket are there */
	EXCHANGE_NO,        /* auth->reason says why */
	EXCHANGE_LATER,     /* ... of these, too */
	EXCHANGE_CANCELLED, /* the client said "*" */
	EXCHANGE_MALFORMED, /* no base64, or not what the mechanism wants */
	EXCHANGE_UNKNOWN    /* no such mechanism here */
};
struct exchange {
	struct auth *auth;
	const char *service;
	char client[64], binding[SECURE_BINDING], name[256];
	char mechanism[24]; /* authd's: of SCRAM or tokens; "": PLAIN or LOGIN */
	bool external;      /* the next line says for whom, or nothing */
	bool begun;         /* ... authd has heard of it */
	struct credentials credentials;
	char challenge[EXCHANGE_CHALLENGE];
	char mailbox[LIMIT_ADDRESS + 1], ticket[65];
};
/* Names of mechanisms, the best first. name: verified, in the client's certificate, and good for EXTERNAL; "": it is not. binding: struct secure_facts'; without one there is no -PLUS. SCRAM is offered
 * when everybody has a verifier; OAUTHBEARER and XOAUTH2 when authd knows whom to ask. The text lasts until the next call. */
const char *exchange_offered(struct auth *, const char *binding, const char *name);
/* service and binding as authd shall know them; client is an address. service must last. initial: the initial response as it
 * came, "=" being an empty one (RFC 4954, 4); s NULL: none. */
enum exchange_step exchange_begin(struct exchange *, struct auth *, const char *service, const char *client,
    const char *binding, const char *name, struct span mechanism, struct span initial) MUST_CHECK;
enum exchange_step exchange_feed(struct exchange *, struct span line) MUST_CHECK;
void exchange_wipe(struct exchange *);

#endif
