/*
 * credentials: what a client says to log in by SASL PLAIN (RFC 4616) or LOGIN (an old custom): name and password.
 *
 * Octets in, octets out; who it is, authd knows. credentials_wipe() when done.
 */
#ifndef LIB_MAIL_CREDENTIALS_H
#define LIB_MAIL_CREDENTIALS_H

#include "lib/base/buf.h"
#include "lib/base/limits.h"

#define CREDENTIALS_OFFERED "PLAIN LOGIN"

enum credentials_step {
	CREDENTIALS_MORE,      /* send *challenge (base64), feed the answer */
	CREDENTIALS_READY,     /* login and password are there */
	CREDENTIALS_CANCELLED, /* the client said "*" */
	CREDENTIALS_MALFORMED, /* no base64, or not what the mechanism wants */
	CREDENTIALS_UNKNOWN    /* no such mechanism here */
};
struct credentials {
	enum { CREDENTIALS_PLAIN, CREDENTIALS_LOGIN_NAME, CREDENTIALS_LOGIN_PASSWORD } awaits;
	char login[LIMIT_ADDRESS + 1], password[LIMIT_PASSWORD + 1];
	const char *challenge; /* with CREDENTIALS_MORE */
};
/* initial: the initial response as it came, "=" being an empty one (RFC 4954, 4); s NULL: none. */
enum credentials_step credentials_begin(struct credentials *, struct span mechanism, struct span initial) MUST_CHECK;
enum credentials_step credentials_feed(struct credentials *, struct span line) MUST_CHECK;
void credentials_wipe(struct credentials *);

#endif
