/*
 * bars: how far each account is, on a terminal.
 */
#ifndef COLLECTOR_BARS_H
#define COLLECTOR_BARS_H

#include <stdbool.h>
#include <stddef.h>

#include "collector/fetch.h"

#define BARS_MAX 10 /* lines */

struct bars {
	bool terminal; /* else nothing is ever shown */
	size_t shown;  /* lines on the screen now */
};
/* The bars go; lines may be written. */
void bars_clear(struct bars *);
/* Another bar below those there are; false: no more are shown. */
bool bars_add(struct bars *, const char *account, const struct fetch_progress *);

#endif
