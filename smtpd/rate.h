/*
 * rate: how many messages an hour somebody may still send, counted for all workers of the service together.
 */
#ifndef SMTPD_RATE_H
#define SMTPD_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/mem.h"

struct rate; /* memory that processes forked later share */
struct rate *rate_new(void) MUST_CHECK;
/*
 * One more of key at now_ms: may it be? per_hour of them may come at once, and then as many as pass in an even flow of
 * per_hour an hour. What is refused does not count. Where thousands of keys are busy at once, some are not counted.
 */
bool rate_take(struct rate *, const char *kind, const char *key, uint64_t per_hour, int64_t now_ms) MUST_CHECK;

#endif
