/*
 * procs: the processes of this machine, as /proc shows them.
 */
#ifndef MASTER_PROCS_H
#define MASTER_PROCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"

struct process {
	pid_t pid, parent, group, session;
	uint64_t born; /* clock ticks since boot: with the pid it names one process for good */
	uint64_t rss_octets;
};
/* One that is no zombie. 0; -1: there is no such process. */
int process_read(pid_t, struct process *) MUST_CHECK;
/* All of them but zombies; the caller frees. */
struct process *processes_read(size_t *n) MUST_CHECK;
/* SIGTERM to all of these, SIGKILL after grace_ms to those left, until they are
 * gone (not reaped: they may be other people's children). How many there were. */
size_t processes_end(const struct process *, size_t n, int64_t grace_ms);

#endif
