/*
 * master: starts, watches and ends the programs of the house where systemd does not.
 *
 * Knows processes, sockets and the log; nothing of mail. Stays root when it was root (ports below
 * 1024, programs that become their own users), and reads nothing from outside.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"
#include "master/children.h"
#include "master/listeners.h"
#include "master/logfile.h"
#include "master/record.h"

#define GRACE_MS 10000       /* for the programs of one phase */
#define LEFTOVERS_GRACE_MS 5000
#define LOG_PAUSE_MS 10      /* under load lines are taken in handfuls */

struct master {
	struct instance inst;
	struct conf conf;
	bool foreground;
	int ready_fd;            /* the parent of a daemon waits here; -1 */
	int pid_fd;              /* holds the lock of run/master.pid */
	int signal_fd;
	struct listeners listeners;
	struct logfile log;
	struct log_source own_log;
	struct child children[RECORD_SERVICES];
	size_t child_count;
	bool closing;
	int phase;               /* closing: these are being ended */
	deadline_ms log_pause;
	int64_t since_s;
	unsigned reloads;
	struct buf reload_error; /* why the last one changed nothing */
	bool changed;            /* run/master.state is to be written */
};

static void
usage(FILE *f)
{
	fputs("usage: master [-C DIR] [-f]\n"
	      "  -C DIR  the instance below DIR; without it the system's own\n"
	      "  -f      stay in the foreground, log to standard error too\n"
	      "Usually started by posthouse start.\n", f);
}

static void
read_options(struct master *m, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *dir = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "C:fh", options, NULL)) != -1) {
		switch (c) {
		case 'C': dir = optarg; break;
		case 'f': m->foreground = true; break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(EX_USAGE);
		}
	}
	instance_open(&m->inst, dir);
}

/* --- beginning ---------------------------------------------------------- */

/* In the parent: how did it go? Ends with the child's exit code when it ended. */
static void NORETURN
await_daemon(pid_t pid, int fd)
{
	int status;
	char c;

	if (read(fd, &c, 1) == 1)
		_exit(0);
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status))
		_exit(WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EX_OSERR);
	_exit(EX_OSERR);
}

/* Into the background; the command returns when the programs were started, or with
 * what was wrong. */
static void
detach(struct master *m)
{
	int fd[2];
	pid_t pid;

	m->ready_fd = -1;
	if (m->foreground)
		return;
	if (pipe2(fd, O_CLOEXEC) == -1 || (pid = fork()) == -1)
		fatal(EX_OSERR, "cannot go into the background: %s",
		    strerror(errno));
	if (pid > 0) {
		close(fd[1]);
		await_daemon(pid, fd[0]);
	}
	close(fd[0]);
	m->ready_fd = fd[1];
	setsid();
	log_open("master");
}

/* A lock that ends with us tells that we are there, and F_GETLK who we are. */
static void
lock_house(struct master *m)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char *path = instance_path(m->inst.run, "master.pid");
	char text[16];
	int n;

	/* /run is empty after a boot. */
	if (file_mkdirs_at(AT_FDCWD, m->inst.run, 0755) == -1)
		fatal(EX_CANTCREAT, "cannot make %s: %s", m->inst.run,
		    strerror(errno));
	m->pid_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (m->pid_fd == -1)
		fatal(EX_CANTCREAT, "cannot open %s: %s", path, strerror(errno));
	if (fcntl(m->pid_fd, F_SETLK, &lock) == -1)
		fatal(EX_TEMPFAIL, "cannot start: master runs already (pid %d)",
		    (int)record_master(&m->inst));
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(m->pid_fd, 0) == -1 ||
	    file_write_all(m->pid_fd, text, (size_t)n) == -1)
		fatal(EX_IOERR, "cannot write %s: %s", path, strerror(errno));
	free(path);
}

/* A master that was killed left its programs behind. */
static void
end_leftovers(struct master *m)
{
	struct process *list;
	struct record r;
	size_t n;

	if (record_read(&m->inst, &r) == -1)
		return;
	list = record_processes(&r, &n);
	if (n > 0) {
		processes_end(list, n, LEFTOVERS_GRACE_MS);
		log_event(EV_MASTER_LEFTOVERS, LN("processes", n));
	}
	free(list);
}

