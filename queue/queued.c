/*
 * queued: the queue manager.
 *
 * Takes messages in (submitters.c), hands them to agents (agents.c) when their time has come
 * (messages.c, sites.c, records.c), answers administrators (admin.c). Everything it must know after a
 * restart lies in the spool.
 */
#include "queue/queued.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/options.h"
#include "lib/sys/file.h"
#include "lib/sys/listen.h"
#include "lib/sys/proc.h"
#include "lib/sys/sandbox.h"

#define SWEEP_S 60

/* --- what all parts use -------------------------------------------------- */

int64_t
now_s(void)
{
	return clock_real_us() / 1000000;
}

int
queued_recv(struct queued *q, struct wire *w, struct wire_packet *p)
{
	int rv;

	w->buf = q->packet;
	rv = wire_recv(w, NEVER, p);
	w->buf = NULL; /* wire_close() is not to free it */
	return rv;
}

struct event *
queued_watch(struct queued *q, int fd, event_callback_fn fn, void *arg)
{
	struct event *ev = event_new(q->base, fd, EV_READ | EV_PERSIST, fn, arg);

	if (ev == NULL || event_add(ev, NULL) == -1)
		fatal(EX_OSERR, "cannot watch a descriptor");
	return ev;
}

int
queued_accept(int listen_fd, uid_t *uid)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	pid_t pid;

	if (fd != -1 && peer_uid(fd, uid, &pid) == -1) {
		file_close(fd);
		fd = -1;
	}
	return fd;
}

/* --- startup ------------------------------------------------------------- */

static void
read_options(struct queued *q, int argc, char *argv[])
{
	instance_open(&q->instance, options_dir(argc, argv,
	    "usage: queued [-C DIR]\n"
	    "  -C DIR  the instance below DIR; without it the system's own\n"
	    "Usually started by master or systemd; see queued(8).\n"));
}

static void
read_settings(struct queued *q)
{
	struct buf why = BUF_INIT(1024);
	const struct group *admins;

	conf_load(&q->conf, &q->instance);
	if (q->conf.log_detail)
		log_level_set(LOG_DETAIL);
	if (router_open(&q->router, &q->instance, &q->conf, &why) == -1)
		fatal(EX_CONFIG, "cannot open the maps: %s", buf_str(&why));
	q->uids.smtpd = proc_uid(USER_SMTPD);
	q->uids.collect = proc_uid(USER_COLLECT);
	q->uids.queue = proc_uid(USER_QUEUE);
	q->uids.mail = proc_uid(USER_MAIL);
	q->uids.remote = proc_uid(USER_REMOTE);
	admins = getgrnam("posthouse");
	q->admins = admins == NULL ? (gid_t)-1 : admins->gr_gid;
}

/* A socket that was handed over, or our own. */
static int
socket_named(const struct queued *q, const char *wanted, mode_t mode)
{
	struct buf why = BUF_INIT(1024);
	const char *name;
	char *path;
	int fd;

	for (int i = 0; (fd = listen_passed(i, &name)) != -1; i++)
		if (strcmp(name, wanted) == 0)
			break;
	if (fd == -1) {
		path = instance_path(q->instance.run, wanted);
		fd = listen_unix(path, mode, &why);
		if (fd == -1)
			fatal(EX_OSERR, "%s", buf_str(&why));
		free(path);
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1)
		fatal(EX_OSERR, "cannot make a socket non-blocking: %s", strerror(errno));
	return fd;
}

/* One queue manager a spool: another one would think that our messages are leftovers. */
static void
lock_spool(const struct queued *q)
{
	int fd = openat(q->spool.root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) == -1; i++) {
		if (errno != EWOULDBLOCK || i == 50)
			fatal(EX_TEMPFAIL, "cannot lock %s: another queued has it", q->instance.spool);
		usleep(100000); /* one that is ending */
	}
}

static void
open_spool(struct queued *q)
{
	struct buf why = BUF_INIT(1024);

	umask(0); /* modes are meant as they are written */
	if (spool_open(&q->spool, q->instance.spool, &why) == -1)
		fatal(EX_OSFILE, "%s", buf_str(&why));
	lock_spool(q);
	q->sync_names = q->conf.sync_names_always || !q->spool.names_follow;
}

