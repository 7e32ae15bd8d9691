/*
 * session: the TRANSACTION and UPDATE states (RFC 1939, 5 and 6) over one maildir.
 */
#ifndef POP3D_SESSION_H
#define POP3D_SESSION_H

#include "lib/base/limits.h"
#include "lib/store/conf.h"
#include "lib/sys/io.h"
#include "pop3d/drop.h"
#include "pop3d/handover.h"

struct session {
	struct io io;
	struct drop drop;
	int64_t timeout_ms;       /* between commands */
	const struct conf *conf;
	const char *mailbox;
	const struct handover *of;
	unsigned errors;
	const char *why;          /* it ended; NULL: it goes on */
	uint64_t retrieved, deleted;
	char *in, *out;           /* of RETR and TOP, made when first needed */
};
/* For the next session; drop stays as it is. */
void session_init(struct session *, const struct conf *, const char *mailbox, const struct handover *);
/* io and drop are open. Answers the login, serves until the end, logs it; closes nothing. The mailbox's lock
 * is open when QUIT is answered. */
void session_serve(struct session *);

#endif
