/*
 * checkup: posthouse check: is the instance as it should be?
 *
 * Compares directories, files, maps and ports with what setup makes; changes
 * nothing. Every finding is a line that says how to mend it.
 */
#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/store/map.h"
#include "lib/sys/file.h"
#include "lib/sys/listen.h"
#include "lib/sys/proc.h"
#include "master/places.h"
#include "master/probe.h"
#include "master/record.h"
#include "master/services.h"

#define ANSWER_MS 3000

struct checkup {
	struct instance inst;
	struct conf conf;
	bool has_conf;
	unsigned findings;
};

static void PRINTF_LIKE(2, 3)
finding(struct checkup *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	c->findings++;
}

/* --- directories and files ---------------------------------------------- */

static void
check_places(struct checkup *c)
{
	static struct place places[PLACES_MAX];
	struct place *p;
	struct buf why = BUF_INIT(8192);

	places_list(&c->inst, places);
	for (p = places; p->path != NULL; p++) {
		buf_reset(&why);
		if (place_check(p, &why) == -1)
			finding(c, "%s", buf_str(&why));
	}
	buf_free(&why);
}

/* As root the programs are other users: each directory above must let them through. */
static void
check_way(struct checkup *c)
{
	char *path = mem_dup(c->inst.run), *slash;
	struct stat st;

	while (proc_privileged() && (slash = strrchr(path, '/')) != NULL &&
	    slash != path) {
		*slash = '\0';
		if (stat(path, &st) == 0 && (st.st_mode & 0001) == 0)
			finding(c, "%s: the programs, which are users of their own, "
			    "may not enter; chmod o+x %s, or use another place",
			    path, path);
	}
	free(path);
}

/* A message gets its places by link(2), which does not cross file systems. */
static void
check_same_disk(struct checkup *c)
{
	struct stat mail, spool;

	if (stat(c->inst.mail, &mail) == 0 && stat(c->inst.spool, &spool) == 0 &&
	    mail.st_dev != spool.st_dev)
		finding(c, "%s and %s are on two file systems: every message is "
		    "copied instead of linked; put them on one", c->inst.mail,
		    c->inst.spool);
}

/* Text that only its owner may read. */
static void
check_private(struct checkup *c, const char *name)
{
	char *path = instance_path(c->inst.etc, name);
	struct stat st;

	if (stat(path, &st) == -1) {
		if (errno != ENOENT)
			finding(c, "%s: %s", path, strerror(errno));
	} else if ((st.st_mode & 077) != 0) {
		finding(c, "%s: others may read it; chmod 600 %s", path, path);
	}
	free(path);
}

/* --- maps --------------------------------------------------------------- */

static bool
newer(const struct stat *a, const struct stat *b)
{
	return a->st_mtim.tv_sec > b->st_mtim.tv_sec ||
	    (a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	        a->st_mtim.tv_nsec > b->st_mtim.tv_nsec);
}

static void
check_text(struct checkup *c, const char *name, const struct stat *compiled)
{
	char *path = instance_path(c->inst.etc, name);
	struct stat st;

	if (stat(path, &st) == 0 && newer(&st, compiled))
		finding(c, "%s: changed since the last posthouse compile", path);
	free(path);
}

static void
check_maps(struct checkup *c)
{
	char *conf = mem_fmt("%s/current/posthouse.conf", c->inst.maps);
	struct buf why = BUF_INIT(65536);
	struct generation *g = NULL;
	struct stat compiled;
	size_t i;

	if (stat(conf, &compiled) == -1) {
		finding(c, "%s: %s; run posthouse compile", conf, strerror(errno));
		goto out;
	}
	for (i = 0; i < MAP_COUNT; i++)
		check_text(c, map_names[i], &compiled);
	check_text(c, "posthouse.conf", &compiled);
	g = generation_open(c->inst.maps, 1u << MAP_DOMAINS | 1u << MAP_USERS |
	    1u << MAP_ALIASES | 1u << MAP_ROUTES | 1u << MAP_ACCESS, &why);
	if (g == NULL)
		finding(c, "%s; run posthouse compile", buf_str(&why));
	buf_reset(&why);
	if (conf_read(&c->conf, conf, &why) == -1)
		finding(c, "%s", buf_str(&why));
	else
		c->has_conf = true;
out:
	generation_close(g);
	buf_free(&why);
	free(conf);
}