/* Everything that is said from here on goes to the log. */
static void
open_log(struct master *m)
{
	int echo = -1, null;

	if (m->foreground)
		echo = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	logfile_open(&m->log, m->inst.log, m->conf.log_keep, echo);
	if (m->log.fd == -1)
		warn_text("cannot write to %s: %s", m->inst.log, strerror(errno));
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (source_open(&m->own_log) == -1 || null == -1 ||
	    dup2(null, STDIN_FILENO) == -1 || dup2(null, STDOUT_FILENO) == -1 ||
	    dup2(m->own_log.write_fd, STDERR_FILENO) == -1)
		fatal(EX_OSERR, "cannot open the log: %s", strerror(errno));
	close(null);
	/* We read it ourselves: a full pipe must not stop us. */
	(void)fcntl(STDERR_FILENO, F_SETFL, O_WRONLY | O_NONBLOCK);
}

static void
watch_signals(struct master *m)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	m->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (m->signal_fd == -1)
		fatal(EX_OSERR, "cannot watch for signals: %s", strerror(errno));
	/* Workers whose parent was killed come to us, not to init. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static void
start_children(struct master *m)
{
	size_t i;

	for (i = 0; i < service_def_count; i++) {
		struct child *c = &m->children[m->child_count++];

		c->def = &service_defs[i];
		if (source_open(&c->log) == -1)
			fatal(EX_OSERR, "cannot make a pipe: %s", strerror(errno));
		if (!listeners_shut(&m->listeners, c->def))
			child_start(c, &m->inst, &m->listeners);
	}
}

/* --- run/master.state --------------------------------------------------- */

static void
fill_service(struct record_service *s, const struct child *c)
{
	snprintf(s->name, sizeof(s->name), "%s", c->def->name);
	snprintf(s->state, sizeof(s->state), "%s", child_state_word(c));
	s->pid = c->group;
	s->born = c->born;
	s->since_s = c->since_s;
	s->starts = c->starts;
}

static void
fill_listener(struct record_listener *r, const struct listener *l)
{
	snprintf(r->name, sizeof(r->name), "%s", l->def->name);
	snprintf(r->address, sizeof(r->address), "%s", l->address);
	snprintf(r->error, sizeof(r->error), "%s",
	    l->error != NULL ? l->error : "");
}

static void
write_record(struct master *m)
{
	struct record r = { .pid = getpid(), .session = getsid(0),
		.since_s = m->since_s };
	struct process self;
	size_t i;

	r.reloads = m->reloads;
	snprintf(r.error, sizeof(r.error), "%s", buf_str(&m->reload_error));
	r.born = process_read(r.pid, &self) == 0 ? self.born : 0;
	for (i = 0; i < m->child_count; i++)
		fill_service(&r.services[r.service_count++], &m->children[i]);
	for (i = 0; i < m->listeners.n && i < RECORD_LISTENERS; i++)
		fill_listener(&r.listeners[r.listener_count++], &m->listeners.l[i]);
	if (record_write(&m->inst, &r) == -1)
		log_error(EV_WARNING, LS("text", "cannot write run/master.state"),
		    LS("error", strerror(errno)));
	m->changed = false;
	for (i = 0; i < m->child_count; i++)
		child_release(&m->children[i]);
}

static void
tell_ready(struct master *m)
{
	m->since_s = clock_real_us() / 1000000;
	write_record(m);
	if (m->ready_fd != -1) {
		if (write(m->ready_fd, "1", 1) == -1)
			errno = 0; /* it does not wait any more */
		close(m->ready_fd);
	}
}

/* --- what happens ------------------------------------------------------- */

static void
reload(struct master *m)
{
	struct conf fresh;
	char *file = mem_fmt("%s/current/posthouse.conf", m->inst.maps);
	size_t i;

	m->reloads++;
	m->changed = true;
	buf_reset(&m->reload_error);
	if (conf_read(&fresh, file, &m->reload_error) == -1) {
		log_error(EV_MASTER_RELOAD, LS("result", "failed"),
		    LS("error", buf_str(&m->reload_error)));
		free(file);
		return;
	}
	free(file);
	conf_free(&m->conf);
	m->conf = fresh;
	m->log.keep_days = m->conf.log_keep;
	listeners_sync(&m->listeners, &m->inst, &m->conf);
	for (i = 0; i < m->child_count; i++) {
		struct child *c = &m->children[i];

		if (c->state == CHILD_OFF && !listeners_shut(&m->listeners, c->def))
			child_start(c, &m->inst, &m->listeners);
		else
			child_end(c, !listeners_shut(&m->listeners, c->def), GRACE_MS);
	}
	log_event(EV_MASTER_RELOAD, LS("result", "done"));
}

