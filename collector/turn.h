/*
 * turn: what ETRN and ATRN have in common: the way into the provider's SMTP server.
 */
#ifndef COLLECTOR_TURN_H
#define COLLECTOR_TURN_H

#include "collector/fetch.h"
#include "lib/net/esmtp.h"

/* Greeting, STARTTLS and AUTH as the account says. e is ready then, and esmtp_free() is due in any case. 0; -1 with
 * f->why. */
int turn_open(struct fetch *, struct esmtp *) MUST_CHECK;
void turn_quit(struct esmtp *);
/* Before the sandbox, for an account of protocol=atrn: a process that becomes our smtpd when its first line comes.
 * 0; -1 with why. */
int turn_prepare(struct account *, const struct house *, struct buf *why) MUST_CHECK;

#endif
