/*
 * verify: what others know about one recipient: that his mailbox is full, that the server we relay to has never heard of him.
 */
#ifndef SMTPD_VERIFY_H
#define SMTPD_VERIFY_H

#include "router/router.h"
#include "smtpd/session.h"

/* A route that would be taken may become a refusal. */
void verify_recipient(struct session *, struct route *);

#endif
