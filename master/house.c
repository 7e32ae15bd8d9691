/*
 * house: posthouse start, stop, restart, reload, status.
 *
 * Knows how to bring master up and down and to see that it worked; the work is master's.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "master/probe.h"
#include "master/record.h"
#include "master/status.h"

#define START_BOUND_MS 30000
#define STOP_BOUND_MS 45000 /* over master's own grace of all phases */
#define ANSWER_MS 3000
#define STARTS_MAX 3        /* who was started so often at once will not come */
#define LEFTOVERS_GRACE_MS 5000
#define SETTLE_MS 50        /* a program that cannot run is seen to be gone by then */
#define LOG_MAX (256 * 1024)

struct house {
	struct instance inst;
	enum status_form form;
	bool auth, tls; /* status of logins */
};

/* --- the log since we began --------------------------------------------- */

static char *
log_today(const struct house *h)
{
	time_t now = time(NULL);
	char day[32];
	struct tm tm;

	localtime_r(&now, &tm);
	if (strftime(day, sizeof(day), "%Y-%m-%d", &tm) == 0)
		day[0] = '\0';
	return mem_fmt("%s/%s.log", h->inst.log, day);
}

static off_t
log_size(const struct house *h)
{
	char *path = log_today(h);
	struct stat st;
	off_t size = stat(path, &st) == 0 ? st.st_size : 0;

	free(path);
	return size;
}

static bool
tells_trouble(struct span line)
{
	static const char *const words[] = { " " EV_FATAL " ", " error=",
		" " EV_MASTER_DIED " " };
	size_t i;

	for (i = 0; i < COUNT(words); i++)
		if (memmem(line.s, line.len, words[i], strlen(words[i])) != NULL)
			return true;
	return false;
}

/* What the log says of the trouble. */
static void
show_log(const struct house *h, off_t from)
{
	struct buf text = BUF_INIT(LOG_MAX);
	char *path = log_today(h), some[8192];
	int fd = open(path, O_RDONLY | O_CLOEXEC), shown = 0;
	struct span rest, line;
	ssize_t n;

	if (fd != -1 && lseek(fd, from, SEEK_SET) == from)
		while ((n = read(fd, some, sizeof(some))) > 0)
			buf_add(&text, some, (size_t)n);
	rest = buf_span(&text);
	while (rest.s != NULL && shown < 20) {
		line = span_cut(&rest, '\n');
		if (!tells_trouble(line))
			continue;
		fprintf(stderr, "  %.*s\n", (int)line.len, line.s);
		shown++;
	}
	fprintf(stderr, "  (all of it is in %s)\n", path);
	file_close(fd);
	free(path);
	buf_free(&text);
}

/* --- start -------------------------------------------------------------- */

/* master goes into the background by itself once everything is under way. */
static void
run_master(const struct house *h)
{
	char *path = instance_path(instance_libexec(), "master");
	char flag[] = "-C";
	char *with[] = { path, flag, h->inst.root, NULL };
	char *without[] = { path, NULL };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execv(path, h->inst.root != NULL ? with : without);
		fatal(EX_UNAVAILABLE, "cannot run %s: %s", path, strerror(errno));
	}
	if (pid == -1 || waitpid(pid, &status, 0) == -1)
		fatal(EX_OSERR, "cannot run %s: %s", path, strerror(errno));
	free(path);
	if (status != 0)
		exit(WIFEXITED(status) ? WEXITSTATUS(status) : EX_OSERR);
}

/* Does every program run that should? The first that does not into why. final: it never will. */
static bool
all_run(const struct house *h, struct record *r, struct buf *why, bool *final)
{
	size_t i;

	*final = record_master(&h->inst) == 0;
	if (*final || record_read(&h->inst, r) == -1) {
		buf_adds(why, "master does not run");
		return false;
	}
	for (i = 0; i < r->service_count; i++) {
		const struct record_service *s = &r->services[i];

		if (strcmp(s->state, "running") == 0 || strcmp(s->state, "off") == 0)
			continue;
		buf_addf(why, "%s does not run", s->name);
		*final = s->starts >= STARTS_MAX;
		return false;
	}
	return true;
}

