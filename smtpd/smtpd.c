/*
 * smtpd: receive mail over SMTP (RFC 5321) and submission (RFC 6409).
 *
 * Startup: settings, listening sockets, privileges, sandbox. Sessions are in
 * session.c, the parent that accepts in lib/net/gate.c.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/sys/listen.h"
#include "lib/sys/proc.h"
#include "smtpd/door.h"
#include "smtpd/session.h"

#define LISTENERS_MAX 32
#define BACKLOG 1024

struct sockets {
	int fds[LISTENERS_MAX];
	const char *names[LISTENERS_MAX + 1];
	int n;
};

static NORETURN void
usage(int code)
{
	fputs("usage: smtpd [-C DIR] [-s smtp|submission|submissions|lmtp]\n"
	      "       smtpd [-C DIR] -s odmr [-p ADDRESS]\n"
	      "  -C DIR      the instance below DIR; without it the system's own\n"
	      "  -s SERVICE  what the connection on standard input is for\n"
	      "  -p ADDRESS  whose it is, when it comes through collect\n"
	      "Usually started by master, systemd or inetd; see smtpd(8).\n",
	    code == 0 ? stdout : stderr);
	exit(code);
}

static bool
is_service(const char *name)
{
	return strcmp(name, "smtp") == 0 || strcmp(name, "submission") == 0 ||
	    strcmp(name, "submissions") == 0 || strcmp(name, "lmtp") == 0 ||
	    (strcmp(name, "odmr") == 0 && gate_inetd());
}

static void
read_options(struct smtpd *d, const char **service, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *dir = NULL;
	int c;

	*service = "smtp";
	while ((c = getopt_long(argc, argv, "C:s:p:h", options, NULL)) != -1) {
		switch (c) {
		case 'C':
			dir = optarg;
			break;
		case 's':
			*service = optarg;
			break;
		case 'p':
			if (ip_parse(span_of(optarg), &d->peer) == -1)
				usage(EX_USAGE);
			break;
		case 'h':
			usage(0);
		default:
			usage(EX_USAGE);
		}
	}
	if (argc != optind || !is_service(*service))
		usage(EX_USAGE);
	d->odmr = strcmp(*service, "odmr") == 0;
	instance_open(&d->instance, dir);
}

static void
listen_on(struct sockets *l, const char *name, const char *addresses, const char *port)
{
	struct buf why = BUF_INIT(1024);
	struct span rest = span_of(addresses[0] == '\0' ? "*" : addresses);

	if (strcmp(addresses, "none") == 0)
		return;
	while (rest.s != NULL) {
		struct span one = span_trim(span_cut(&rest, ','));
		char *address = mem_fmt("%.*s%s", (int)one.len, one.s, span_is(one, "*") ? port : "");
		int n = listen_tcp(address, BACKLOG, l->fds + l->n, LISTENERS_MAX - l->n, &why);

		if (n == -1)
			fatal(EX_OSERR, "%s", buf_str(&why));
		for (; n > 0; n--)
			l->names[l->n++] = name;
		free(address);
	}
	buf_free(&why);
}

/* From master or systemd; else our own. Under inetd there is only fd 0. */
static void
open_sockets(const struct smtpd *d, struct sockets *l, const char *service)
{
	const char *name;
	int fd;

	while (l->n < LISTENERS_MAX && (fd = listen_passed(l->n, &name)) != -1) {
		l->fds[l->n] = fd;
		l->names[l->n++] = name[0] == '\0' ? service : name;
	}
	if (l->n > 0)
		return;
	if (gate_inetd()) {
		l->names[0] = service;
		return;
	}
	listen_on(l, "smtp", d->conf.listen_smtp, ":25");
	listen_on(l, "submission", d->conf.listen_submission, ":587");
	listen_on(l, "submissions", d->conf.listen_submissions, ":465");
	listen_on(l, "lmtp", d->conf.listen_lmtp, ":24");
	if (l->n == 0)
		fatal(EX_CONFIG, "cannot serve: listen_smtp, listen_submission, listen_submissions and listen_lmtp are all none");
}

