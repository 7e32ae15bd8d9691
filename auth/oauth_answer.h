/*
 * oauth_answer: what an authorization server said (RFC 6749, 5; RFC 8628, 3.2 and 3.5).
 */
#ifndef AUTH_OAUTH_ANSWER_H
#define AUTH_OAUTH_ANSWER_H

#include <stdint.h>

#include "lib/base/buf.h"

enum oauth_result {
	OAUTH_FINE,
	OAUTH_PENDING,   /* authorization_pending */
	OAUTH_SLOW_DOWN,
	OAUTH_DENIED,    /* access_denied: the person said no */
	OAUTH_EXPIRED,   /* expired_token: the person took too long */
	OAUTH_GRANT,     /* invalid_grant: this refresh token is good no longer */
	OAUTH_CLIENT,    /* invalid_client, unauthorized_client: we are not who may ask, or our secret has expired */
	OAUTH_REQUEST,   /* what we ask for is not to be had: scope, grant type */
	OAUTH_LATER      /* a fault of the server's, or of the way to it */
};
struct oauth_tokens {
	const char *access, *refresh, *scope; /* refresh and scope may be NULL */
	int64_t expires_s, refresh_expires_s; /* from now; 0: it does not say */
};
struct oauth_device {
	const char *code, *user_code, *url, *complete; /* complete: the address with the code in it; NULL */
	int64_t expires_s, interval_s;
};
#define OAUTH_EXPIRES_MAX_S (10LL * 366 * 86400) /* more is cut */

/* A status and a body; strings go into the arena. Unless OAUTH_FINE, *why says what the server said, printable. */
enum oauth_result oauth_read_tokens(int status, struct span body, struct arena *, struct oauth_tokens *,
    struct buf *why) MUST_CHECK;
enum oauth_result oauth_read_device(int status, struct span body, struct arena *, struct oauth_device *,
    struct buf *why) MUST_CHECK;

#endif