static bool
all_well(const struct house *h, int wait_ms, struct buf *why, bool *final)
{
	const struct timespec settle = { 0, SETTLE_MS * 1000000L };
	struct record r;
	size_t i;

	if (!all_run(h, &r, why, final))
		return false;
	for (i = 0; i < r.listener_count; i++) {
		const struct record_listener *l = &r.listeners[i];

		buf_addf(why, "%s on %s: ", l->name, l->address);
		if (l->error[0] != '\0') {
			buf_adds(why, l->error);
			*final = true;
			return false;
		}
		if (probe(&h->inst, l, wait_ms, why) == -1)
			return false;
		buf_reset(why);
	}
	nanosleep(&settle, NULL);
	return all_run(h, &r, why, final);
}

static int
await_answers(const struct house *h, off_t log_from)
{
	deadline_ms deadline = deadline_in(START_BOUND_MS);
	struct timespec pause = { 0, 5000000L };
	struct buf why = BUF_INIT(8192);
	bool final = false;

	while (!all_well(h, ANSWER_MS, &why, &final)) {
		if (final || deadline_over(deadline)) {
			fprintf(stderr, "start: not everything came up: %s\n",
			    buf_str(&why));
			show_log(h, log_from);
			if (record_master(&h->inst) != 0)
				fputs("  (what did come up goes on running: posthouse "
				      "status, posthouse stop)\n", stderr);
			buf_free(&why);
			return EX_UNAVAILABLE;
		}
		buf_reset(&why);
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < 100000000L)
			pause.tv_nsec *= 2;
	}
	buf_free(&why);
	return 0;
}

static int
do_start(struct house *h)
{
	off_t log_from = log_size(h);
	pid_t pid = record_master(&h->inst);

	if (pid != 0)
		printf("runs already (master, pid %d)\n", (int)pid);
	else
		run_master(h);
	return await_answers(h, log_from);
}

/* --- stop --------------------------------------------------------------- */

/* 0: gone, -1: still there after the bound. */
static int
await_end(pid_t pid)
{
	struct pollfd p = { pidfd_open(pid, 0), POLLIN, 0 };
	int n;

	if (p.fd == -1)
		return errno == ESRCH ? 0 : -1;
	do
		n = poll(&p, 1, STOP_BOUND_MS);
	while (n == -1 && errno == EINTR);
	close(p.fd);
	return n == 1 ? 0 : -1;
}

/* Programs of a master that was killed, or would not go. */
static size_t
end_leftovers(const struct record *r)
{
	size_t n;
	struct process *list = record_processes(r, &n);

	if (n > 0)
		processes_end(list, n, LEFTOVERS_GRACE_MS);
	free(list);
	return n;
}

static int
do_stop(struct house *h)
{
	pid_t pid = record_master(&h->inst);
	struct record r;
	bool known = record_read(&h->inst, &r) == 0;
	size_t left;

	if (pid != 0 && kill(pid, SIGTERM) == -1 && errno != ESRCH)
		fatal(EX_NOPERM, "cannot stop master (pid %d): %s", (int)pid,
		    strerror(errno));
	if (pid != 0 && await_end(pid) == -1) {
		fprintf(stderr, "stop: master (pid %d) did not end: killed\n",
		    (int)pid);
		(void)kill(pid, SIGKILL);
	}
	left = known ? end_leftovers(&r) : 0;
	if (pid == 0 && left == 0)
		puts("does not run");
	else if (pid == 0)
		printf("ended %zu processes of a master that was killed\n", left);
	return 0;
}

static int
do_restart(struct house *h)
{
	int rv = record_master(&h->inst) != 0 ? do_stop(h) : 0;

	return rv != 0 ? rv : do_start(h);
}

/* Until master has seen the signal. */
static int
await_reload(const struct house *h, const struct record *before, struct record *after)
{
	const struct timespec pause = { 0, 5000000L };
	deadline_ms deadline = deadline_in(START_BOUND_MS);

	while (!deadline_over(deadline)) {
		if (record_read(&h->inst, after) == 0 &&
		    after->reloads != before->reloads)
			return 0;
		nanosleep(&pause, NULL);
	}
	return -1;
}