/* --- ports -------------------------------------------------------------- */

/* Nothing runs: could we have the ports? */
static void
try_address(struct checkup *c, const char *name, const char *address)
{
	struct buf why = BUF_INIT(4096);
	int fds[8], i, n = listen_tcp(address, 1, fds, 8, &why);

	if (n == -1)
		finding(c, "%s: %s", name, buf_str(&why));
	for (i = 0; i < n; i++)
		file_close(fds[i]);
	buf_free(&why);
}

static void
try_setting(struct checkup *c, const struct socket_def *def)
{
	struct span rest = span_of(socket_setting(def, &c->conf)), one;
	char *address;

	if (def->kind == SOCKET_UNIX || span_is(span_trim(rest), "none"))
		return;
	while (rest.s != NULL) {
		one = span_trim(span_cut(&rest, ','));
		address = one.len > 0 ? mem_dupn(one.s, one.len) :
		    mem_fmt("*:%s", def->port);
		try_address(c, def->name, address);
		free(address);
	}
}

static void
probe_running(struct checkup *c)
{
	struct buf why = BUF_INIT(4096);
	struct record r;
	size_t i;

	if (record_read(&c->inst, &r) == -1) {
		finding(c, "%s/master.state: %s", c->inst.run, strerror(errno));
		return;
	}
	for (i = 0; i < r.listener_count; i++) {
		const struct record_listener *l = &r.listeners[i];

		buf_reset(&why);
		if (l->error[0] != '\0')
			finding(c, "%s: %s", l->name, l->error);
		else if (probe(&c->inst, l, ANSWER_MS, &why) == -1)
			finding(c, "%s on %s does not answer: %s", l->name,
			    l->address, buf_str(&why));
	}
	buf_free(&why);
}

static void
check_ports(struct checkup *c)
{
	size_t i;

	if (record_master(&c->inst) != 0) {
		probe_running(c);
		return;
	}
	for (i = 0; c->has_conf && i < socket_def_count; i++)
		try_setting(c, &socket_defs[i]);
}

/* --- programs ----------------------------------------------------------- */

static void
check_programs(struct checkup *c)
{
	size_t i;

	for (i = 0; i < service_def_count; i++) {
		const struct service_def *s = &service_defs[i];
		char *path = instance_path(instance_libexec(), s->name);

		if (access(path, X_OK) == -1)
			finding(c, "%s: %s", path, strerror(errno));
		if (proc_privileged() && getpwnam(s->user) == NULL)
			finding(c, "%s: the user %s is missing; posthouse setup "
			    "makes it", s->name, s->user);
		free(path);
	}
}

static void
check_all_but_ports(struct checkup *c)
{
	check_places(c);
	check_way(c);
	check_same_disk(c);
	check_private(c, "passwd");
	check_private(c, "secrets");
	check_programs(c);
}

int
main(int argc, char *argv[])
{
	static const char usage[] =
	    "usage: posthouse [-C DIR] check [ports]\n"
	    "  Verifies directories, owners, modes, programs, maps and ports, or maps and\n"
	    "  ports alone; a line for each finding. Exit code 0: none, 1: some.\n";
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static struct checkup c; /* until the process ends */
	const char *dir = NULL;
	bool ports;
	int o;

	log_open("check");
	while ((o = getopt_long(argc, argv, "C:h", options, NULL)) != -1) {
		if (o == 'C') {
			dir = optarg;
		} else {
			fputs(usage, o == 'h' ? stdout : stderr);
			return o == 'h' ? 0 : EX_USAGE;
		}
	}
	ports = optind < argc && strcmp(argv[optind], "ports") == 0;
	if (optind + ports < argc) {
		fputs(usage, stderr);
		return EX_USAGE;
	}
	instance_open(&c.inst, dir);
	if (!ports)
		check_all_but_ports(&c);
	check_maps(&c);
	check_ports(&c);
	if (c.findings == 0)
		puts("all is well");
	return c.findings == 0 ? 0 : 1;
}