static void
reap(struct master *m)
{
	int status;
	pid_t pid;
	size_t i;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (i = 0; i < m->child_count; i++)
			if (m->children[i].pid == pid) {
				child_died(&m->children[i], status);
				m->changed = true;
			}
}

static void
end_phase(struct master *m)
{
	size_t i;

	for (i = 0; i < m->child_count; i++)
		if (m->children[i].def->phase == m->phase)
			child_end(&m->children[i], false, GRACE_MS);
}

static void
take_signals(struct master *m)
{
	struct signalfd_siginfo info;

	while (read(m->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap(m);
		else if (m->closing)
			continue;
		else if (info.ssi_signo == SIGHUP)
			reload(m);
		else {
			m->closing = true;
			end_phase(m);
		}
	}
}

static bool
phase_over(const struct master *m)
{
	size_t i;

	for (i = 0; i < m->child_count; i++)
		if (m->children[i].def->phase <= m->phase &&
		    m->children[i].state != CHILD_OFF)
			return false;
	return true;
}

/* Steps of all programs; the moment of the next one. */
static deadline_ms
step_children(struct master *m)
{
	deadline_ms next = NEVER;
	size_t i;

	for (i = 0; i < m->child_count; i++)
		next = deadline_earlier(next, child_step(&m->children[i], &m->inst,
		    &m->listeners, m->closing, &m->changed));
	while (m->closing && m->phase < STOP_PHASES && phase_over(m)) {
		m->phase++;
		end_phase(m);
		next = 0;
	}
	return next;
}

static void
read_logs(struct master *m)
{
	size_t i;

	source_read(&m->own_log, &m->log);
	for (i = 0; i < m->child_count; i++)
		source_read(&m->children[i].log, &m->log);
}

/* Wait for a signal, a line, or the moment; the log is left alone for a short while after
 * each reading, so that under load a handful of lines costs one write. */
static void
wait_for_something(struct master *m, deadline_ms next)
{
	struct pollfd p[RECORD_SERVICES + 2];
	nfds_t n = 0, first_log, i;
	int64_t now_s = clock_real_us() / 1000000;
	int64_t midnight_s = logfile_turn(&m->log, now_s);

	p[n++] = (struct pollfd){ m->signal_fd, POLLIN, 0 };
	first_log = n;
	if (deadline_over(m->log_pause)) {
		p[n++] = (struct pollfd){ m->own_log.read_fd, POLLIN, 0 };
		for (i = 0; i < m->child_count; i++)
			p[n++] = (struct pollfd){ m->children[i].log.read_fd,
				POLLIN, 0 };
	} else {
		next = deadline_earlier(next, m->log_pause);
	}
	next = deadline_earlier(next,
	    deadline_in(midnight_s > now_s ? (midnight_s - now_s) * 1000 : 1000));
	if (poll(p, n, deadline_left(next)) <= 0)
		return;
	for (i = first_log; i < n; i++)
		if (p[i].revents != 0) {
			struct log_source *src = i == first_log ? &m->own_log :
			    &m->children[i - first_log - 1].log;

			source_read(src, &m->log);
			m->log_pause = deadline_in(LOG_PAUSE_MS);
		}
	if (p[0].revents != 0)
		take_signals(m);
}

static void
supervise(struct master *m)
{
	deadline_ms next;

	for (;;) {
		next = step_children(m);
		if (m->changed)
			write_record(m);
		if (m->closing && m->phase >= STOP_PHASES)
			return;
		wait_for_something(m, next);
	}
}

static void
leave(struct master *m)
{
	char *path = instance_path(m->inst.run, "master.state");
	size_t i;

	read_logs(m);
	log_event(EV_MASTER_STOPPED, LS("service", "master"), LN("pid", getpid()),
	    LS("status", "exit 0"));
	for (i = 0; i < m->child_count; i++)
		source_drain(&m->children[i].log, &m->log);
	source_drain(&m->own_log, &m->log);
	(void)unlink(path);
	free(path);
	path = instance_path(m->inst.run, "master.pid");
	(void)unlink(path);
	free(path);
}

int
main(int argc, char *argv[])
{
	static struct master m = { .reload_error = BUF_INIT(65536) };

	log_open("master");
	read_options(&m, argc, argv);
	conf_load(&m.conf, &m.inst);
	umask(022);
	detach(&m);
	lock_house(&m);
	watch_signals(&m);
	open_log(&m);
	end_leftovers(&m);
	listeners_sync(&m.listeners, &m.inst, &m.conf);
	start_children(&m);
	tell_ready(&m);
	supervise(&m);
	leave(&m);
	return 0;
}
