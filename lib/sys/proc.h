/*
 * proc: processes: privileges, signals, pools of workers, titles.
 */
#ifndef LIB_SYS_PROC_H
#define LIB_SYS_PROC_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"

/*
 * As root: become user for good (groups, gid, uid, no new privileges, core
 * dumps off), and check that there is no way back. Not as root: nothing but
 * PR_SET_NO_NEW_PRIVS. A death signal (PR_SET_PDEATHSIG) stays in force. fatal(EX_NOUSER) if the user does not exist.
 */
void proc_drop(const char *user);
bool proc_privileged(void); /* started as root: services have their own uids */
/* The uid that a service has here: its own when privileged or installed so,
 * else our own. */
uid_t proc_uid(const char *user);
/* Set by SIGTERM and SIGINT once proc_signals() was called; SIGPIPE is ignored. */
extern volatile sig_atomic_t proc_stopping;
void proc_signals(void);
/* As many descriptors as we may have. */
void proc_many_files(void);
/* Die with the parent (PR_SET_PDEATHSIG SIGTERM), checked against a race. */
void proc_follow_parent(pid_t parent);
/*
 * Keep n copies of work(arg, slot) running, each in a process of its own; one
 * that dies is replaced (after a pause that grows to 10 s if it lived under a
 * second). Returns in the parent, after SIGTERM, when all are gone (they get
 * SIGTERM; SIGKILL after grace_ms). work's result is the exit code.
 */
void proc_pool(int n, int grace_ms, int (*work)(void *arg, int slot), void *arg);
/* Run argv, no shell, environment PATH only; stdin from /dev/null, stdout to
 * out_fd. Exit status as waitpid gives it, or -1. */
int proc_run(char *const argv[], int out_fd, int timeout_s) MUST_CHECK;
/* Likewise, and what it says: standard output into out (more than fits: -1 with EMSGSIZE), the end of what it
 * complains about into err. Either may hold secrets. */
int proc_output(char *const argv[], struct buf *out, struct buf *err, int timeout_s) MUST_CHECK;
/* Likewise, with input (at most what a pipe holds: 16 KiB are safe) on descriptor as: 0, or another one and an empty
 * standard input. It is on no disk, and in no argument that others can see. */
int proc_feed(char *const argv[], int as, struct span input, struct buf *out, struct buf *err, int timeout_s) MUST_CHECK;

#endif
