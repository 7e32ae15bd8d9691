/*
 * door: the socket of a service for programs of ours.
 */
#include "auth/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>

#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "lib/sys/listen.h"

void
door_listen(struct door *d, const struct instance *inst, const char *service)
{
	struct buf why = BUF_INIT(1024);
	char *path = instance_path(inst->run, service);
	const char *name;

	for (int i = 0; (d->fd = listen_passed(i, &name)) != -1; i++)
		if (name != NULL && strcmp(name, service) == 0)
			break;
	if (d->fd == -1)
		d->fd = listen_unix(path, 0666, &why);
	if (d->fd == -1)
		fatal(EX_CANTCREAT, "%s", buf_str(&why));
	if (fcntl(d->fd, F_SETFL, O_NONBLOCK) == -1)
		fatal(EX_OSERR, "cannot set up %s: %s", path, strerror(errno));
	free(path);
	buf_free(&why);
}

static void
let_in(struct door *d, int fd)
{
	uid_t uid;
	pid_t pid;

	if (d->clients >= d->max || peer_uid(fd, &uid, &pid) == -1) {
		file_close(fd);
		return;
	}
	if (!d->may_enter(d->arg, uid)) {
		log_event(EV_WARNING, LS("text", "connection refused: not a uid of ours"), LN("uid", uid));
		file_close(fd);
		return;
	}
	d->clients++;
	d->enter(d->arg, fd, uid);
}

static void
accept_clients(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval pause = { 1, 0 };
	struct door *d = arg;
	int got;

	(void)what;
	while ((got = accept4((int)fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) != -1)
		let_in(d, got);
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		event_del(d->accepting); /* they wait in the backlog */
		event_add(d->again, &pause);
	}
}

static void
accept_again(evutil_socket_t fd, short what, void *arg)
{
	struct door *d = arg;

	(void)fd;
	(void)what;
	event_add(d->accepting, NULL);
}

void
door_open(struct door *d, struct event_base *base)
{
	d->accepting = event_new(base, d->fd, EV_READ | EV_PERSIST, accept_clients, d);
	d->again = evtimer_new(base, accept_again, d);
	if (d->accepting == NULL || d->again == NULL || event_add(d->accepting, NULL) == -1)
		fatal(EX_OSERR, "cannot set up an event loop");
}

int
door_hear(struct wire *w, uid_t uid, struct wire_packet *p)
{
	int got = wire_recv(w, NEVER, p);

	if (got == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got == -1 && errno != ECONNRESET)
		log_event(EV_WARNING, LS("text", "a client broke the dialogue"), LN("uid", uid),
		    LS("error", strerror(errno)));
	return got > 0 ? 1 : -1;
}
