/*
 * status_parts: what the forms of `posthouse status` share; nobody else includes it.
 */
#ifndef MASTER_STATUS_PARTS_H
#define MASTER_STATUS_PARTS_H

#include "master/live.h"
#include "master/procs.h"
#include "master/record.h"

struct view {
	pid_t pid;           /* of master; 0: it does not run */
	struct record record;
	struct process *processes;
	size_t process_count;
	struct buf counts;   /* "name number" lines */
	struct buf counts_error;
	struct live live;
	bool trouble;
};

/* In the text format of Prometheus, on standard output. */
void metrics_print(const struct view *);

/* Local time, "2026-11-22 12:31:00"; returns out. */
const char *status_time(int64_t when_s, char out[32]);

#endif
