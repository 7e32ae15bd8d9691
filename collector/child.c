/*
 * child: one account, one process, one run at a time.
 */
#include "collector/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "collector/lists.h"
#include "collector/lock.h"
#include "collector/secret.h"
#include "collector/trouble.h"
#include "collector/turn.h"
#include "collector/wake.h"
#include "lib/base/ascii.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"

struct child {
	struct house *house;
	const struct chosen *account;
	struct child_how how;
	struct state *state;
	int fd;              /* to the parent */
	int lock;
	struct account opened;
	struct trouble trouble;
	int64_t told_ms;     /* when it was last told of progress */
	int64_t begun_ms;    /* the run, or the round of one that stays */
};

static void
tell_parent(const struct child *c, const struct report *r)
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
	tell_parent(c, &r);
}

/* A run, or a round, has ended: the log, the state and the parent hear of it. */
static void
end_run(struct child *c, struct account *a, struct report *r, enum fetch_result result)
{
	const char *name = c->account->name;

	r->run.ended_s = time(NULL);
	r->ms = clock_mono_ms() - c->begun_ms;
	if (result == FETCH_AUTH_FAILED)
		log_event(EV_COLLECT_AUTH_FAILED, LS("account", name), LS("reply", r->run.error));
	log_event(EV_COLLECT_DONE, LS("account", name), LN("messages", r->run.messages), LN("octets", r->run.octets),
	    LN("ms", r->ms), LS("error", r->run.error));
	(void)!state_run_save(c->state, name, &r->run);
	trouble_after(c->house, a, c->state, result, &r->run, &c->trouble);
	if (c->opened.arena != NULL)
		lists_settle(c->house, a, c->state);
	r->not_before_s = c->trouble.not_before_s;
	tell_parent(c, r);
}

static void
end_round(void *arg, struct state_run *run)
{
	struct child *c = arg;
	struct report r = { .kind = REPORT_ROUND, .run = *run };

	end_run(c, &c->opened, &r, FETCH_OK);
	*run = (struct state_run){ .started_s = r.run.ended_s };
	c->begun_ms = clock_mono_ms();
}

/* Whether it went well is known to an account of protocol=wake only; the others are collected from all the same. */
static enum fetch_result
wake(struct child *c, struct account *a, struct state_run *run)
{
	enum fetch_result result = FETCH_OK;
	struct wake_result w;

	wake_result_init(&w);
	wake_account(c->house, a, false, &w);
	account_sandbox(a, c->house);
	wake_account(c->house, a, true, &w);
	if (a->up.protocol == UPSTREAM_WAKE && w.what == WAKE_FAILED) {
		snprintf(run->error, sizeof(run->error), "%s", buf_str(&w.text));
		result = FETCH_FAILED;
	}
	wake_result_free(&w);
	return result;
}

/* The mailbox did not take our token: with another, if tokend gives one; else that refusal stands. */
static enum fetch_result
fetch_again(struct child *c, struct account *a, struct state_run *run, const struct fetch_listener *listener)
{
	const struct state_run first = *run;
	enum fetch_result result = fetch_account(c->house, a, c->state, run, listener);

	if (result != FETCH_FAILED || !a->tokenless)
		return result;
	*run = first;
	return FETCH_AUTH_FAILED;
}

static enum fetch_result
fetch(struct child *c, struct account *a, struct state_run *run)
{
	const struct fetch_listener listener = { tell_progress, end_round, c };
	enum fetch_result result = wake(c, a, run);

	if (a->up.protocol == UPSTREAM_WAKE)
		return result;
	if (state_recover(c->state, a->name) == 0 && state_expire(c->state, a->name) == 0) {
		result = fetch_account(c->house, a, c->state, run, &listener);
		if (result == FETCH_AUTH_FAILED && credentials_refused(a))
			result = fetch_again(c, a, run, &listener);
		return result;
	}
	strlcpy(run->error, "cannot use the state: see the log", sizeof(run->error));
	return FETCH_FAILED;
}

