/*
 * live: counted from outside: the kernel's table of connections, the process table, the mail directory. Nobody is asked but
 * queued, and nothing is kept for it by those who work.
 */
#include "master/live.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/num.h"
#include "lib/sys/file.h"

#define TABLE_MAX (64u * 1024 * 1024) /* octets of /proc/net/tcp: 400,000 connections */
#define STATE_ESTABLISHED "01"

/* --- connections --------------------------------------------------------- */

static unsigned
port_of(const char *address)
{
	const char *colon = strrchr(address, ':');
	uint64_t port = 0;

	return colon != NULL && num_parse(span_of(colon + 1), 65535, &port) == 0 ? (unsigned)port : 0;
}

static uint64_t *
direction(struct live *live, const struct record *r, unsigned port)
{
	for (size_t i = 0; i < r->listener_count; i++) {
		const struct record_listener *l = &r->listeners[i];

		if (l->error[0] == '\0' && port_of(l->address) == port && port != 0)
			return strncmp(l->name, "pop3", 4) == 0 ? &live->pop3 : &live->smtp;
	}
	return NULL;
}

static struct span
next_word(struct span *rest)
{
	*rest = span_trim(*rest);
	return span_cut(rest, ' ');
}

/* "  3: 0100007F:0019 0100007F:D2F6 01 ...": addresses and ports in hexadecimal; see proc_pid_net(5). */
static void
count_line(struct live *live, const struct record *r, struct span line)
{
	struct span local;
	uint64_t *count;
	char port[5] = "";

	next_word(&line);
	local = next_word(&line);
	next_word(&line);
	if (local.len < 5 || !span_is(next_word(&line), STATE_ESTABLISHED))
		return;
	memcpy(port, local.s + local.len - 4, 4);
	count = direction(live, r, (unsigned)strtoul(port, NULL, 16));
	if (count != NULL)
		(*count)++;
}

static void
count_connections(struct live *live, const struct record *r, const char *table)
{
	struct buf text = BUF_INIT(TABLE_MAX);
	struct span rest;

	if (file_slurp_at(AT_FDCWD, table, &text) == 0)
		for (rest = buf_span(&text); rest.s != NULL;)
			count_line(live, r, span_cut(&rest, '\n'));
	buf_free(&text);
}

/* --- mailboxes ----------------------------------------------------------- */

static uint64_t
entries(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *e;
	uint64_t n = 0;

	while (dir != NULL && (e = readdir(dir)) != NULL)
		n += e->d_name[0] != '.';
	if (dir != NULL)
		closedir(dir);
	return n;
}

/* DOMAIN/NAME/new */
static uint64_t
unread_below(int at, const char *path, unsigned depth)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *e;
	uint64_t n = 0;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (depth > 0) {
			n += unread_below(dirfd(dir), e->d_name, depth - 1);
		} else {
			char *box = mem_fmt("%s/new", e->d_name);

			n += entries(dirfd(dir), box);
			free(box);
		}
	}
	if (dir != NULL)
		closedir(dir);
	return n;
}

/* --- all ----------------------------------------------------------------- */

static uint64_t
number_of(struct span counts, const char *wanted)
{
	uint64_t n = 0;

	while (counts.s != NULL) {
		struct span line = span_cut(&counts, '\n'), name = span_cut(&line, ' ');

		if (line.s != NULL && span_is(name, wanted) && num_parse(line, INT64_MAX, &n) == 0)
			return n;
	}
	return 0;
}

void
live_look(struct live *live, const struct instance *inst, const struct record *r, const struct process *list, size_t n,
    struct span counts)
{
	uint64_t agents, idle, rss;

	*live = (struct live){ 0 };
	count_connections(live, r, "/proc/net/tcp");
	count_connections(live, r, "/proc/net/tcp6");
	agents = number_of(counts, "agents_remote");
	idle = number_of(counts, "idle_remote");
	live->outgoing = agents > idle ? agents - idle : 0;
	for (size_t i = 0; i < r->service_count; i++)
		if (strcmp(r->services[i].name, "collect") == 0) {
			unsigned processes = record_count(&r->services[i], list, n, &rss);

			live->collecting = processes > 0 ? processes - 1 : 0;
		}
	live->unread = unread_below(AT_FDCWD, inst->mail, 1);
}
