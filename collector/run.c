/*
 * run: `posthouse collect`: each account once, several at a time, and a line about each.
 */
#include "collector/run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "collector/bars.h"
#include "collector/child.h"
#include "collector/lines.h"
#include "collector/lock.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"
#include "lib/wire/submit.h"

#define STOP_LOOK_MS 1000 /* a signal that came just before poll(2) is seen so soon */
#define SETTLE_LOOK_MS 50

struct job {
	const struct chosen *account;
	pid_t pid;
	int fd; /* of the pipe; -1: not running */
	bool ended;
	struct fetch_progress progress;
};

struct crew {
	struct house *house;
	struct choice choice;
	struct job *jobs; /* one for each of choice */
	size_t next, running;
	struct bars bars;
	bool at_once; /* a person asks for these accounts */
	bool told; /* SIGTERM came, and the others know */
	int worst; /* exit code */
};

static void
show_progress(struct crew *c)
{
	bars_clear(&c->bars);
	for (size_t i = 0; i < c->next; i++)
		if (c->jobs[i].fd != -1 && c->jobs[i].progress.total > 0 &&
		    !bars_add(&c->bars, c->jobs[i].account->name, &c->jobs[i].progress))
			break;
}

/* The account's line, above the bars. */
static void
end_job(struct crew *c, struct job *j, const struct buf *line, bool failed)
{
	bars_clear(&c->bars);
	if (failed)
		c->worst = EX_TEMPFAIL;
	j->ended = true;
	line_put(line);
	show_progress(c);
}

static void
end_run(struct crew *c, struct job *j, const struct report *r)
{
	struct buf line = BUF_INIT(1024);
	bool failed = *r->run.error != '\0';

	if (r->waits) {
		buf_addf(&line, "%s: not tried: %s", j->account->name, r->run.error);
	} else {
		line_add_run(&line, j->account->name, &r->run);
		buf_addf(&line, ", %lld.%lld s", (long long)(r->ms / 1000), (long long)(r->ms % 1000 / 100));
		if (r->joined)
			buf_adds(&line, " (by another process)");
		if (failed)
			buf_addf(&line, ": failed: %s", r->run.error);
	}
	end_job(c, j, &line, failed);
	buf_free(&line);
}

static void
reap(struct crew *c, struct job *j)
{
	struct buf how = BUF_INIT(128), line = BUF_INIT(1024);

	child_wait(j->pid, &how);
	buf_addf(&line, "%s: failed: %s", j->account->name,
	    how.len > 0 ? buf_str(&how) : "its process ended without a word");
	file_close(j->fd);
	j->fd = -1;
	c->running--;
	if (!j->ended)
		end_job(c, j, &line, true);
	buf_free(&how);
	buf_free(&line);
}

static void
hear(struct crew *c, struct job *j)
{
	struct report r;
	ssize_t n = read(j->fd, &r, sizeof(r));

	if (n != (ssize_t)sizeof(r)) {
		if (n != -1 || errno != EINTR)
			reap(c, j);
		return;
	}
	if (r.kind == REPORT_END) {
		end_run(c, j, &r);
	} else {
		j->progress = r.progress;
		show_progress(c);
	}
}

static void
start_next(struct crew *c)
{
	struct job *j = &c->jobs[c->next];

	j->account = &c->choice.v[c->next++];
	j->pid = child_start(c->house, j->account, (struct child_how){ .at_once = c->at_once }, &j->fd);
	c->running++;
}

static void
tell_to_stop(struct crew *c)
{
	c->told = true;
	for (size_t i = 0; i < c->next; i++)
		if (c->jobs[i].fd != -1)
			(void)kill(c->jobs[i].pid, SIGTERM);
}

static void
await_reports(struct crew *c)
{
	struct pollfd *fds = mem_alloc(c->running, sizeof(*fds));
	struct job **jobs = mem_alloc(c->running, sizeof(struct job *));
	nfds_t n = 0;

	for (size_t i = 0; i < c->next; i++)
		if (c->jobs[i].fd != -1) {
			jobs[n] = &c->jobs[i];
			fds[n++] = (struct pollfd){ c->jobs[i].fd, POLLIN, 0 };
		}
	if (poll(fds, n, STOP_LOOK_MS) > 0)
		for (nfds_t i = 0; i < n; i++)
			if (fds[i].revents != 0)
				hear(c, jobs[i]);
	free(fds);
	free(jobs);
}

static void
work(struct crew *c)
{
	for (;;) {
		while (!proc_stopping && c->next < c->choice.n && c->running < c->house->conf.collect_parallel)
			start_next(c);
		if (c->running == 0)
			return;
		if (proc_stopping && !c->told)
			tell_to_stop(c);
		await_reports(c);
	}
}

static bool
only_by_name(const struct chosen *account)
{
	struct buf why = BUF_INIT(1024);
	struct arena *arena = arena_new();
	struct upstream up;
	bool only = upstream_parse(account->value, arena, &up, &why) == 0 && up.schedule.n == 0 &&
	    up.schedule.when_queued == 0;

	arena_free(arena);
	buf_free(&why);
	return only;
}

static void
leave_out_manual(struct choice *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		if (only_by_name(&c->v[i]))
			free(c->v[i].name);
		else
			c->v[n++] = c->v[i];
	c->n = n;
}

/* Where queued cannot be asked, nothing would come of a link that is up, either. */
static bool
link_is_down(const struct house *h)
{
	uint64_t waiting;
	bool down = false;

	return submit_count(h->submit_path, &waiting, &down) == 0 && down;
}

int
run_accounts(struct house *h, char *const *names, size_t count, bool now)
{
	struct crew c = { .house = h, .bars.terminal = isatty(STDOUT_FILENO) };
	int rv;

	if (count == 0 && !now && link_is_down(h)) {
		puts("the link is down: nothing is collected (posthouse link up; collect now tries all the same)");
		return 0;
	}
	rv = choice_make(&c.choice, h, names, count);
	if (rv != 0)
		return rv;
	if (count == 0 && !now)
		leave_out_manual(&c.choice);
	c.jobs = mem_alloc(c.choice.n + 1, sizeof(*c.jobs));
	c.at_once = now || (c.bars.terminal && count > 0);
	if (c.bars.terminal)
		log_level_set(LOG_ERROR); /* a person looks on: the lines below tell */
	if (c.bars.terminal && c.choice.n == 0)
		puts("there are no accounts in upstreams");
	work(&c);
	if (proc_stopping)
		c.worst = EX_TEMPFAIL;
	bars_clear(&c.bars);
	free(c.jobs);
	choice_free(&c.choice);
	return c.worst;
}

int
run_settle(struct house *h, uint64_t wait_s)
{
	deadline_ms until = deadline_in((int64_t)wait_s * 1000);
	struct choice c;
	size_t i = 0;
	int rv;

	if (access(h->state_dir, R_OK | W_OK | X_OK) == -1)
		fatal(EX_TEMPFAIL, "cannot see whether accounts are collected from: %s: %s", h->state_dir, strerror(errno));
	if (choice_make(&c, h, NULL, 0) != 0)
		return EX_TEMPFAIL;
	while (i < c.n && !proc_stopping)
		if (!lock_at_work(h, c.v[i].name)) {
			i++;
		} else if (deadline_over(until)) {
			printf("%s: is being collected from still\n", c.v[i].name);
			break;
		} else {
			poll(NULL, 0, SETTLE_LOOK_MS);
		}
	rv = i < c.n ? EX_TEMPFAIL : 0;
	choice_free(&c);
	return rv;
}
