/*
 * trace: the fields that stand above a received message (RFC 5321, 4.4).
 */
#ifndef SMTPD_TRACE_H
#define SMTPD_TRACE_H

#include <time.h>

#include "lib/base/buf.h"
#include "lib/net/ip.h"
#include "lib/wire/secure.h"

struct trace {
	const char *sender;    /* canonical; "": null */
	const char *mailbox;   /* the one final local recipient, else NULL */
	const char *original;  /* the address it was sent to, when there was one only, else NULL */
	const char *helo;      /* as the client said it: escaped here */
	const struct ip *peer; /* NULL: who it is is nobody's business */
	const char *host;      /* we */
	const char *with;      /* "SMTP", "ESMTP", "UTF8SMTP" ... */
	const struct secure_facts *facts; /* NULL: no TLS */
	const char *id;
	time_t now;
};
/* Return-Path and, for one mailbox, X-Original-To (when it differs) and Delivered-To: LF
 * line ends. What mailboxes get and relays do not. */
void trace_head(const struct trace *, struct buf *out);
void trace_received(const struct trace *, struct buf *out);

#endif
