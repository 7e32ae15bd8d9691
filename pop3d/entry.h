/*
 * entry: may a session begin in this mailbox? The exclusive lock (RFC 1939, 4) where it is wanted, and the
 * time since the last login (RFC 2449, 6.5).
 */
#ifndef POP3D_ENTRY_H
#define POP3D_ENTRY_H

#include "lib/store/conf.h"

/* false: no; the refusal has the answer behind "-ERR". dir_fd: the maildir, which has the lock from here on. */
bool entry_free(const struct conf *, int dir_fd, struct buf *refusal) MUST_CHECK;
/* The session is over: the lock is open. */
void entry_leave(const struct conf *, int dir_fd);

#endif
