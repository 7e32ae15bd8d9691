/*
 * gauge: how full the queue is, known without asking: a page that queued writes and others read (run/gauge).
 *
 * The file stays the same one for as long as the run directory lives, so that who has mapped it hears of the next queued
 * too. Where there is none, nothing is full.
 */
#ifndef LIB_WIRE_GAUGE_H
#define LIB_WIRE_GAUGE_H

#include <stdatomic.h>

#include "lib/base/buf.h"

enum {
	GAUGE_FULL = 1, /* as many messages wait as queue_limit allows */
	GAUGE_LOW = 2   /* less space is free than queue_free_floor */
};
struct gauge {
	atomic_uint *page; /* NULL: not mapped */
};
/* The writer's: makes the file where it is missing. 0; -1 with why. */
int gauge_make(struct gauge *, const char *path, struct buf *why) MUST_CHECK;
void gauge_set(struct gauge *, unsigned state); /* without a page nothing */
/* What stands there, or-ed; 0 while there is no file. */
unsigned gauge_read(struct gauge *, const char *path);

#endif
