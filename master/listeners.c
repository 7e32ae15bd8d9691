/*
 * listeners: every listening socket of the house.
 *
 * Knows which addresses the settings name and who may connect; nothing of what is spoken there.
 */
#include "master/listeners.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "lib/sys/listen.h"
#include "lib/sys/proc.h"

#define BACKLOG 511
#define FDS_MAX 8 /* sockets one address may become */

static struct listener *
add(struct listeners *set, const struct socket_def *def, const char *wanted, int fd)
{
	struct listener *l;

	set->l = mem_grow(set->l, set->n + 1, sizeof(*set->l));
	l = &set->l[set->n++];
	*l = (struct listener){ def, mem_dup(wanted), mem_dup(wanted), NULL, fd };
	return l;
}

static void
drop(struct listeners *set, size_t i)
{
	struct listener *l = &set->l[i];

	file_close(l->fd);
	free(l->wanted);
	free(l->address);
	free(l->error);
	*l = set->l[--set->n];
}

static void
failed(struct listener *l, const struct buf *why)
{
	l->error = mem_dup(buf_str(why));
	log_error(EV_MASTER_LISTEN, LS("service", l->def->name),
	    LS("address", l->wanted), LS("error", l->error));
}

/* --- TCP ---------------------------------------------------------------- */

static char *
bound_address(int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getsockname(fd, (struct sockaddr *)&ss, &len) == -1 ||
	    getnameinfo((const struct sockaddr *)&ss, len, host, sizeof(host), port,
	        sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return mem_dup("?");
	return mem_fmt(ss.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

/* An IPv6 address in a kernel without it is nothing to complain about. */
static bool
family_missing(const char *wanted)
{
	int fd;

	if (wanted[0] != '[')
		return false;
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return errno == EAFNOSUPPORT;
	file_close(fd);
	return false;
}

static void
open_tcp(struct listeners *set, const struct socket_def *def, const char *wanted)
{
	struct buf why = BUF_INIT(4096);
	struct listener *l;
	int fds[FDS_MAX], i, n;

	if (family_missing(wanted))
		return;
	n = listen_tcp(wanted, BACKLOG, fds, FDS_MAX, &why);
	if (n == -1)
		failed(add(set, def, wanted, -1), &why);
	for (i = 0; i < n; i++) {
		l = add(set, def, wanted, fds[i]);
		free(l->address);
		l->address = bound_address(fds[i]);
		log_event(EV_MASTER_LISTEN, LS("service", def->name),
		    LS("address", l->address));
	}
	buf_free(&why);
}

/* --- unix --------------------------------------------------------------- */

/* Who may connect, beside root: the group, where there is one. */
static int
give_to_group(const struct socket_def *def, const char *path)
{
	const struct group *gr;

	if (!proc_privileged() || def->group == NULL)
		return 0;
	gr = getgrnam(def->group);
	if (gr == NULL)
		return chmod(path, 0600);
	return chown(path, 0, gr->gr_gid);
}

static void
open_unix(struct listeners *set, const struct socket_def *def, const char *path)
{
	struct buf why = BUF_INIT(4096);
	int fd = listen_unix(path, def->mode, &why);

	if (fd != -1 && give_to_group(def, path) == -1) {
		buf_addf(&why, "cannot give %s to its group: %s", path,
		    strerror(errno));
		file_close(fd);
		fd = -1;
	}
	if (fd == -1)
		failed(add(set, def, path, -1), &why);
	else
		add(set, def, path, fd);
	buf_free(&why);
}

/* --- what is wanted ----------------------------------------------------- */

struct wish {
	const struct socket_def *def;
	char *text;
};
struct wishes {
	struct wish *w;
	size_t n;
};

static void
wish(struct wishes *list, const struct socket_def *def, char *text)
{
	list->w = mem_grow(list->w, list->n + 1, sizeof(*list->w));
	list->w[list->n++] = (struct wish){ def, text };
}

static void
collect_wishes(struct wishes *list, const struct instance *inst, const struct conf *c)
{
	size_t i;

	for (i = 0; i < socket_def_count; i++) {
		const struct socket_def *def = &socket_defs[i];
		struct span rest, one;

		if (def->kind == SOCKET_UNIX) {
			wish(list, def, instance_path(inst->run, def->name));
			continue;
		}
		rest = span_of(socket_setting(def, c));
		if (span_is(span_trim(rest), "none"))
			continue;
		if (span_trim(rest).len == 0)
			wish(list, def, mem_fmt("*:%s", def->port));
		while (rest.s != NULL) {
			one = span_trim(span_cut(&rest, ','));
			if (one.len > 0)
				wish(list, def, mem_dupn(one.s, one.len));
		}
	}
}

static bool
wished(const struct wishes *list, const struct listener *l)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (list->w[i].def == l->def && strcmp(list->w[i].text, l->wanted) == 0)
			return true;
	return false;
}

static bool
is_open(const struct listeners *set, const struct wish *w)
{
	size_t i;

	for (i = 0; i < set->n; i++)
		if (set->l[i].def == w->def && strcmp(set->l[i].wanted, w->text) == 0)
			return true;
	return false;
}

void
listeners_sync(struct listeners *set, const struct instance *inst, const struct conf *c)
{
	struct wishes list = { NULL, 0 };
	size_t i;

	set->conf = c;
	collect_wishes(&list, inst, c);
	for (i = set->n; i-- > 0;)
		if (set->l[i].fd == -1 || !wished(&list, &set->l[i]))
			drop(set, i); /* what failed is tried again below */
	for (i = 0; i < list.n; i++) {
		if (!is_open(set, &list.w[i])) {
			if (list.w[i].def->kind == SOCKET_UNIX)
				open_unix(set, list.w[i].def, list.w[i].text);
			else
				open_tcp(set, list.w[i].def, list.w[i].text);
		}
		free(list.w[i].text);
	}
	free(list.w);
}

/* --- what is handed over ------------------------------------------------ */

static bool
gets(const struct service_def *s, const struct listener *l)
{
	int i;

	for (i = 0; i < SERVICE_SOCKETS && s->sockets[i] != NULL; i++)
		if (strcmp(s->sockets[i], l->def->name) == 0)
			return true;
	return false;
}

int
listeners_of(const struct listeners *set, const struct service_def *s, int *fds,
    const char **names, int max)
{
	size_t i;
	int n = 0;

	for (i = 0; i < set->n && n < max; i++)
		if (set->l[i].fd != -1 && gets(s, &set->l[i])) {
			fds[n] = set->l[i].fd;
			names[n++] = set->l[i].def->name;
		}
	return n;
}

bool
listeners_shut(const struct listeners *set, const struct service_def *s)
{
	const char *name;
	int fd;

	if (s->wanted != NULL && !s->wanted(set->conf))
		return true;
	return s->sockets[0] != NULL && listeners_of(set, s, &fd, &name, 1) == 0;
}