/* In sessions; the gate does for its lists. */
static bool
asks_dns(const struct smtpd *d)
{
	return d->conf.sender_domain_check || d->conf.reverse_lookup;
}

static void
narrow(const struct smtpd *d, unsigned calls, bool dns)
{
	struct sandbox box = { .mode = d->conf.sandbox, .calls = calls };

	sandbox_may(&box, d->instance.run, MAY_READ);
	sandbox_may(&box, "/usr/lib", MAY_READ); /* tables of charsets, for filters and attachments */
	/* The one session of odmr has the maps open already, and runs as a user who could read secrets. */
	if (!d->odmr)
		sandbox_may(&box, d->instance.maps, MAY_READ);
	if (dns)
		sandbox_may_resolve(&box);
	sandbox_enter(&box);
}

static unsigned
calls(const struct smtpd *d, bool dns)
{
	return CALL_UNIX | (d->milters_inet || dns ? CALL_INET : 0u);
}

static void
enter_parent(void *arg)
{
	struct smtpd *d = arg;
	bool dns = asks_dns(d) || d->lists.n > 0;

	sandbox_prepare(CALL_FORK | calls(d, dns));
	sandbox_prepare(calls(d, asks_dns(d))); /* the workers' */
	narrow(d, CALL_FORK | calls(d, dns), dns);
}

static void
open_resolver(struct smtpd *d)
{
	struct buf why = BUF_INIT(512);

	d->dns = dns_open(d->conf.resolver, (int)d->conf.dns_timeout * 1000, &why);
	if (d->dns == NULL)
		fatal(EX_CONFIG, "cannot open the resolver: %s", buf_str(&why));
	buf_free(&why);
}

static void
enter_worker(void *arg)
{
	struct smtpd *d = arg;
	struct buf why = BUF_INIT(1024);
	bool dns;

	if (router_open(&d->router, &d->instance, &d->conf, &why) == -1)
		fatal(EX_CONFIG, "cannot open maps: %s", buf_str(&why));
	if (content_load(&d->content, d->instance.maps, generation_name(d->router.maps), &why) == -1)
		fatal(EX_CONFIG, "%s", buf_str(&why));
	buf_free(&why);
	if (asks_dns(d))
		open_resolver(d);
	dns = asks_dns(d) || (d->inetd && d->lists.n > 0);
	narrow(d, calls(d, dns), dns);
}

static void
serve(void *arg, struct gate_conn *conn)
{
	session_serve(arg, conn);
}

static int
run_gate(struct smtpd *d, const struct sockets *l)
{
	static struct gate gate; /* what it points to lives as long as the process */

	gate = (struct gate){
		.program = "smtpd",
		.workers_max = (unsigned)d->conf.smtpd_workers,
		.reuse = (unsigned)d->conf.smtpd_reuse,
		.total = (unsigned)d->conf.smtpd_connections,
		.per_address = (unsigned)d->conf.smtpd_connections_per_address,
		.enter_parent = enter_parent,
		.enter_worker = enter_worker,
		.serve = serve,
		.arg = d,
		.peer = &d->peer,
	};

	if (!d->odmr)
		door_open(d, &gate);
	return gate_run(&gate, l->fds, l->names, l->n);
}

int
main(int argc, char *argv[])
{
	static struct smtpd d;
	static struct sockets sockets;
	const char *service;

	log_open("smtpd");
	d.inetd = gate_inetd(); /* the gate takes it away from there */
	read_options(&d, &service, argc, argv);
	conf_load(&d.conf, &d.instance);
	if (d.conf.log_detail)
		log_level_set(LOG_DETAIL);
	tzset(); /* /etc/localtime, while it may be read */
	open_sockets(&d, &sockets, service);
	d.milters_inet = !d.odmr && milters_open(&d);
	d.rate = rate_new();
	d.silence = lookup_silence();
	proc_drop(USER_SMTPD);
	session_prepare(&d);
	return run_gate(&d, &sockets);
}
