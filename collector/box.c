/*
 * box: somebody's mailbox, handed out message by message.
 *
 * Both ends of one small dialogue over a SOCK_SEQPACKET pair. N: the next message. F ID: the one with this ID.
 * R NAME: remove it. Answers: M NAME with a descriptor; E: there is none; K: done; ! REASON. A NAME is
 * PLACE/SUB/FILE, the place a number. The keeper looks at names only; what is in a message is read by
 * others.
 */
#include "collector/box.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/store/instance.h"
#include "lib/store/maildir.h"
#include "lib/sys/file.h"
#include "lib/sys/packet.h"
#include "lib/sys/proc.h"
#include "lib/sys/sandbox.h"

#define ANSWER_MS 30000
#define PLACES_MAX 24 /* directories that the sandbox names one by one */

static const char *const subs[] = { "new", "cur" };

struct keeper {
	int fd;
	const struct box_place *places;
	size_t place_count;
	char **names; /* PLACE/SUB/FILE */
	size_t n, room, next;
};

/* --- names --------------------------------------------------------------- */

struct span
box_id(const char *name)
{
	const char *slash = strrchr(name, '/');
	struct maildir_name parts;
	struct span rest;

	maildir_name_parse(span_of(slash != NULL ? slash + 1 : name), &parts);
	rest = parts.unique;
	span_cut(&rest, '.');
	return rest.s != NULL ? span_cut(&rest, '.') : (struct span){ "", 0 };
}

/* A file's name without its flags. */
static size_t
base_length(const char *file)
{
	return strcspn(file, ":");
}

/* PLACE/SUB/FILE taken apart. False: it is none of ours. */
static bool
split(const struct keeper *k, const char *name, size_t *place, const char **file)
{
	struct span rest = span_of(name), number = span_cut(&rest, '/'), sub = span_cut(&rest, '/');
	uint64_t n = 0;

	if (rest.s == NULL || rest.len == 0 || rest.s[0] == '.' || memchr(rest.s, '/', rest.len) != NULL)
		return false;
	if (!span_is(sub, subs[0]) && !span_is(sub, subs[1]))
		return false;
	if (num_parse(number, k->place_count - 1, &n) == -1)
		return false;
	*place = (size_t)n;
	*file = rest.s;
	return true;
}

static int
open_sub(const struct box_place *p, const char *sub)
{
	char *path = mem_fmt("%s/%s/%s", p->root, p->maildir, sub);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	free(path);
	return fd;
}

static int
by_file(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(strrchr(*x, '/') + 1, strrchr(*y, '/') + 1); /* begins with the second it came in */
}

static void
add_name(struct keeper *k, size_t place, const char *sub, const char *file)
{
	if (strlen(file) > 255)
		return;
	if (k->n == k->room) {
		k->room = k->room == 0 ? 256 : k->room * 2;
		k->names = mem_grow(k->names, k->room, sizeof(*k->names));
	}
	k->names[k->n++] = mem_fmt("%zu/%s/%s", place, sub, file);
}

static void
list(struct keeper *k)
{
	for (size_t i = 0; i < k->place_count; i++)
		for (size_t s = 0; s < COUNT(subs); s++) {
			int fd = open_sub(&k->places[i], subs[s]);
			DIR *dir = fd == -1 ? NULL : fdopendir(fd);
			struct dirent *e;

			if (dir == NULL) { /* nobody has got mail there yet */
				file_close(fd);
				continue;
			}
			while ((e = readdir(dir)) != NULL)
				if (e->d_name[0] != '.')
					add_name(k, i, subs[s], e->d_name);
			closedir(dir);
		}
	if (k->n > 0)
		qsort(k->names, k->n, sizeof(*k->names), by_file);
}

/* --- the keeper ---------------------------------------------------------- */

static void
answer(const struct keeper *k, char what, const char *text, int fd)
{
	char packet[BOX_NAME + 2];
	int n = snprintf(packet, sizeof(packet), "%c%s", what, text);

	if (n < 0 || packet_send(k->fd, packet, (size_t)n, &fd, fd != -1, deadline_in(ANSWER_MS)) == -1)
		_exit(EX_IOERR);
}

/* False: it is gone. */
static bool
hand_out(const struct keeper *k, const char *name)
{
	const char *file, *sub;
	size_t place;
	int dir, fd;

	if (!split(k, name, &place, &file))
		return false;
	sub = strchr(name, '/') + 1;
	dir = open_sub(&k->places[place], *sub == 'n' ? subs[0] : subs[1]);
	fd = dir == -1 ? -1 : openat(dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd != -1)
		answer(k, 'M', name, fd);
	file_close(fd);
	file_close(dir);
	return fd != -1;
}

static void
give_next(struct keeper *k)
{
	while (k->next < k->n)
		if (hand_out(k, k->names[k->next++]))
			return;
	answer(k, 'E', "", -1);
}

static void
give_by_id(const struct keeper *k, const char *id)
{
	for (size_t i = 0; i < k->n; i++)
		if (span_is(box_id(k->names[i]), id) && hand_out(k, k->names[i]))
			return;
	answer(k, 'E', "", -1);
}

