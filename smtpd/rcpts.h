/*
 * rcpts: the final recipients of one transaction, each mailbox once.
 */
#ifndef SMTPD_RCPTS_H
#define SMTPD_RCPTS_H

#include "lib/base/mem.h"
#include "lib/store/envelope.h"

struct rcpts {
	struct env_rcpt *r;
	size_t n, cap;
	unsigned *index; /* open hash: number + 1; twice as many places as cap */
};
/* Strings are not copied. False: it is there already. */
bool rcpts_add(struct rcpts *, enum rcpt_action, const char *address, const char *orcpt, unsigned notify);
bool rcpts_has(const struct rcpts *, enum rcpt_action, const char *address);
void rcpts_remove(struct rcpts *, enum rcpt_action, const char *address);
void rcpts_reset(struct rcpts *); /* memory kept while it is small */
void rcpts_free(struct rcpts *);

#endif
