/*
 * ticket: a login's proof for the process that opens the mailbox: 256 random
 * bits in hexadecimal, good once and for 30 seconds.
 */
#ifndef AUTH_TICKET_H
#define AUTH_TICKET_H

#include <stdbool.h>

#include "auth/table.h"
#include "lib/base/limits.h"

#define TICKET_TEXT (2 * DIGEST_OCTETS) /* octets, without a NUL */

void ticket_init(struct table *);
/* For whom: a mailbox's address. False: too many are out. */
bool ticket_issue(struct table *, const char *mailbox, char text[TICKET_TEXT + 1]) MUST_CHECK;
/* True once: the mailbox it was issued for. */
bool ticket_redeem(struct table *, const char *text, char mailbox[LIMIT_ADDRESS + 1]) MUST_CHECK;

#endif
