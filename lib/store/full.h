/*
 * full: which mailboxes are over their quota, and since when: for those who may not look into them.
 *
 * A file a mailbox, named by its address, in state/full: `local` makes it when a message did not fit and removes it when one
 * does; smtpd looks, so that senders hear of it at RCPT. Its mtime says when that was seen last, its atime when first.
 */
#ifndef LIB_STORE_FULL_H
#define LIB_STORE_FULL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/mem.h"
#include "lib/mail/reply.h"

#define FULL_BELIEVED_S 300 /* then a message is let through, and the mailbox is looked at again */

/* It is full, now. Since when (seconds since 1970); -1 errno: that cannot be kept. dir: state/full. */
int64_t full_mark(const char *dir, const char *address, int64_t now_s) MUST_CHECK;
/* It is not: a mark that is not there is fine. */
void full_clear(const char *dir, const char *address);
/* Was it, a moment ago? Since when; 0: no, or nobody knows. */
int64_t full_since(const char *dir, const char *address, int64_t now_s) MUST_CHECK;
/* What senders hear of one that is full since then: RETRY, after grace_s FAILED. SENT: it is not (since_s is 0). */
enum outcome full_outcome(int64_t since_s, int64_t now_s, uint64_t grace_s);

#endif
