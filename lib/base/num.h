/*
 * num: decimal numbers, durations and sizes, strictly.
 */
#ifndef LIB_BASE_NUM_H
#define LIB_BASE_NUM_H

#include <stdint.h>

#include "lib/base/buf.h"

/* One or more digits, nothing else (no sign, no blank, no tail), at most max.
 * 0, or -1 with EINVAL (no number) or ERANGE (over max). */
int num_parse(struct span, uint64_t max, uint64_t *out) MUST_CHECK;
/* "90", "90s", "15m", "12h", "5d", "2w" → seconds. Errors as above. */
int num_duration(struct span, uint64_t max_s, uint64_t *out_s) MUST_CHECK;
/* "4096", "64k", "50M", "2G" (powers of 1024) → octets. */
int num_size(struct span, uint64_t max, uint64_t *out_octets) MUST_CHECK;

#endif
