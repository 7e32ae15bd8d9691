/*
 * run: one process an account, so that one that is slow, broken or hostile delays and harms nobody else.
 */
#include "collector/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "collector/fetch.h"
#include "lib/base/ascii.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"
#include "lib/sys/sandbox.h"

#define HEADER_ROOM (64 * 1024 * 1024) /* of a file for --explain */
#define LOCK_WAIT_MS (3600 * 1000)

struct report { /* what a child tells its parent; one write each */
	enum { REPORT_PROGRESS, REPORT_END } kind;
	struct fetch_progress progress;
	struct state_run run;
	int64_t ms;
	bool joined; /* another process did it */
};

struct job {
	char *name;
	struct span value; /* of the entry */
	bool wanted;
	pid_t pid;
	int fd;            /* of the pipe; -1: not running */
	bool started, ended, failed;
	struct fetch_progress progress;
};

struct crew {
	struct house *house;
	struct job *jobs;
	size_t n, next, running;
	bool terminal;
	bool told; /* SIGTERM came, and the others know */
	int worst; /* exit code */
};

/* --- in the account's process --------------------------------------------- */

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
collect(struct house *h, const struct job *job, struct child *c, struct state *state, struct report *r)
{
	struct buf why = BUF_INIT(sizeof(r->run.error));
	struct account a;
	enum fetch_result result = FETCH_FAILED;
	int64_t begin = clock_mono_ms();

	r->run.started_s = time(NULL);
	if (account_open(&a, h, job->name, job->value, &why) == -1) {
		snprintf(r->run.error, sizeof(r->run.error), "%s", buf_str(&why));
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
	log_run(job->name, r, result);
	(void)!state_run_save(state, job->name, &r->run);
	buf_free(&why);
}

static void
child_main(struct house *h, const struct job *job, int fd)
{
	struct report r = { .kind = REPORT_END };
	struct child c = { .fd = fd };
	struct buf why = BUF_INIT(sizeof(r.run.error));
	struct state *state = state_open(h->state_dir, &why);
	int lock = state == NULL ? -1 : lock_account(h, job->name, &r.joined, &why);

	log_open("collect");
	if (lock == -1)
		snprintf(r.run.error, sizeof(r.run.error), "%s", buf_str(&why));
	else if (!r.joined)
		collect(h, job, &c, state, &r);
	else if (state_run_last(state, job->name, &r.run) != 1)
		strlcpy(r.run.error, "another process worked on this account and died", sizeof(r.run.error));
	report(&c, &r);
	state_close(state);
	file_close(lock);
	buf_free(&why);
	_exit(0);
}

/* --- in the parent -------------------------------------------------------- */

static void
add_octets(struct buf *b, uint64_t octets)
{
	if (octets < 10 * 1024)
		buf_addf(b, "%llu octets", (unsigned long long)octets);
	else if (octets < 10 * 1024 * 1024)
		buf_addf(b, "%llu KiB", (unsigned long long)(octets / 1024));
	else
		buf_addf(b, "%llu MiB", (unsigned long long)(octets / 1024 / 1024));
}

/* What a server said may stand in it: nothing of it reaches a terminal as it is. */
static void
put_line(const struct buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		putchar(ascii_print((unsigned char)b->s[i]) || (unsigned char)b->s[i] >= 0xa0 ? b->s[i] : '?');
	putchar('\n');
	fflush(stdout);
}

static void
add_run(struct buf *b, const char *name, const struct state_run *r)
{
	buf_addf(b, "%s: %llu message%s, ", name, (unsigned long long)r->messages, r->messages == 1 ? "" : "s");
	add_octets(b, r->octets);
	if (r->left > 0)
		buf_addf(b, ", %llu left there", (unsigned long long)r->left);
}

static void
clear_progress(const struct crew *c)
{
	if (c->terminal)
		fputs("\r\033[K", stdout);
}

static void
show_progress(const struct crew *c)
{
	struct buf line = BUF_INIT(160);

	if (!c->terminal)
		return;
	for (size_t i = 0; i < c->n; i++)
		if (c->jobs[i].fd != -1 && c->jobs[i].progress.total > 0)
			buf_addf(&line, "%s %llu/%llu  ", c->jobs[i].name, (unsigned long long)c->jobs[i].progress.done,
			    (unsigned long long)c->jobs[i].progress.total);
	printf("\r\033[K%.78s", buf_str(&line));
	fflush(stdout);
	buf_free(&line);
}

static void
end_job(struct crew *c, struct job *j, const struct report *r, const char *died)
{
	struct buf line = BUF_INIT(1024);

	clear_progress(c);
	if (died != NULL) {
		buf_addf(&line, "%s: %s", j->name, died);
	} else {
		add_run(&line, j->name, &r->run);
		buf_addf(&line, ", %lld.%lld s", (long long)(r->ms / 1000), (long long)(r->ms % 1000 / 100));
		if (r->joined)
			buf_adds(&line, " (by another process)");
		if (*r->run.error != '\0')
			buf_addf(&line, ": failed: %s", r->run.error);
	}
	j->failed = died != NULL || *r->run.error != '\0';
	if (j->failed)
		c->worst = EX_TEMPFAIL;
	j->ended = true;
	put_line(&line);
	buf_free(&line);
}

static void
reap(struct crew *c, struct job *j)
{
	int status = 0;
	char died[64];

	while (waitpid(j->pid, &status, 0) == -1 && errno == EINTR)
		continue;
	snprintf(died, sizeof(died), WIFSIGNALED(status) ? "failed: its process died of signal %d"
	                                                   : "failed: its process ended with code %d",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (!j->ended)
		end_job(c, j, NULL, died);
	file_close(j->fd);
	j->fd = -1;
	c->running--;
}

static void
start_job(struct crew *c, struct job *j)
{
	int fds[2];
	pid_t parent = getpid();

	j->started = true;
	if (pipe2(fds, O_CLOEXEC) == -1 || (j->pid = fork()) == -1)
		fatal(EX_OSERR, "cannot start a process: %s", strerror(errno));
	if (j->pid == 0) {
		file_close(fds[0]);
		proc_follow_parent(parent);
		child_main(c->house, j, fds[1]);
	}
	file_close(fds[1]);
	j->fd = fds[0];
	c->running++;
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
		end_job(c, j, &r, NULL);
	} else {
		j->progress = r.progress;
		show_progress(c);
	}
}

/* They end at the next message, with all that is whole safe. */
static void
tell_to_stop(struct crew *c)
{
	c->told = true;
	for (size_t i = 0; i < c->n; i++)
		if (c->jobs[i].fd != -1)
			(void)kill(c->jobs[i].pid, SIGTERM);
}

static void
await_reports(struct crew *c)
{
	struct pollfd *fds = mem_alloc(c->running, sizeof(*fds));
	struct job **jobs = mem_alloc(c->running, sizeof(struct job *));
	nfds_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		if (c->jobs[i].fd != -1) {
			jobs[n] = &c->jobs[i];
			fds[n++] = (struct pollfd){ c->jobs[i].fd, POLLIN, 0 };
		}
	if (poll(fds, n, -1) > 0)
		for (nfds_t i = 0; i < n; i++)
			if (fds[i].revents != 0)
				hear(c, jobs[i]);
	free(fds);
	free(jobs);
}

/* --- which accounts ------------------------------------------------------- */

static int
add_job(void *arg, const char *name, struct span value)
{
	struct crew *c = arg;

	c->jobs = mem_grow(c->jobs, c->n + 1, sizeof(*c->jobs));
	c->jobs[c->n++] = (struct job){ .name = mem_dup(name), .value = value, .fd = -1 };
	return 0;
}

static struct job *
find_job(const struct crew *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcasecmp(c->jobs[i].name, name) == 0)
			return &c->jobs[i];
	return NULL;
}

