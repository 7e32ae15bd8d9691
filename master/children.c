/*
 * children: the programs of the house as processes.
 *
 * Each runs in a process group of its own, with its workers: so that all of them can be told, and be
 * seen to be gone. Standard error is a pipe that outlives the process; listening sockets are handed over
 * by the convention of sd_listen_fds(3).
 */
#include "master/children.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "master/procs.h"

#define PASSED_FIRST 3
#define PASSED_MAX 32
#define PAUSE_MAX_S 60
#define LONG_LIFE_MS 10000 /* who lived so long is started again at once */
#define WORKERS_GRACE_MS 2000
#define LOOK_MS 10         /* how often we look whether workers are gone */

/* --- the child's side ---------------------------------------------------- */

static void
pass_sockets(const int *fds, const char *const *names, int n)
{
	char number[16], pid[16], text[PASSED_MAX * 16] = "";
	int high[PASSED_MAX], i;

	for (i = 0; i < n; i++) {
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, PASSED_FIRST + PASSED_MAX);
		if (high[i] == -1)
			fatal(EX_OSERR, "cannot pass a socket: %s", strerror(errno));
	}
	for (i = 0; i < n; i++) {
		if (dup2(high[i], PASSED_FIRST + i) == -1)
			fatal(EX_OSERR, "cannot pass a socket: %s", strerror(errno));
		strncat(text, i > 0 ? ":" : "", sizeof(text) - strlen(text) - 1);
		strncat(text, names[i], sizeof(text) - strlen(text) - 1);
	}
	snprintf(number, sizeof(number), "%d", n);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDNAMES", text, 1);
}

