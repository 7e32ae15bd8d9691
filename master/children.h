/*
 * children: the programs of the house as processes: started, watched, ended.
 */
#ifndef MASTER_CHILDREN_H
#define MASTER_CHILDREN_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/base/clock.h"
#include "lib/store/instance.h"
#include "master/listeners.h"
#include "master/logfile.h"
#include "master/services.h"

enum child_state {
	CHILD_OFF,       /* not wanted, or the house is closing */
	CHILD_RUNNING,
	CHILD_ENDING,    /* told to end; or it died and its workers are still there */
	CHILD_WAITING    /* starts again at due_ms */
};
struct child {
	const struct service_def *def;
	enum child_state state;
	pid_t pid;              /* 0: gone */
	pid_t group;            /* its process group: itself and its workers; 0: gone too */
	uint64_t born;
	int64_t started_ms, due_ms, since_s;
	deadline_ms patience;   /* ENDING: then it is killed */
	unsigned pause_s;       /* before the next start */
	unsigned starts;
	bool asked;             /* it ends because we said so */
	bool again;             /* ... to be started again at once */
	int hold_fd;            /* it waits on this pipe to be released; 0 or -1: it does not */
	struct log_source log;
};

/* The process waits until child_release: when it is written down that it is there. Should we
 * die before that, it ends by itself. */
void child_start(struct child *, const struct instance *, const struct listeners *);
void child_release(struct child *);
/* SIGTERM; SIGKILL to it and its workers after grace_ms. */
void child_end(struct child *, bool again, int64_t grace_ms);
/* waitpid said so about its pid. */
void child_died(struct child *, int status);
/* What is due: killing, starting. The moment of the next step, or NEVER. closing: nothing is
 * started. changed is set when the state became another one. */
deadline_ms child_step(struct child *, const struct instance *, const struct listeners *, bool closing,
    bool *changed);
const char *child_state_word(const struct child *);

#endif
