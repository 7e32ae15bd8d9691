/*
 * bearer: what a client says that logs in with a token: OAUTHBEARER (RFC 7628) and XOAUTH2 (Google's, older).
 */
#ifndef LIB_MAIL_BEARER_H
#define LIB_MAIL_BEARER_H

#include "lib/base/buf.h"
#include "lib/base/limits.h"

#define BEARER_TOKEN 9216 /* octets, NUL included: what a line of SASL can carry */

enum bearer_kind { BEARER_NONE, BEARER_OAUTH, BEARER_XOAUTH2 };
struct bearer {
	char login[LIMIT_ADDRESS + 1]; /* "": the token tells */
	char token[BEARER_TOKEN];
};
/* By the mechanism's name. */
enum bearer_kind bearer_mechanism(struct span name) MUST_CHECK;
/* The client's first message, decoded from base64. 0; -1: not what the mechanism wants. *b is to be wiped. */
int bearer_parse(enum bearer_kind, struct span said, struct bearer *b) MUST_CHECK;
/* The challenge that tells of a refusal (RFC 7628, 3.2.2), in base64. Whatever the client answers, it is refused then. */
void bearer_refusal(enum bearer_kind, struct buf *out);

#endif
