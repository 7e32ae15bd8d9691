/*
 * tlsd: speaks TLS with the clients of smtpd and pop3d. The only holder of private keys.
 *
 * The first process reads the certificates, notices new ones and keeps processes ready (pool.c); it never sees an
 * octet from outside. Those serve the connections (worker.c, session.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/options.h"
#include "lib/store/instance.h"
#include "lib/sys/file.h"
#include "lib/sys/listen.h"
#include "lib/sys/proc.h"
#include "lib/sys/sandbox.h"
#include "tls/clients.h"
#include "tls/pool.h"
#include "tls/tickets.h"
#include "tls/warner.h"
#include "tls/worker.h"

#define LOOK_MS 60000   /* at the certificates' files, should inotify have missed something */
#define RENEW_AGAIN_MS 2000
#define SETTLE_MS 400  /* a renewal writes several files */
#define STOP_GRACE_MS 6000

struct tlsd {
	struct instance inst;
	struct conf conf;
	char *dir;               /* of certificates */
	struct tickets *tickets; /* shared memory */
	struct clients clients;
	struct pairs *pairs;
	uint64_t loaded, seen;   /* signatures of the directory */
	int inotify, warner;
	deadline_ms look, rotate, renew;
	struct pool pool;
	struct session_env env;
	uid_t uids[2];
	sigset_t awake;
};

/* --- certificates --------------------------------------------------------- */

static void
set_up(SSL_CTX *ctx, void *arg)
{
	const struct tlsd *d = arg;

	tickets_use(d->tickets, ctx);
	session_prepare(ctx);
	if (d->conf.tls_client_certificates)
		clients_ask(&d->clients, ctx);
}

static void
tell_about(const struct pairs *p, bool used)
{
	if (!used)
		log_error(EV_TLS_RELOAD_REJECTED, LSPAN("reason", buf_span(&p->faults)));
	else if (p->faults.len > 0)
		log_error(EV_TLS_ALARM, LS("text", "a certificate cannot be used"), LSPAN("reason", buf_span(&p->faults)));
	if (used && p->alarms.len > 0)
		log_error(EV_TLS_ALARM, LS("text", "something is wrong with a certificate that is used"),
		    LSPAN("reason", buf_span(&p->alarms)));
	if (used)
		log_event(EV_TLS_CERTIFICATES, LN("pairs", p->count), LS("usual",
		    p->shop_count > 0 ? p->shops[p->usual].pairs[0]->name : ""));
}

/* An authority that cannot be read vouches for nobody any more. */
static void
load_clients(struct tlsd *d)
{
	struct buf why = BUF_INIT(1024);

	clients_free(&d->clients);
	if (clients_load(&d->clients, d->conf.tls_client_ca, &why) == -1)
		log_error(EV_TLS_ALARM, LS("text", "tls_client_ca cannot be used: no client's name is verified"),
		    LS("reason", buf_str(&why)));
	buf_free(&why);
}

/* New ones take the old ones' place only when nothing is worse with them. */
static void
load(struct tlsd *d)
{
	const struct pairs_common common = { set_up, d, d->conf.hostname };
	struct pairs *p;
	bool use;

	d->loaded = d->seen = pairs_signature(d->dir);
	load_clients(d);
	p = pairs_load(d->dir, &common);
	use = d->pairs == NULL || d->pairs->shop_count == 0 || !pairs_worse(p, d->pairs, d->conf.hostname);
	tell_about(p, use);
	if (!use) {
		pairs_free(p);
		return;
	}
	pairs_free(d->pairs);
	d->pairs = p;
	d->env.pairs = p;
	warner_tell(d->warner, p);
}

/* What was loaded serves from the next handshake on, or as soon as that is possible. */
static void
renew(struct tlsd *d)
{
	d->renew = pool_renew(&d->pool) ? NEVER : deadline_in(RENEW_AGAIN_MS);
}

/* Are there new ones, and does nobody write them any more? */
static void
look(struct tlsd *d)
{
	uint64_t now = pairs_signature(d->dir);
	bool settled = now == d->seen;

	warner_tell(d->warner, d->pairs);
	d->seen = now;
	d->look = deadline_in(now == d->loaded ? LOOK_MS : SETTLE_MS);
	if (now == d->loaded || !settled)
		return;
	load(d);
	renew(d);
	d->look = deadline_in(LOOK_MS);
}

static void
rotate(struct tlsd *d)
{
	tickets_rotate(d->tickets);
	load(d); /* dates go by without a change in any file */
	renew(d);
	d->rotate = deadline_in(TICKETS_ROTATE_MS);
}

/* --- startup -------------------------------------------------------------- */

static void
read_options(struct tlsd *d, int argc, char *argv[])
{
	instance_open(&d->inst, options_dir(argc, argv,
	    "usage: tlsd [-C DIR]\n"
	    "  -C DIR  the instance below DIR; without it the system's own\n"
	    "Usually started by master or systemd; see tlsd(8).\n"));
}