/* 1: it was here; 0: it was not; -1. */
static int
remove_from(const struct box_place *p, const char *sub, const char *file)
{
	int fd = open_sub(p, sub), rv = 0;
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;
	size_t n = base_length(file);

	if (dir == NULL) {
		rv = errno == ENOENT ? 0 : -1;
		file_close(fd);
		return rv;
	}
	while (rv == 0 && (e = readdir(dir)) != NULL)
		if (base_length(e->d_name) == n && memcmp(e->d_name, file, n) == 0)
			rv = unlinkat(fd, e->d_name, 0) == 0 ? 1 : errno == ENOENT ? 0 : -1;
	if (rv == 1 && fsync(fd) == -1)
		rv = -1;
	closedir(dir);
	return rv;
}

static void
remove_message(const struct keeper *k, const char *name)
{
	const char *file;
	size_t place;
	int rv;

	if (!split(k, name, &place, &file)) {
		answer(k, '!', "no such name", -1);
		return;
	}
	rv = remove_from(&k->places[place], "new", file);
	if (rv == 0)
		rv = remove_from(&k->places[place], "cur", file);
	if (rv == -1)
		answer(k, '!', strerror(errno), -1);
	else
		answer(k, 'K', "", -1);
}

static void
shut_in(const struct keeper *k, const struct conf *conf)
{
	static char *paths[PLACES_MAX];
	struct sandbox box = { .mode = conf->sandbox };
	size_t n = 0;

	for (size_t i = 0; i < k->place_count && n < PLACES_MAX; i++) {
		const struct box_place *p = &k->places[i];
		char *path = k->place_count > PLACES_MAX ? mem_dup(p->root) : mem_fmt("%s/%s", p->root, p->maildir);
		bool known = false;

		for (size_t s = 0; s < n; s++)
			known = known || strcmp(paths[s], path) == 0;
		if (known || access(path, F_OK) == -1) {
			free(path);
			continue;
		}
		paths[n++] = path;
		sandbox_may(&box, path, MAY_READ | MAY_WRITE);
	}
	sandbox_enter(&box);
}

static void NORETURN
keep(struct keeper *k, const struct conf *conf)
{
	static char request[LIMIT_PACKET + 1];
	int fds[LIMIT_PACKET_FDS], nfds = 0;

	proc_drop(USER_MAIL);
	shut_in(k, conf);
	list(k);
	while (packet_recv(k->fd, request, fds, &nfds, NEVER) > 0) {
		for (int i = 0; i < nfds; i++)
			file_close(fds[i]);
		if (request[0] == 'N')
			give_next(k);
		else if (request[0] == 'F')
			give_by_id(k, request + 1);
		else if (request[0] == 'R')
			remove_message(k, request + 1);
		else
			break;
	}
	_exit(0);
}

/* --- who asks ------------------------------------------------------------ */

void
box_open(struct box *b, const struct conf *conf, const struct box_place *places, size_t n)
{
	int pair[2];
	pid_t parent = getpid();

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1 || (b->pid = fork()) == -1)
		fatal(EX_OSERR, "cannot start a process: %s", strerror(errno));
	if (b->pid == 0) {
		struct keeper k = { .fd = pair[1], .places = places, .place_count = n };

		file_close(pair[0]);
		proc_follow_parent(parent);
		keep(&k, conf);
	}
	file_close(pair[1]);
	b->fd = pair[0];
}

void
box_close(struct box *b)
{
	file_close(b->fd);
	while (waitpid(b->pid, NULL, 0) == -1 && errno == EINTR)
		continue;
	b->fd = -1;
}

/* The kind of the answer, its text in name; 0 with why. */
static char
ask(struct box *b, char what, const char *text, char name[BOX_NAME], int *fd, struct buf *why)
{
	static char packet[LIMIT_PACKET + 1];
	int fds[LIMIT_PACKET_FDS], nfds = 0;
	int n = snprintf(packet, BOX_NAME + 1, "%c%s", what, text);
	ssize_t got = -1;

	*fd = -1;
	if (n > 0 && packet_send(b->fd, packet, (size_t)n, NULL, 0, deadline_in(ANSWER_MS)) == 0)
		got = packet_recv(b->fd, packet, fds, &nfds, deadline_in(ANSWER_MS));
	if (got <= 0) {
		buf_addf(why, "cannot read the mailbox: %s", got == 0 ? "its process has ended" : strerror(errno));
		return 0;
	}
	if (nfds > 0)
		*fd = fds[0];
	strlcpy(name, packet + 1, BOX_NAME);
	if (packet[0] == '!')
		buf_addf(why, "the mailbox: %s", name);
	return packet[0];
}

static int
ask_message(struct box *b, char what, const char *text, char name[BOX_NAME], int *fd, struct buf *why)
{
	char how = ask(b, what, text, name, fd, why);

	if (how == 'E')
		return 0;
	return how == 'M' && *fd != -1 ? 1 : -1;
}

int
box_next(struct box *b, char name[BOX_NAME], int *fd, struct buf *why)
{
	return ask_message(b, 'N', "", name, fd, why);
}

int
box_find(struct box *b, const char *id, char name[BOX_NAME], int *fd, struct buf *why)
{
	return ask_message(b, 'F', id, name, fd, why);
}

int
box_remove(struct box *b, const char *name, struct buf *why)
{
	char text[BOX_NAME];
	int fd;
	char how = ask(b, 'R', name, text, &fd, why);

	file_close(fd);
	return how == 'K' ? 0 : -1;
}
