/*
 * session: the TRANSACTION and UPDATE states (RFC 1939, 5 and 6) over one maildir.
 */
#ifndef POP3D_SESSION_H
#define POP3D_SESSION_H

#include "lib/base/limits.h"
#include "lib/sys/io.h"
#include "pop3d/drop.h"

struct session {
	struct io io;
	struct drop drop;
	int64_t timeout_ms;       /* between commands */
	uint64_t login_delay_s;   /* for CAPA */
	const char *mailbox, *client;
	unsigned errors;
	const char *why;          /* it ended; NULL: it goes on */
	uint64_t retrieved, deleted;
	char *in, *out;           /* of RETR and TOP, made when first needed */
};
/* io and drop are open. Answers the login, serves until the end, logs it; closes nothing. */
void session_serve(struct session *);

#endif