/* Without it mail is taken, however full the queue is. */
static void
open_gauge(struct queued *q)
{
	char *path = instance_path(q->instance.run, "gauge");
	struct buf why = BUF_INIT(1024);

	if (gauge_make(&q->gauge, path, &why) == -1)
		log_error(EV_WARNING, LSPAN("text", buf_span(&why)), LS("so", "queue_limit holds nobody back"));
	free(path);
	buf_free(&why);
}

/* As many connections as the system lets us have. */
static void
raise_limits(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

static void
enter_sandbox(const struct queued *q)
{
	struct sandbox s = { .mode = q->conf.sandbox, .calls = CALL_FORK };

	sandbox_may(&s, q->instance.spool, MAY_READ | MAY_WRITE);
	sandbox_may(&s, q->instance.maps, MAY_READ);
	sandbox_enter(&s);
}

static void
on_due(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	messages_due(arg);
}

static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct queued *q = arg;

	(void)fd, (void)what;
	sites_sweep(&q->sites, now_s());
	agents_sweep(q, clock_mono_ms() / 1000);
	submitters_sweep(q, now_s());
}

static void
on_signal(evutil_socket_t number, short what, void *arg)
{
	struct queued *q = arg;

	(void)number, (void)what;
	event_base_loopbreak(q->base);
}

static void
make_loop(struct queued *q)
{
	struct timeval every = { SWEEP_S, 0 };
	struct event *ev;

	q->base = event_base_new();
	if (q->base == NULL)
		fatal(EX_OSERR, "cannot make an event loop");
	q->packet = mem_alloc(LIMIT_PACKET + 1, 1);
	q->due_timer = evtimer_new(q->base, on_due, q);
	q->sweep_timer = event_new(q->base, -1, EV_PERSIST, on_sweep, q);
	event_add(q->sweep_timer, &every);
	for (size_t i = 0; i < 2; i++) {
		ev = evsignal_new(q->base, i == 0 ? SIGTERM : SIGINT, on_signal, q);
		event_add(ev, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
	TAILQ_INIT(&q->direct);
	TAILQ_INIT(&q->agents);
	TAILQ_INIT(&q->submitters);
	TAILQ_INIT(&q->orphans);
	LIST_INIT(&q->searches);
	for (size_t i = 0; i < KIND_COUNT; i++)
		TAILQ_INIT(&q->idle[i]);
	sites_init(&q->sites);
}

static void
rebuild(struct queued *q)
{
	int64_t began = clock_mono_ms();
	struct found f;

	q->started_s = now_s();
	if (files_scan(q, &f) == -1)
		fatal(EX_IOERR, "cannot read %s: %s", q->instance.spool, strerror(errno));
	files_read_keys(q);
	link_read(q);
	log_event(EV_QUEUE_STARTED, LN("messages", f.messages), LN("held", f.held), LN("bad", f.bad),
	    LN("swept", f.swept), LN("ms", clock_mono_ms() - began));
}

int
main(int argc, char *argv[])
{
	static struct queued q; /* until the process ends */
	int submit, agents, control;

	log_open("queued");
	read_options(&q, argc, argv);
	read_settings(&q);
	submit = socket_named(&q, "submit", 0666);
	agents = socket_named(&q, "agents", 0666);
	control = socket_named(&q, "control", 0666);
	open_gauge(&q);
	raise_limits();
	proc_drop(USER_QUEUE);
	open_spool(&q);
	enter_sandbox(&q);

	make_loop(&q);
	rebuild(&q);
	full_begin(&q);
	if (q.sync_names)
		q.syncer = syncer_start(&q);
	submitters_listen(&q, submit);
	agents_listen(&q, agents);
	admin_listen(&q, control);
	messages_due(&q);
	log_gather();
	while (event_base_loop(q.base, EVLOOP_ONCE) == 0 && !event_base_got_break(q.base)) {
		full_show(&q);
		log_flush();
	}
	log_flush();
	return 0;
}
