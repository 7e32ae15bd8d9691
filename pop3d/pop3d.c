/*
 * pop3d: lets people fetch their mail over POP3.
 *
 * Three kinds of processes: the gate and its login workers (phpop3), which speak to strangers and own
 * nothing; the spawner and its sessions (phmail), which open mailboxes for tickets; and this first
 * one, which starts both and ends when one of them does.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/options.h"
#include "lib/sys/file.h"
#include "lib/sys/listen.h"
#include "lib/sys/proc.h"
#include "pop3d/login.h"
#include "pop3d/spawner.h"
#include "router/front.h"

#define LISTEN_MAX 32
#define BACKLOG 512

struct pop3d {
	const char *dir;
	struct instance inst;
	struct conf conf;
	bool inetd;
	int fds[LISTEN_MAX], n;
	const char *names[LISTEN_MAX];
	int pair[2]; /* logins go in at 0, come out at 1 */
	char *auth_path, *tls_path;
	struct router router;
	struct front front; /* the gate's */
	struct login login;
	pid_t self, spawner, gate;
};

static void
read_options(struct pop3d *d, int argc, char *argv[])
{
	d->dir = options_dir(argc, argv,
	    "usage: pop3d [-C DIR]\n"
	    "  -C DIR  the instance below DIR; without it the system's own\n"
	    "Usually started by master, systemd or inetd; see pop3d(8).\n");
	instance_open(&d->inst, d->dir);
	d->auth_path = instance_path(d->inst.run, "auth");
	d->tls_path = instance_path(d->inst.run, "tls");
}

static void
add_socket(struct pop3d *d, const char *name, int fd)
{
	d->names[d->n] = name;
	d->fds[d->n++] = fd;
}

/* Ours are those named pop3 and pop3s; systemd without names gives all. */
static void
take_sockets(struct pop3d *d)
{
	const char *name;
	int fd;

	for (int i = 0; (fd = listen_passed(i, &name)) != -1; i++)
		if (d->n == LISTEN_MAX)
			return;
		else if (name == NULL || strcmp(name, "pop3") == 0 || strcmp(name, "unknown") == 0)
			add_socket(d, "pop3", fd);
		else if (strcmp(name, "pop3s") == 0)
			add_socket(d, "pop3s", fd);
}

static void
listen_on(struct pop3d *d, const char *name, const char *addresses, const char *everywhere)
{
	struct buf why = BUF_INIT(1024), one = BUF_INIT(512);
	struct span rest = span_of(addresses), address;
	int made;

	if (strcmp(addresses, "none") == 0)
		return;
	while (rest.s != NULL) {
		address = span_trim(span_cut(&rest, ','));
		buf_reset(&one);
		buf_addspan(&one, address.len == 0 ? span_of(everywhere) : address);
		made = listen_tcp(buf_str(&one), BACKLOG, d->fds + d->n,
		    LISTEN_MAX - d->n, &why);
		if (made == -1)
			fatal(EX_UNAVAILABLE, "%s", buf_str(&why));
		for (; made > 0; made--)
			d->names[d->n++] = name;
	}
	buf_free(&one);
	buf_free(&why);
}

static void
open_sockets(struct pop3d *d)
{
	take_sockets(d);
	if (d->n > 0)
		return;
	listen_on(d, "pop3", d->conf.listen_pop3, "*:110");
	listen_on(d, "pop3s", d->conf.listen_pop3s, "*:995");
}

static void
open_pair(struct pop3d *d)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, d->pair) == -1)
		fatal(EX_OSERR, "cannot make a socketpair: %s", strerror(errno));
}

/* From inetd the client's connection is 0 and 1: a copy here would keep it open. */
static void
let_go_of_client(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd == -1 || dup2(fd, STDIN_FILENO) == -1 || dup2(fd, STDOUT_FILENO) == -1)
		exit(EX_OSERR);
	file_close(fd);
}

static void
start_spawner(struct pop3d *d)
{
	struct spawner sp = { &d->inst, &d->conf, d->pair[1], d->inetd };

	d->spawner = fork();
	if (d->spawner == -1)
		fatal(EX_OSERR, "cannot fork: %s", strerror(errno));
	if (d->spawner == 0) {
		log_open("pop3d");
		for (int i = 0; i < d->n; i++)
			file_close(d->fds[i]);
		file_close(d->pair[0]);
		if (d->inetd)
			let_go_of_client();
		proc_drop(USER_MAIL);
		exit(spawner_run(&sp));
	}
	file_close(d->pair[1]);
}

/* --- the gate ------------------------------------------------------------- */

static void
open_router(struct pop3d *d)
{
	struct buf why = BUF_INIT(4096);

	if (d->conf.plaintext_login != PLAINTEXT_TRUSTED)
		return;
	if (router_open(&d->router, &d->inst, &d->conf, &why) == -1)
		fatal(EX_CONFIG, "cannot open maps: %s", buf_str(&why));
	d->login.router = &d->router;
	buf_free(&why);
}

/* The spawner ends when the gate and its workers are gone; the gate must not outlive the
 * first process, or two gates would share the sockets after a restart. */
static void
enter_parent(void *arg)
{
	const struct pop3d *d = arg;

	proc_drop(USER_POP3);
	proc_follow_parent(d->self);
}

