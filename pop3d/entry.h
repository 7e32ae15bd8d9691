/*
 * entry: may one more session begin in this mailbox? How many there are, the exclusive lock
 * (RFC 1939, 4) where it is wanted, and the time since the last login (RFC 2449, 6.5).
 */
#ifndef POP3D_ENTRY_H
#define POP3D_ENTRY_H

#include <stdatomic.h>

#include "lib/store/conf.h"

/* Whose mailbox each process has, shared between them: hashes, no names. 0: nobody's. */
struct tenants {
	_Atomic uint64_t *of;
	void *shared; /* where that is */
	size_t n, self;
};
void entry_open(struct tenants *, size_t n);     /* in the parent of them all */
void entry_left(struct tenants *, size_t which); /* that process has ended */
/*
 * In the process of a session, once: lets go of what is shared. false: no; the refusal has the answer
 * behind "-ERR". A lock lasts as long as dir_fd is open.
 */
bool entry_free(const struct conf *, struct tenants *, const char *mailbox, int dir_fd, struct buf *refusal) MUST_CHECK;

#endif
