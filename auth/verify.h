/*
 * verify: slow hashes, in helper processes, so that nobody waits behind one who
 * does not need one.
 */
#ifndef AUTH_VERIFY_H
#define AUTH_VERIFY_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "lib/base/mem.h"
#include "lib/sys/sandbox.h"

#define VERIFY_HELPERS 2
#define VERIFY_QUEUE 512 /* checks that may wait for a helper */

enum verified { VERIFIED_RIGHT, VERIFIED_WRONG, VERIFIED_NOT /* nobody could tell, or had time for it */ };
/* text: what was made of a right password, if that was asked for; else "". */
typedef void verify_done(void *arg, enum verified, const char *text);

/* What to make of a password that is right: an entry of passwd as it is written today. */
struct verify_make {
	bool wanted;
	uint32_t iterations; /* of the verifier for SCRAM; 0: without one */
};

struct verify_job {
	char *hash, *password;
	struct verify_make make;
	verify_done *done;
	void *arg;
	TAILQ_ENTRY(verify_job) next;
};
struct helper {
	struct verify *of;
	int fd;
	uint32_t number; /* of the job under way; an answer with another one comes too late */
	struct verify_job *job;
	struct event *readable, *timer;
};
struct verify {
	pid_t keeper;
	struct helper helpers[VERIFY_HELPERS];
	TAILQ_HEAD(, verify_job) waiting;
	size_t count;
};

/* Starts the helpers, before clients come; they take what is open then. */
void verify_fork(struct verify *, enum sandbox_mode);
void verify_open(struct verify *, struct event_base *);
/* done is called later, never from here. -1: too many wait already. */
int verify_start(struct verify *, const char *hash, const char *password, struct verify_make, verify_done *,
    void *arg) MUST_CHECK;
/* Is the process that keeps the helpers running gone? To ask at SIGCHLD, which also tells of one
 * that was only stopped. */
bool verify_lost(struct verify *) MUST_CHECK;
void verify_close(struct verify *); /* helpers are gone when it returns */

#endif