static void
enter_worker(void *arg)
{
	struct pop3d *d = arg;
	struct sandbox box = { .mode = d->conf.sandbox, .calls = CALL_UNIX };

	if (d->inetd) /* there is no gate process that did */
		proc_drop(USER_POP3);
	open_router(d);
	if (d->login.router != NULL) /* the access map, as it is at each session */
		sandbox_may(&box, d->inst.maps, MAY_READ);
	auth_init(&d->login.auth, d->auth_path);
	secure_init(&d->login.secure, d->tls_path);
	d->login.conf = &d->conf;
	d->login.spawner_fd = d->pair[0];
	sandbox_enter(&box);
}

static void
serve(void *arg, struct gate_conn *conn)
{
	struct pop3d *d = arg;

	login_serve(&d->login, conn);
}

/* Limits hold for everybody here: trust is about sending. */
static void
view(void *arg, const struct gate_conn *conn, struct gate_view *view)
{
	struct pop3d *d = arg;

	front_view(&d->front, conn, view);
	view->trusted = false;
}

static void
refused(void *arg, const struct gate_conn *conn, const char *limit, const char *detail)
{
	struct buf client = BUF_INIT(64);

	(void)arg;
	ip_add(&client, &conn->peer);
	log_event(EV_POP3_REFUSED, LS("client", buf_str(&client)), LS("limit", limit == NULL ? "" : limit),
	    LS("reason", limit == NULL ? detail : ""));
	buf_free(&client);
}

static int
run_gate(struct pop3d *d)
{
	static const char *const inetd_name[] = { "pop3" };
	struct gate g = {
		.program = "pop3d",
		.workers_max = (unsigned)d->conf.pop3d_workers,
		.reuse = 1000,
		.total = (unsigned)d->conf.pop3d_connections,
		.per_address = (unsigned)d->conf.pop3d_connections_per_address,
		.busy = "-ERR [SYS/TEMP] too many connections, try again later\r\n",
		.refused = refused,
		.proxy_ms = (int)d->conf.proxy_timeout * 1000,
		.view = view,
		.enter_parent = enter_parent,
		.enter_worker = enter_worker,
		.serve = serve,
		.arg = d,
	};

	front_open(&d->front, &d->inst, &d->conf);
	return gate_run(&g, d->fds, d->inetd ? inetd_name : d->names, d->n);
}

static void
start_gate(struct pop3d *d)
{
	d->gate = fork();
	if (d->gate == -1)
		fatal(EX_OSERR, "cannot fork: %s", strerror(errno));
	if (d->gate == 0) {
		log_open("pop3d");
		exit(run_gate(d));
	}
}

/* --- the first process ---------------------------------------------------- */

static void
wait_for(pid_t pid)
{
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		continue;
}

/* The first child that is gone; 0: SIGTERM came. */
static pid_t
wait_for_end(int *status)
{
	sigset_t awaited;
	pid_t gone;
	int signo;

	sigemptyset(&awaited);
	sigaddset(&awaited, SIGCHLD);
	sigaddset(&awaited, SIGTERM);
	sigaddset(&awaited, SIGINT);
	sigprocmask(SIG_BLOCK, &awaited, NULL);
	while ((gone = waitpid(-1, status, WNOHANG)) == 0) {
		signo = sigwaitinfo(&awaited, NULL); /* -1: stopped and continued, traced */
		if (proc_stopping || signo == SIGTERM || signo == SIGINT)
			return 0;
	}
	return gone;
}

/* Until SIGTERM, or one of the two is gone: then the other ends too. */
static int
supervise(struct pop3d *d)
{
	int status = 0;
	pid_t gone;

	for (int i = 0; i < d->n; i++)
		file_close(d->fds[i]);
	file_close(d->pair[0]); /* its last holders are the gate and its workers */
	gone = wait_for_end(&status);
	if (gone != d->gate) {
		kill(d->gate, SIGTERM);
		wait_for(d->gate);
	}
	if (gone != d->spawner)
		wait_for(d->spawner);
	if (gone == 0)
		return 0;
	log_error(EV_FATAL, LS("text", gone == d->gate ? "the gate is gone"
	                                               : "the mailbox spawner is gone"),
	    LN("status", status));
	return EX_SOFTWARE;
}

static int
serve_inetd(struct pop3d *d)
{
	int rv = run_gate(d);

	file_close(d->pair[0]);
	wait_for(d->spawner); /* and the session with it */
	return rv;
}

int
main(int argc, char *argv[])
{
	static struct pop3d d; /* one a process */

	log_open("pop3d");
	d.self = getpid();
	d.inetd = gate_inetd();
	if (d.inetd)
		gate_inetd_log();
	read_options(&d, argc, argv);
	conf_load(&d.conf, &d.inst);
	log_level_set(d.conf.log_detail ? LOG_DETAIL : LOG_NOTICE);
	if (!d.inetd)
		open_sockets(&d);
	open_pair(&d);
	start_spawner(&d);
	if (d.inetd)
		return serve_inetd(&d);
	start_gate(&d);
	proc_drop(USER_POP3);
	proc_signals();
	return supervise(&d);
}