static void
reset_signals(void)
{
	sigset_t none;
	int i;

	for (i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Until master has written down that we are there; it may die before. */
static void
await_release(int fd)
{
	char c;

	if (read(fd, &c, 1) != 1)
		_exit(EX_TEMPFAIL);
	close(fd);
}

static void NORETURN
become(const struct child *c, const struct instance *inst,
    const struct listeners *set, pid_t parent, int release_fd)
{
	char *path = instance_path(instance_libexec(), c->def->name);
	char flag[] = "-C";
	char *option = c->def->option != NULL ? mem_dup(c->def->option) : NULL;
	char *with[] = { path, flag, inst->root, option, NULL };
	char *without[] = { path, option, NULL };
	const char *names[PASSED_MAX];
	int fds[PASSED_MAX], null, n;

	setpgid(0, 0);
	reset_signals();
	/* Lost again where the program changes its uid: it asks anew then. */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EX_TEMPFAIL);
	await_release(release_fd);
	log_open(c->def->name);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (dup2(null, STDIN_FILENO) == -1 ||
	    dup2(c->log.write_fd, STDERR_FILENO) == -1 ||
	    dup2(c->log.write_fd, STDOUT_FILENO) == -1)
		_exit(EX_OSERR);
	n = listeners_of(set, c->def, fds, names, PASSED_MAX);
	pass_sockets(fds, names, n);
	execv(path, inst->root != NULL ? with : without);
	fatal(EX_UNAVAILABLE, "cannot run %s: %s", path, strerror(errno));
}

/* --- master's side ------------------------------------------------------ */

static unsigned
longer(unsigned pause_s)
{
	if (pause_s == 0)
		return 1;
	return pause_s * 2 < PAUSE_MAX_S ? pause_s * 2 : PAUSE_MAX_S;
}

void
child_start(struct child *c, const struct instance *inst, const struct listeners *set)
{
	pid_t parent = getpid(), pid;
	struct process p;
	int hold[2] = { -1, -1 };

	c->asked = c->again = false;
	c->started_ms = clock_mono_ms();
	c->since_s = clock_real_us() / 1000000;
	pid = pipe2(hold, O_CLOEXEC) == 0 ? fork() : -1;
	if (pid == 0) {
		close(hold[1]);
		become(c, inst, set, parent, hold[0]);
	}
	file_close(hold[0]);
	if (pid == -1) {
		file_close(hold[1]);
		log_error(EV_WARNING, LS("text", "cannot start a program"),
		    LS("service", c->def->name), LS("error", strerror(errno)));
		c->pause_s = longer(c->pause_s);
		c->due_ms = c->started_ms + (int64_t)c->pause_s * 1000;
		c->state = CHILD_WAITING;
		return;
	}
	(void)setpgid(pid, pid); /* the child does so too: whoever is first */
	c->state = CHILD_RUNNING;
	c->hold_fd = hold[1];
	c->pid = c->group = pid;
	c->starts++;
	c->born = process_read(pid, &p) == 0 ? p.born : 0;
	log_event(EV_MASTER_STARTED, LS("service", c->def->name), LN("pid", pid));
}

void
child_release(struct child *c)
{
	if (c->hold_fd <= 0)
		return;
	if (write(c->hold_fd, "1", 1) == -1)
		errno = 0; /* it is gone: SIGCHLD tells */
	close(c->hold_fd);
	c->hold_fd = -1;
}

void
child_end(struct child *c, bool again, int64_t grace_ms)
{
	if (c->state == CHILD_WAITING) {
		c->state = again ? CHILD_WAITING : CHILD_OFF;
		c->due_ms = 0;
		return;
	}
	c->again = again;
	if (c->state != CHILD_RUNNING)
		return;
	c->state = CHILD_ENDING;
	c->asked = true;
	c->patience = deadline_in(grace_ms);
	(void)kill(c->pid, SIGTERM);
}

/* "exit 69", "signal 9" */
static void
describe(int status, char *out, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(out, size, "signal %d", WTERMSIG(status));
	else
		snprintf(out, size, "exit %d", WEXITSTATUS(status));
}

void
child_died(struct child *c, int status)
{
	int64_t lived = clock_mono_ms() - c->started_ms;
	char how[32];

	describe(status, how, sizeof(how));

	if (c->asked) {
		log_event(EV_MASTER_STOPPED, LS("service", c->def->name),
		    LN("pid", c->pid), LS("status", how));
	} else {
		c->pause_s = lived >= LONG_LIFE_MS ? 0 : longer(c->pause_s);
		c->again = true;
		log_error(EV_MASTER_DIED, LS("service", c->def->name),
		    LN("pid", c->pid), LS("status", how),
		    LN("again_s", c->pause_s));
	}
	c->pid = 0;
	c->state = CHILD_ENDING;
	c->patience = deadline_in(WORKERS_GRACE_MS);
	(void)kill(-c->group, SIGTERM);
}

/* The group of one that was told to end, or died. */
static deadline_ms
step_ending(struct child *c)
{
	if (deadline_over(c->patience)) {
		(void)kill(-c->group, SIGKILL);
		c->patience = NEVER;
	}
	if (c->pid != 0)
		return c->patience; /* SIGCHLD tells */
	if (kill(-c->group, 0) == 0)
		return deadline_in(LOOK_MS);
	c->group = 0;
	c->state = c->again ? CHILD_WAITING : CHILD_OFF;
	c->due_ms = c->asked ? 0 : clock_mono_ms() + (int64_t)c->pause_s * 1000;
	return 0;
}

deadline_ms
child_step(struct child *c, const struct instance *inst, const struct listeners *set,
    bool closing, bool *changed)
{
	deadline_ms next;

	if (c->state == CHILD_ENDING) {
		next = step_ending(c);
		if (c->state == CHILD_ENDING)
			return next;
		*changed = true;
	}
	if (c->state == CHILD_WAITING && (closing || listeners_shut(set, c->def))) {
		c->state = CHILD_OFF;
		*changed = true;
	}
	if (c->state == CHILD_OFF || c->state == CHILD_RUNNING)
		return NEVER;
	if (clock_mono_ms() < c->due_ms)
		return c->due_ms;
	child_start(c, inst, set);
	*changed = true;
	return c->state == CHILD_WAITING ? c->due_ms : NEVER;
}

const char *
child_state_word(const struct child *c)
{
	static const char *const words[] = { "off", "running", "ending", "waiting" };

	return words[c->state];
}