/* Is it to be left alone? Then that is all there is to tell. */
static bool
waits(struct child *c, struct account *a)
{
	struct report r = { .kind = REPORT_END, .waits = true };
	struct buf why = BUF_INIT(sizeof(r.run.error));
	uint32_t mark = trouble_mark(a, c->house, c->account->value);

	trouble_load(c->state, a->name, &c->trouble);
	if (trouble_waits(&c->trouble, mark, time(NULL)) && !c->how.at_once) {
		trouble_add_text(&why, &c->trouble);
		strlcpy(r.run.error, buf_str(&why), sizeof(r.run.error));
		r.not_before_s = c->trouble.not_before_s;
		tell_parent(c, &r);
	} else {
		r.waits = false;
	}
	c->trouble.mark = mark;
	buf_free(&why);
	return r.waits;
}

/* What comes before the first octet to the provider; then all of it. */
static enum fetch_result
visit(struct child *c, struct state_run *run, struct buf *why)
{
	struct account *a = &c->opened;

	a->stay = c->how.stay && a->up.idle;
	if (a->stay)
		lock_stay(c->lock);
	if (secret_run(a, why) == -1 || turn_prepare(a, c->house, why) == -1)
		return FETCH_FAILED;
	return fetch(c, a, run);
}

static void
collect(struct child *c)
{
	struct report r = { .kind = REPORT_END, .run.started_s = time(NULL) };
	struct buf why = BUF_INIT(sizeof(r.run.error));
	enum fetch_result result = FETCH_FAILED;
	bool opened = account_open(&c->opened, c->house, c->account->name, c->account->value, &why) == 0;

	c->begun_ms = clock_mono_ms();
	if (opened && waits(c, &c->opened))
		goto out;
	if (opened) {
		result = visit(c, &r.run, &why);
	} else {
		c->opened.name = c->account->name;
		trouble_load(c->state, c->opened.name, &c->trouble);
	}
	if (why.len > 0)
		strlcpy(r.run.error, buf_str(&why), sizeof(r.run.error));
	end_run(c, &c->opened, &r, result);
out:
	if (opened)
		account_close(&c->opened);
	buf_free(&why);
}

/* Another process did it meanwhile, or began it and died: then the last run that is known is one of before. */
static void
tell_of_other(struct child *c, bool died)
{
	struct report r = { .kind = REPORT_END, .joined = true };

	if (died)
		strlcpy(r.run.error, "the other process died at its work", sizeof(r.run.error));
	else if (state_run_last(c->state, c->account->name, &r.run) != 1)
		strlcpy(r.run.error, "what it did is not known", sizeof(r.run.error));
	tell_parent(c, &r);
}

static void
tell_failure(struct child *c, const struct buf *why)
{
	struct report r = { .kind = REPORT_END };

	strlcpy(r.run.error, buf_str(why), sizeof(r.run.error));
	tell_parent(c, &r);
}

static void NORETURN
child_main(struct child *c)
{
	struct buf why = BUF_INIT(sizeof(((struct state_run *)NULL)->error));
	enum lock_other other = LOCK_OTHER_NOTHING;

	log_open("collect");
	c->state = state_open(c->house->state_dir, &why);
	if (c->state != NULL)
		c->lock = lock_account(c->house, c->account->name, &other, &why);
	if (c->lock == -1) {
		tell_failure(c, &why);
	} else if (other != LOCK_OTHER_NOTHING) {
		tell_of_other(c, other == LOCK_OTHER_DIED);
	} else {
		collect(c);
		lock_done(c->lock);
	}
	state_close(c->state);
	file_close(c->lock);
	buf_free(&why);
	_exit(0);
}

pid_t
child_start(struct house *h, const struct chosen *account, struct child_how how, int *fd)
{
	int fds[2];
	pid_t pid, parent = getpid();

	if (pipe2(fds, O_CLOEXEC) == -1 || (pid = fork()) == -1)
		fatal(EX_OSERR, "cannot start a process: %s", strerror(errno));
	if (pid == 0) {
		file_close(fds[0]);
		proc_follow_parent(parent);
		child_main(&(struct child){ .house = h, .account = account, .fd = fds[1], .lock = -1, .how = how });
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
