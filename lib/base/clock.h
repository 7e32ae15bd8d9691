/*
 * clock: what time it is, and until when one waits.
 */
#ifndef LIB_BASE_CLOCK_H
#define LIB_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

int64_t clock_mono_ms(void); /* never goes back; for deadlines */
int64_t clock_real_us(void); /* microseconds since 1970 */

/* A moment on the monotonic clock; NEVER waits for ever. */
typedef int64_t deadline_ms;
#define NEVER INT64_MAX
deadline_ms deadline_in(int64_t wait_ms);
deadline_ms deadline_earlier(deadline_ms, deadline_ms);
int deadline_left(deadline_ms); /* for poll(2): ms, 0 when over, -1 for NEVER */
bool deadline_over(deadline_ms);

#endif
