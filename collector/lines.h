/*
 * lines: what `posthouse collect` says on standard output.
 */
#ifndef COLLECTOR_LINES_H
#define COLLECTOR_LINES_H

#include "lib/base/buf.h"
#include "lib/store/state.h"

/* "812 octets", "17 KiB" */
void line_add_octets(struct buf *, uint64_t);
/* "2 messages, 17 KiB, 1 left there" after the account's name. */
void line_add_run(struct buf *, const char *account, const struct state_run *);
/* What a server said may stand in it: nothing of it reaches a terminal as it is. */
void line_put(const struct buf *);

#endif
