/*
 * esmtp: the opening of an SMTP session as a client (RFC 5321, 3.1; 3207; 4954): greeting, EHLO, STARTTLS, AUTH.
 */
#ifndef LIB_NET_ESMTP_H
#define LIB_NET_ESMTP_H

#include "lib/net/dialogue.h"
#include "lib/net/sasl.h"

struct esmtp {
	struct dialogue *d;
	const char *helo;    /* our name */
	int64_t wait_ms;     /* for each answer */
	bool helo_too;       /* where EHLO is not known, HELO will do */
	struct buf offers;   /* EHLO's answer without its first line; LF between lines */
	int code;            /* of the last reply; 0: none came */
	struct buf text;     /* ... and its text, lines joined by LF, as the server wrote it */
};
void esmtp_init(struct esmtp *, struct dialogue *, const char *helo, int64_t wait_ms);
void esmtp_free(struct esmtp *);

/* All below: 0; -1 with why ("EHLO: 550 go away" or what became of the connection). */
int esmtp_greet(struct esmtp *, struct buf *why) MUST_CHECK; /* 220, EHLO or HELO */
/* Does EHLO's answer have this keyword? *arg, unless NULL: what is behind it. */
bool esmtp_offers(const struct esmtp *, const char *keyword, struct span *arg);
/* STARTTLS, TLS, and EHLO anew: what was offered in the clear is forgotten. */
int esmtp_starttls(struct esmtp *, const struct tls_peer *, struct buf *why) MUST_CHECK;
/* AUTH. login->host, port and binding are filled in here. *refused: it is the login itself that the server does
 * not take. */
int esmtp_auth(struct esmtp *, const struct sasl_login *, const char *only, bool *refused, struct buf *why) MUST_CHECK;
/* Wait for one reply to what was said: 0, with code and text. */
int esmtp_reply(struct esmtp *, struct buf *why) MUST_CHECK;
/* "what: 550 text", printable, on one line. Always -1. */
int esmtp_failed(const struct esmtp *, const char *what, struct buf *why);
void esmtp_add_reply(const struct esmtp *, struct buf *out); /* "550 text", likewise */

#endif
