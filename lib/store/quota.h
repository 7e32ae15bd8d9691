/*
 * quota: how much may lie in a mailbox and how much does, as Maildir++ counts it.
 *
 * The file maildirsize in the maildir begins with a line of the limits; the lines below add up, "octets messages", so a
 * delivery or a deletion appends one instead of counting the mailbox. It is counted anew where the file is missing, long,
 * of other limits, or says that the mailbox is full and is not fresh. Dovecot and Courier keep the same file.
 */
#ifndef LIB_STORE_QUOTA_H
#define LIB_STORE_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"

#define QUOTA_FRESH_S 900 /* so long one believes that a mailbox is full */

struct quota {
	uint64_t octets, messages; /* limits: 0: none. Of use: what lies there */
};
/* "2G", "50000msgs", "2G,50000msgs". 0; -1. */
int quota_parse(struct span, struct quota *) MUST_CHECK;
bool quota_given(const struct quota *);
/* Would a message of so many octets fit now? 1, 0; -1 errno: it cannot be told. *use: what lies there without it. */
int quota_fits(int maildir_fd, const struct quota *, uint64_t octets, struct quota *use) MUST_CHECK;
/* What lies there now, for who only looks: nothing is written, and what seems full is counted. 0; -1 errno. */
int quota_look(int maildir_fd, const struct quota *, struct quota *use) MUST_CHECK;
/* The nearer of the two limits, in percent of it. */
unsigned quota_percent(const struct quota *, const struct quota *use);
/* So much came (went, if negative). Only where somebody counts: without the file nothing is written. 0; -1 errno. */
int quota_note(int maildir_fd, int64_t octets, int64_t messages) MUST_CHECK;
/* "1.5 of 2048.0 MiB, 12 of 50000 messages", for people. */
void quota_describe(struct buf *out, const struct quota *, const struct quota *use);

#endif
