/*
 * clock: what time it is, and until when one waits.
 */
#include "lib/base/clock.h"

#include <limits.h>

int64_t
clock_mono_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t
clock_real_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

deadline_ms
deadline_in(int64_t wait_ms)
{
	int64_t now = clock_mono_ms();

	return wait_ms > NEVER - now ? NEVER : now + wait_ms;
}

deadline_ms
deadline_earlier(deadline_ms a, deadline_ms b)
{
	return a < b ? a : b;
}

int
deadline_left(deadline_ms d)
{
	int64_t left;

	if (d == NEVER)
		return -1;
	left = d - clock_mono_ms();
	if (left <= 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}

bool
deadline_over(deadline_ms d)
{
	return d != NEVER && clock_mono_ms() >= d;
}
