/*
 * mark: the lines that say of a copy who collected it, for whom and why.
 *
 *   X-Collected-For: ann@mail.example.org
 *   X-Posthouse-Sorted: account=office evidence=header-recipient header=To
 *   X-Posthouse-Sorted: account=office evidence=fallback reason=no-name
 */
#ifndef COLLECTOR_MARK_H
#define COLLECTOR_MARK_H

#include "collector/sort.h"

/* Both lines. cut: the header was longer than what is read of it. */
void mark_write(struct buf *, const char *account, const struct sort_account *, size_t user,
    const struct sort_result *, bool cut);

/*
 * Such lines from elsewhere say nothing here: the next piece of *rest, a header as it came, without them. False: all
 * of it is through.
 */
bool mark_without_foreign(struct span *rest, struct span *piece);

/* A copy as it lies in a mailbox. */
struct mark {
	struct span account, evidence;
	struct span server; /* that it was collected from, as Received tells */
	size_t end;         /* octets: the message as it came begins here */
};
/* False: its top is not what `collect` of this site (NULL: any) writes. Spans point into stored. */
bool mark_read(struct span stored, const char *site, struct mark *out);

#endif
