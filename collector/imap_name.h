/*
 * imap_name: how IMAP writes the names of folders and sets of UIDs.
 */
#ifndef COLLECTOR_IMAP_NAME_H
#define COLLECTOR_IMAP_NAME_H

#include <stdint.h>

#include "lib/base/buf.h"

/* UTF-8 as modified UTF-7 (RFC 3501, 5.1.3), which servers before IMAP4rev2 want. 0; -1: that is no UTF-8. */
int imap_name_add(struct buf *, struct span utf8) MUST_CHECK;
/* Can it stand between quotes? Printable ASCII, not too long. */
bool imap_name_quotable(struct span);
/* "name", with what is special escaped; it must be quotable. */
void imap_name_quote(struct buf *, struct span);

/* "2:4,7" of UIDs that ascend. They are appended one by one: init all zero, add each, end. */
struct imap_set {
	uint32_t first, last; /* of the run that is open; 0: none */
};
void imap_set_add(struct imap_set *, struct buf *, uint32_t uid);
void imap_set_end(struct imap_set *, struct buf *);
/* fn for each run of "2:4,7"; a "*" is no number here. 0; -1: it is no set, or fn said so. */
int imap_set_each(struct span set, int (*fn)(void *, uint32_t first, uint32_t last), void *arg) MUST_CHECK;

#endif
