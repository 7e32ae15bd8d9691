/*
 * record: run/master.state: what master has started and opened, for status, and for a new master
 * when the old one was killed. Text, readable with cat(1).
 *
 *   posthouse-master 1
 *   master pid=71 born=5512 since=1795315490 session=71 reloads=0 error=""
 *   service name=smtpd pid=80 born=5515 since=1795315490 starts=1 state=running
 *   listen name=smtp address=127.0.0.1:25
 *   listen name=pop3 address=[::1]:110 error="address in use by dovecot (pid 7)"
 */
#ifndef MASTER_RECORD_H
#define MASTER_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/store/instance.h"
#include "master/procs.h"

#define RECORD_SERVICES 16
#define RECORD_LISTENERS 64

struct record_service {
	char name[32];
	pid_t pid; /* also its process group; 0: none at the moment */
	uint64_t born;
	int64_t since_s;
	unsigned starts;
	char state[16]; /* running, waiting (to be started again), off, missing (no such program) */
};
struct record_listener {
	char name[32];
	char address[128];
	char error[256];
};
struct record {
	pid_t pid, session;
	uint64_t born;
	int64_t since_s;
	unsigned reloads;
	char error[512]; /* of the last one; "" */
	size_t service_count, listener_count;
	struct record_service services[RECORD_SERVICES];
	struct record_listener listeners[RECORD_LISTENERS];
};
int record_write(const struct instance *, const struct record *) MUST_CHECK;
/* 0; -1 errno (ENOENT: nothing was ever started here; EINVAL: it does not parse). */
int record_read(const struct instance *, struct record *) MUST_CHECK;
/* The pid that holds the lock of run/master.pid; 0: nobody. */
pid_t record_master(const struct instance *);
/* Every process that belongs to the recorded services now, by process group, session and birth;
 * the caller frees. */
struct process *record_processes(const struct record *, size_t *n) MUST_CHECK;
/* Those of one service out of such a list: their number, and memory. */
unsigned record_count(const struct record_service *, const struct process *, size_t n,
    uint64_t *rss_octets);

#endif
