/*
 * door: the socket of a service for programs of ours.
 */
#include "lib/wire/door.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

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

/* --- clients ---------------------------------------------------------------- */

bool
door_administrator(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

static void
visitor_close(struct visitor *v)
{
	v->door->leaving(v);
	event_free(v->readable);
	wire_close(&v->wire);
	v->door->clients--;
	free(v);
}

void
door_said(struct visitor *v, int sent)
{
	if (sent == -1) /* its end of file brings us to visitor_close() */
		(void)shutdown(v->wire.fd, SHUT_RDWR);
}

/* Decoded words and the packet they were decoded from (at most three octets for one) lie in the same place. */
void
door_wipe(struct visitor *v, const struct wire_packet *p)
{
	size_t n = 64;

	for (size_t i = 0; i < p->n; i++)
		n += 3 * (strlen(p->word[i]) + 1);
	if (v->wire.buf != NULL)
		explicit_bzero(v->wire.buf, n < LIMIT_PACKET ? n : LIMIT_PACKET);
}

static bool
may_say(const struct visitor *v, const struct door_verb *verb, const struct wire_packet *p)
{
	if (verb->for_administrators && !door_administrator(v->uid)) {
		log_event(EV_WARNING, LS("text", "refused: not an administrator"), LS("verb", verb->verb), LN("uid", v->uid));
		return false;
	}
	return verb->first_max == 0 || strlen(p->word[0]) <= verb->first_max;
}

static void
answer(struct visitor *v, const struct wire_packet *p)
{
	const struct door_verb *verb = v->door->verbs;

	while (verb->verb != NULL && !wire_is(p, verb->verb))
		verb++;
	if (verb->verb != NULL && may_say(v, verb, p))
		verb->answer(v, p);
	else
		visitor_close(v);
}

static void
visitor_readable(evutil_socket_t fd, short what, void *arg)
{
	struct visitor *v = arg;
	struct wire_packet p;
	int got = wire_recv(&v->wire, NEVER, &p);

	(void)fd;
	(void)what;
	if (got > 0) {
		answer(v, &p);
		return;
	}
	if (got == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got == -1 && errno != ECONNRESET)
		log_event(EV_WARNING, LS("text", "a client broke the dialogue"), LN("uid", v->uid),
		    LS("error", strerror(errno)));
	visitor_close(v);
}

static void
visitor_open(struct door *d, int fd, uid_t uid)
{
	struct visitor *v = mem_alloc(1, d->client_octets);

	d->clients++;
	v->door = d;
	v->uid = uid;
	wire_open(&v->wire, fd, SERVER, d->table, d->first_state);
	v->readable = event_new(d->base, fd, EV_READ | EV_PERSIST, visitor_readable, v);
	d->entered(v);
	if (v->readable == NULL || event_add(v->readable, NULL) == -1)
		visitor_close(v);
}

/* --- the socket -------------------------------------------------------------- */

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
	visitor_open(d, fd, uid);
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

struct event_base *
door_open(struct door *d, event_callback_fn on_signal)
{
	static const int signals[COUNT(d->signals)] = { SIGTERM, SIGINT, SIGCHLD };

	(void)signal(SIGPIPE, SIG_IGN);
	d->base = event_base_new();
	if (d->base == NULL)
		fatal(EX_OSERR, "cannot set up an event loop");
	d->accepting = event_new(d->base, d->fd, EV_READ | EV_PERSIST, accept_clients, d);
	d->again = evtimer_new(d->base, accept_again, d);
	if (d->accepting == NULL || d->again == NULL || event_add(d->accepting, NULL) == -1)
		fatal(EX_OSERR, "cannot set up an event loop");
	for (size_t i = 0; i < COUNT(signals); i++) {
		d->signals[i] = evsignal_new(d->base, signals[i], on_signal, d->arg);
		if (d->signals[i] == NULL || event_add(d->signals[i], NULL) == -1)
			fatal(EX_OSERR, "cannot set up an event loop");
	}
	return d->base;
}
