/*
 * child: one account, one process, one run at a time.
 */
#include "collector/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "collector/secret.h"
#include "collector/turn.h"
#include "lib/base/ascii.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"
#include "lib/sys/sandbox.h"

#define LOCK_WAIT_MS (3600 * 1000)

struct child {
	int fd;
	int64_t told_ms;
};

static void
report(const struct child *c, const struct report *r)
{
	/* The parent may be gone: then nobody wants to know. */
	(void)!write(c->fd, r, sizeof(*r));
}

static void
tell_progress(void *arg, const struct fetch_progress *p)
{
	struct child *c = arg;
	struct report r = { .kind = REPORT_PROGRESS, .progress = *p };

	if (clock_mono_ms() - c->told_ms < 100)
		return;
	c->told_ms = clock_mono_ms();
	report(c, &r);
}

/* One process at a time works on an account. The lock, or -1; *joined: another process has just done the work. */
static int
lock_account(const struct house *h, const char *name, bool *joined, struct buf *why)
{
	struct buf path = BUF_INIT(4096);
	deadline_ms until = deadline_in(LOCK_WAIT_MS);
	int fd;

	buf_addf(&path, "%s/", h->state_dir);
	word_encode(&path, name, strlen(name), "/.");
	buf_adds(&path, ".lock");
	fd = open(buf_str(&path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	buf_free(&path);
	if (fd == -1) {
		buf_addf(why, "cannot write below %s: %s", h->state_dir, strerror(errno));
		return -1;
	}
	*joined = false;
	while (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		*joined = true;
		if (deadline_over(until)) {
			buf_adds(why, "another process works on this account and does not come to an end");
			file_close(fd);
			return -1;
		}
		poll(NULL, 0, 50);
	}
	return fd;
}

static void
enter_sandbox(const struct house *h, const struct account *a)
{
	struct sandbox box = { .mode = h->conf.sandbox, .calls = CALL_INET | CALL_UNIX };
	const struct {
		const char *path;
		unsigned rights;
	} paths[] = { { h->state_dir, MAY_READ | MAY_WRITE }, { h->instance.run, MAY_READ | MAY_WRITE },
		{ h->instance.maps, MAY_READ }, { "/etc", MAY_READ }, { "/usr/lib", MAY_READ },
		{ "/usr/share", MAY_READ }, { "/proc", MAY_READ }, { "/dev", MAY_READ }, { "/run", MAY_READ },
		{ a->up.ca, MAY_READ } };
	size_t n = 0;

	for (size_t i = 0; i < COUNT(paths); i++)
		if (paths[i].path != NULL) {
			box.paths[n].path = paths[i].path;
			box.paths[n++].rights = paths[i].rights;
		}
	sandbox_enter(&box);
}

static void
log_run(const char *name, const struct report *r, enum fetch_result result)
{
	if (result == FETCH_AUTH_FAILED)
		log_event(EV_COLLECT_AUTH_FAILED, LS("account", name), LS("reply", r->run.error));
	log_event(EV_COLLECT_DONE, LS("account", name), LN("messages", r->run.messages), LN("octets", r->run.octets),
	    LN("ms", r->ms), LS("error", r->run.error));
}

static void
collect(struct house *h, const struct chosen *account, struct child *c, struct state *state, struct report *r)
{
	struct buf why = BUF_INIT(sizeof(r->run.error));
	struct account a;
	enum fetch_result result = FETCH_FAILED;
	int64_t begin = clock_mono_ms();

	r->run.started_s = time(NULL);
	if (account_open(&a, h, account->name, account->value, &why) == -1) {
		snprintf(r->run.error, sizeof(r->run.error), "%s", buf_str(&why));
	} else if (secret_run(&a, &why) == -1 || turn_prepare(&a, h, &why) == -1) {
		snprintf(r->run.error, sizeof(r->run.error), "%s", buf_str(&why));
		account_close(&a);
	} else {
		enter_sandbox(h, &a);
		if (state_recover(state, a.name) == 0 && state_expire(state, a.name) == 0)
			result = fetch_account(h, &a, state, &r->run, tell_progress, c);
		else
			strlcpy(r->run.error, "cannot use the state: see the log", sizeof(r->run.error));
		account_close(&a);
	}
	r->run.ended_s = time(NULL);
	r->ms = clock_mono_ms() - begin;
	log_run(account->name, r, result);
	(void)!state_run_save(state, account->name, &r->run);
	buf_free(&why);
}

static void
child_main(struct house *h, const struct chosen *account, int fd)
{
	struct report r = { .kind = REPORT_END };
	struct child c = { .fd = fd };
	struct buf why = BUF_INIT(sizeof(r.run.error));
	struct state *state = state_open(h->state_dir, &why);
	int lock = state == NULL ? -1 : lock_account(h, account->name, &r.joined, &why);

	log_open("collect");
	if (lock == -1)
		snprintf(r.run.error, sizeof(r.run.error), "%s", buf_str(&why));
	else if (!r.joined)
		collect(h, account, &c, state, &r);
	else if (state_run_last(state, account->name, &r.run) != 1)
		strlcpy(r.run.error, "another process worked on this account and died", sizeof(r.run.error));
	report(&c, &r);
	state_close(state);
	file_close(lock);
	buf_free(&why);
	_exit(0);
}

pid_t
child_start(struct house *h, const struct chosen *account, int *fd)
{
	int fds[2];
	pid_t pid, parent = getpid();

	if (pipe2(fds, O_CLOEXEC) == -1 || (pid = fork()) == -1)
		fatal(EX_OSERR, "cannot start a process: %s", strerror(errno));
	if (pid == 0) {
		file_close(fds[0]);
		proc_follow_parent(parent);
		child_main(h, account, fds[1]);
	}
	file_close(fds[1]);
	*fd = fds[0];
	return pid;
}

void
child_wait(pid_t pid, struct buf *how)
{
	int status = 0;

	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	if (WIFSIGNALED(status))
		buf_addf(how, "its process died of signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		buf_addf(how, "its process ended with code %d", WEXITSTATUS(status));
}