static int
do_reload(struct house *h)
{
	off_t log_from = log_size(h);
	pid_t pid = record_master(&h->inst);
	struct record before, after;

	if (pid == 0 || record_read(&h->inst, &before) == -1) {
		fputs("reload: posthouse does not run\n", stderr);
		return EX_UNAVAILABLE;
	}
	if (kill(pid, SIGHUP) == -1)
		fatal(EX_NOPERM, "cannot signal master (pid %d): %s", (int)pid,
		    strerror(errno));
	if (await_reload(h, &before, &after) == -1) {
		fprintf(stderr, "reload: master (pid %d) does not react\n", (int)pid);
		return EX_UNAVAILABLE;
	}
	if (after.error[0] != '\0') {
		fprintf(stderr, "reload: the old settings stay: %s\n", after.error);
		return EX_CONFIG;
	}
	return await_answers(h, log_from);
}

static int
do_status(struct house *h)
{
	if (h->tls)
		return status_tls(&h->inst, h->form);
	return h->auth ? status_auth(&h->inst, h->form) : status_show(&h->inst, h->form);
}

/* --- which verb --------------------------------------------------------- */

// clang-format off
static const struct verb {
	const char *name;
	int (*run)(struct house *);
	const char *usage;
} verbs[] = {
	{ "start",   do_start,   "usage: posthouse [-C DIR] start\n"
	  "  Starts everything; returns when every listener answers, or says what does not.\n" },
	{ "stop",    do_stop,    "usage: posthouse [-C DIR] stop\n"
	  "  Stops everything; returns when every process is gone.\n" },
	{ "restart", do_restart, "usage: posthouse [-C DIR] restart\n"
	  "  stop, then start.\n" },
	{ "reload",  do_reload,  "usage: posthouse [-C DIR] reload\n"
	  "  Has the running programs read posthouse.conf again; listeners stay open.\n" },
	{ "status",  do_status,  "usage: posthouse [-C DIR] status [--json | --metrics | --watch]\n"
	  "       posthouse [-C DIR] status --auth | --tls [--json]\n"
	  "  What runs, since when, with what memory, who is connected, and what is queued.\n"
	  "  --watch: again each second; --metrics: for Prometheus; --auth: how logins go; --tls: what is served.\n"
	  "  Exit code 0: all is well; 1: something that should run does not; 3: nothing runs.\n" },
};
// clang-format on

static const struct verb *
find(const char *name)
{
	size_t i;

	for (i = 0; i < COUNT(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	fatal(EX_USAGE, "cannot understand %s: start, stop, restart, reload or status",
	    name);
}

/* --auth, --tls, and one of the forms, all of status alone; the first two have text and JSON. */
static bool
options_fit(const struct house *h, const struct verb *v)
{
	bool part = h->auth || h->tls;

	if (v->run != do_status)
		return !part && h->form == STATUS_TEXT;
	return !(h->auth && h->tls) && (!part || h->form == STATUS_TEXT || h->form == STATUS_JSON);
}

static const struct verb *
read_options(struct house *h, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "auth", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ "metrics", no_argument, NULL, 'm' },
		{ "tls", no_argument, NULL, 't' },
		{ "watch", no_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	const struct verb *v = NULL;
	const char *dir = NULL;
	bool help = false, wrong = false;
	int c;

	while ((c = getopt_long(argc, argv, "C:h", options, NULL)) != -1) {
		if (c == 'C')
			dir = optarg;
		else if (c == 'a')
			h->auth = true;
		else if (c == 't')
			h->tls = true;
		else if (c == 'j')
			h->form = STATUS_JSON;
		else if (c == 'm')
			h->form = STATUS_METRICS;
		else if (c == 'w')
			h->form = STATUS_WATCH;
		else if (c == 'h')
			help = true;
		else
			wrong = true;
	}
	if (optind < argc)
		v = find(argv[optind++]);
	if (v == NULL || wrong || optind < argc || !options_fit(h, v)) {
		if (help && v == NULL) {
			puts("usage: house [-C DIR] start|stop|restart|reload|status");
			exit(0);
		}
		fputs(v != NULL ? v->usage : verbs[0].usage, stderr);
		exit(EX_USAGE);
	}
	if (help) {
		fputs(v->usage, stdout);
		exit(0);
	}
	instance_open(&h->inst, dir);
	return v;
}

int
main(int argc, char *argv[])
{
	static struct house h; /* until the process ends */
	const struct verb *v;
	int rv;

	log_open("house");
	v = read_options(&h, argc, argv);
	rv = v->run(&h);
	instance_close(&h.inst);
	return rv;
}