/* 0, or the exit code for a name that is none. */
static int
choose(struct crew *c, struct house *h, char *const *names, size_t n)
{
	*c = (struct crew){ .house = h };
	if (house_each_account(h, add_job, c) == -1)
		fatal(EX_CONFIG, "cannot read the map upstreams");
	for (size_t i = 0; i < c->n; i++)
		c->jobs[i].wanted = n == 0;
	for (size_t i = 0; i < n; i++) {
		struct job *j = find_job(c, names[i]);

		if (j == NULL) {
			warn_text("no account %s in upstreams", names[i]);
			return EX_USAGE;
		}
		j->wanted = true;
	}
	return 0;
}

static void
forget(struct crew *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->jobs[i].name);
	free(c->jobs);
}

int
run_accounts(struct house *h, char *const *names, size_t n)
{
	struct crew c;
	int rv = choose(&c, h, names, n);

	c.terminal = isatty(STDOUT_FILENO);
	if (c.terminal)
		log_level_set(LOG_ERROR); /* a person looks on: the lines below tell */
	if (c.terminal && c.n == 0)
		puts("there are no accounts in upstreams");
	while (rv == 0) {
		while (!proc_stopping && c.next < c.n && c.running < h->conf.collect_parallel) {
			struct job *j = &c.jobs[c.next++];

			if (j->wanted)
				start_job(&c, j);
		}
		if (c.running == 0)
			break;
		if (proc_stopping && !c.told)
			tell_to_stop(&c);
		await_reports(&c);
	}
	if (proc_stopping)
		c.worst = EX_TEMPFAIL;
	clear_progress(&c);
	forget(&c);
	return rv != 0 ? rv : c.worst;
}