static void
open_socket(struct tlsd *d)
{
	struct buf why = BUF_INIT(1024);
	char *path = instance_path(d->inst.run, "tls");
	const char *name;
	int fd;

	for (int i = 0; (fd = listen_passed(i, &name)) != -1; i++)
		if (name != NULL && strcmp(name, "tls") == 0)
			break;
	if (fd == -1)
		fd = listen_unix(path, 0666, &why); /* who they are decides */
	if (fd == -1)
		fatal(EX_CANTCREAT, "%s", buf_str(&why));
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1)
		fatal(EX_OSERR, "cannot set up %s: %s", path, strerror(errno));
	d->pool.listen_fd = fd;
	free(path);
	buf_free(&why);
}

static void
watch_directory(struct tlsd *d)
{
	d->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (d->inotify != -1)
		(void)!inotify_add_watch(d->inotify, d->dir,
		    IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_CREATE);
	d->look = deadline_in(LOOK_MS);
}

static void
enter_first(const struct tlsd *d)
{
	struct sandbox box = { .mode = d->conf.sandbox, .calls = CALL_FORK };

	sandbox_may(&box, d->dir, MAY_READ);
	sandbox_may(&box, d->conf.tls_client_ca, MAY_READ);
	sandbox_enter(&box);
}

static void
work(void *arg, struct seat *seat)
{
	const struct tlsd *d = arg;
	struct sandbox box = { .mode = d->conf.sandbox };

	file_close(d->inotify);
	file_close(d->warner);
	sandbox_enter(&box); /* no path at all */
	worker_run(&d->env, seat, d->pool.listen_fd);
}

static void
set_up_pool(struct tlsd *d)
{
	d->uids[0] = proc_uid(USER_SMTPD);
	d->uids[1] = proc_uid(USER_POP3);
	d->env = (struct session_env){ &d->conf, d->pairs, d->uids, COUNT(d->uids), d->tickets, NULL };
	d->pool.connections = (size_t)d->conf.tls_connections;
	d->pool.max = (size_t)(d->conf.tls_processes < d->conf.tls_connections ? d->conf.tls_processes : d->conf.tls_connections);
	d->pool.work = work;
	d->pool.arg = d;
	sandbox_prepare(0);
	pool_open(&d->pool);
}

static void
set_up_tickets(struct tlsd *d)
{
	// cppcheck-suppress invalidFunctionArg
	d->tickets = mmap(NULL, sizeof(*d->tickets), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (d->tickets == MAP_FAILED)
		fatal(EX_OSERR, "cannot allocate memory: %s", strerror(errno));
	tickets_rotate(d->tickets);
	d->rotate = deadline_in(TICKETS_ROTATE_MS);
	d->renew = NEVER;
}

static void
heard(int signo)
{
	(void)signo; /* SIGCHLD ends the wait */
}

/* Signals come in only while the first process waits. */
static void
hold_signals(struct tlsd *d)
{
	struct sigaction child = { .sa_handler = heard };
	sigset_t held;

	proc_signals();
	(void)sigaction(SIGCHLD, &child, NULL);
	sigemptyset(&held);
	sigaddset(&held, SIGCHLD);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGINT);
	sigprocmask(SIG_BLOCK, &held, &d->awake);
}

static void
await(struct tlsd *d)
{
	struct pollfd p[] = { { pool_fd(&d->pool), POLLIN, 0 }, { d->inotify, POLLIN, 0 } };
	int left = deadline_left(deadline_earlier(d->renew, deadline_earlier(d->look, d->rotate)));
	struct timespec wait = { left / 1000, (long)(left % 1000) * 1000000 };
	char events[4096];

	(void)!ppoll(p, 2, &wait, &d->awake);
	if (d->inotify != -1 && read(d->inotify, events, sizeof(events)) > 0)
		d->look = deadline_in(SETTLE_MS);
}

static void
run(struct tlsd *d)
{
	while (!proc_stopping) {
		pool_tend(&d->pool);
		await(d);
		if (deadline_over(d->look))
			look(d);
		if (deadline_over(d->rotate))
			rotate(d);
		if (deadline_over(d->renew))
			renew(d);
	}
	pool_close(&d->pool, STOP_GRACE_MS);
}

int
main(int argc, char *argv[])
{
	static struct tlsd d; /* one a process */
	struct rlimit none = { 0, 0 };

	log_open("tlsd");
	read_options(&d, argc, argv);
	conf_load(&d.conf, &d.inst);
	log_level_set(d.conf.log_detail ? LOG_DETAIL : LOG_NOTICE);
	d.dir = d.conf.tls_directory[0] != '\0' ? d.conf.tls_directory : instance_path(d.inst.etc, "tls");
	open_socket(&d);
	setrlimit(RLIMIT_CORE, &none); /* a core would hold keys */
	proc_drop(USER_TLS);
	d.warner = warner_start(&d.inst, &d.conf);
	set_up_tickets(&d);
	load(&d);
	set_up_pool(&d);
	watch_directory(&d);
	hold_signals(&d);
	enter_first(&d);
	run(&d);
	return 0;
}
