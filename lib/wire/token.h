/*
 * token: who we are at providers. Server: tokend; clients: collect, remote; posthouse oauth for people.
 *
 * GET asks for an access token of an account; refused is "" or the hash of one that the provider has just refused
 * (token_hash): then another one is wanted. TOKEN: it is good until then (seconds since 1970). LATER: none to be had
 * now, tokend goes on trying. NO: a person must do something, as reason says. For a message both are reasons to wait.
 *
 * LOGIN, from administrators: flow is "login" (device code, or a browser where the provider has none), "browser" or
 * "app" (client credentials); port is where the client listens on 127.0.0.1 for the browser. CODE: show this to the person.
 * VISIT: have the person open this; the client says ANSWER with what the browser brings back ("code=...&state=..."). DONE or
 * FAILED end it; so does hanging up. LIST is answered by ITEMs (the body has "name value" lines) and END, of one
 * account or, with "", of all; FORGET by END, which says how many there were.
 */
#ifndef LIB_WIRE_TOKEN_H
#define LIB_WIRE_TOKEN_H

#include "lib/wire/wire.h"

enum { TOKEN_IDLE = 1, TOKEN_ASKING = 2, TOKEN_LOGIN = 4, TOKEN_LISTING = 8 };
extern const struct wire_msg token_messages[];

#define LIMIT_TOKEN 8192  /* octets of an access or refresh token; the largest seen have 4096, LIMIT_SASL has room for this */
#define TOKEN_HASH 64     /* hexadecimal digits */

/*
 * The client's side, blocking at most a minute. refused: the token that the provider has just refused, or NULL. 0 and the
 * token (wipe it); -1 with why: a reason to defer. tokend itself tells the postmaster, once a cause.
 */
int token_get(const char *socket_path, const char *account, const char *refused, struct buf *token,
    struct buf *why) MUST_CHECK;
void token_hash(struct span token, char out[TOKEN_HASH + 1]);

#endif