/* --- the last run --------------------------------------------------------- */

static void
show_last(struct state *state, const char *name)
{
	struct buf line = BUF_INIT(1024);
	struct state_run r;
	char when[40];
	time_t at;
	struct tm tm;

	if (state_run_last(state, name, &r) != 1) {
		buf_addf(&line, "%s: never collected", name);
	} else {
		at = (time_t)r.started_s;
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", localtime_r(&at, &tm));
		add_run(&line, name, &r);
		buf_addf(&line, ", on %s, %lld s: %s%s", when, (long long)(r.ended_s - r.started_s),
		    *r.error != '\0' ? "failed: " : "ok", r.error);
	}
	put_line(&line);
	buf_free(&line);
}

int
run_status(struct house *h, char *const *names, size_t n)
{
	struct buf why = BUF_INIT(1024);
	struct state *state = state_open(h->state_dir, &why);
	struct crew c;
	int rv = choose(&c, h, names, n);

	if (state == NULL)
		fatal(EX_UNAVAILABLE, "%s", buf_str(&why));
	for (size_t i = 0; rv == 0 && i < c.n; i++)
		if (c.jobs[i].wanted)
			show_last(state, c.jobs[i].name);
	state_close(state);
	forget(&c);
	buf_free(&why);
	return rv;
}

/* --- why ------------------------------------------------------------------ */

static struct span
header_of(const struct buf *message)
{
	struct span all = buf_span(message);

	if (all.len > LIMIT_HEADER)
		all.len = LIMIT_HEADER; /* what the collector reads, too */
	return all;
}

static void
print_decision(const struct account *a, const struct sort_result *r)
{
	printf("class: %s\n", sort_class_name(r->class));
	if (*r->field != '\0')
		printf("by: %s\n", r->field);
	if (*r->reason != '\0')
		printf("reason: %s\n", r->reason);
	if (r->count == 0)
		puts("for: nobody; it would be kept in the hold area");
	for (size_t i = 0; r->count > 0 && i < a->people_count; i++)
		if (r->gets[i]) {
			printf("for: %s", sort_account_user(a->sort, i));
			if (a->people[i].rcpt_count == 0)
				fputs(" (takes no mail: the fallback gets it)", stdout);
			for (size_t k = 0; k < a->people[i].rcpt_count; k++)
				printf("%s%s", k == 0 ? " -> " : ", ", a->people[i].rcpts[k].address);
			putchar('\n');
		}
}

int
run_explain(struct house *h, const char *file, const char *name)
{
	struct buf message = BUF_INIT(HEADER_ROOM), why = BUF_INIT(1024), explain = BUF_INIT(1 << 20);
	struct arena *arena = arena_new();
	struct sort_header header;
	struct sort_result result;
	struct account a;
	struct crew c;
	const struct job *j;
	int rv = choose(&c, h, NULL, 0);

	j = find_job(&c, name);
	if (rv != 0 || j == NULL)
		fatal(EX_USAGE, "no account %s in upstreams", name);
	if (file_slurp_at(AT_FDCWD, file, &message) == -1)
		fatal(EX_NOINPUT, "cannot read %s: %s", file, strerror(errno));
	if (account_open(&a, h, j->name, j->value, &why) == -1)
		fatal(EX_CONFIG, "cannot use %s of upstreams: %s", name, buf_str(&why));
	sort_header_read(header_of(&message), arena, &header);
	sort_message(a.sort, &header, arena, &result, &explain);
	fputs(buf_str(&explain), stdout);
	print_decision(&a, &result);
	account_close(&a);
	arena_free(arena);
	forget(&c);
	buf_free(&message);
	buf_free(&why);
	buf_free(&explain);
	return 0;
}
