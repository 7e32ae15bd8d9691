/*
 * worker: one process of the pool, with its sessions.
 *
 * An event loop: who has something to do gets a fair share in turn. Knows the socket that connections come from and
 * deadlines; nothing of what a session does.
 */
#include "tls/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"

#define EVENTS 64

TAILQ_HEAD(sessions, session);
struct worker {
	const struct session_env *env;
	struct seat *seat;
	int epoll, listen_fd;
	bool listening;           /* listen_fd is in the epoll set */
	struct sessions all, ready;
	size_t count;
	deadline_ms next;         /* nobody's is earlier */
};

/* --- who can go on -------------------------------------------------------- */

static void
make_ready(struct worker *w, struct session *s)
{
	if (s->is_ready)
		return;
	s->is_ready = true;
	TAILQ_INSERT_TAIL(&w->ready, s, ready);
}

static void
bury(struct worker *w, struct session *s)
{
	TAILQ_REMOVE(&w->all, s, all);
	if (s->is_ready)
		TAILQ_REMOVE(&w->ready, s, ready);
	session_close(s);
	w->count--;
	seat_count(w->seat, w->count);
}

/* Each that is in the list now, once. */
static void
serve_ready(struct worker *w)
{
	struct session *s, *last = TAILQ_LAST(&w->ready, sessions);
	bool was_last = last == NULL;

	while (!was_last && (s = TAILQ_FIRST(&w->ready)) != NULL) {
		was_last = s == last;
		TAILQ_REMOVE(&w->ready, s, ready);
		s->is_ready = false;
		if (s->state != SESSION_OVER && session_step(s))
			make_ready(w, s);
		if (s->state == SESSION_OVER)
			bury(w, s);
		else
			w->next = deadline_earlier(w->next, s->until);
	}
}

static void
look_at_deadlines(struct worker *w)
{
	struct session *s;

	if (!deadline_over(w->next))
		return;
	w->next = NEVER;
	TAILQ_FOREACH(s, &w->all, all)
		if (deadline_over(s->until)) {
			session_late(s);
			make_ready(w, s);
		} else {
			w->next = deadline_earlier(w->next, s->until);
		}
}

/* --- connections ---------------------------------------------------------- */

/* EPOLLEXCLUSIVE: one connection wakes one process, and never one that does not want it. */
static void
listen_or_not(struct worker *w)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = NULL };
	bool wanted = seat_open(w->seat, w->count);

	if (wanted == w->listening)
		return;
	if (epoll_ctl(w->epoll, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, w->listen_fd, &e) == -1)
		fatal(EX_OSERR, "cannot wait for connections: %s", strerror(errno));
	w->listening = wanted;
}

static void
take_connection(struct worker *w)
{
	int fd = accept4(w->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct session *s;

	if (fd == -1)
		return;
	w->count++;
	seat_count(w->seat, w->count);
	s = session_open(w->env, w->epoll, fd);
	TAILQ_INSERT_TAIL(&w->all, s, all);
	make_ready(w, s);
}

/* --- the loop ------------------------------------------------------------- */

static void
await(struct worker *w)
{
	struct epoll_event events[EVENTS];
	int n = epoll_pwait(w->epoll, events, EVENTS, TAILQ_EMPTY(&w->ready) ? deadline_left(w->next) : 0,
	    &w->seat->awake);

	for (int i = 0; i < n; i++) {
		struct source *from = events[i].data.ptr;

		if (from == NULL) {
			take_connection(w);
			continue;
		}
		session_heard(from, events[i].events);
		make_ready(w, from->session);
	}
}

/* Who has been woken for a connection and is told to leave takes it along, or it would wait for the next one. */
static void
leave(struct worker *w)
{
	if (w->listening) {
		listen_or_not(w);
		take_connection(w);
	}
}

void
worker_run(const struct session_env *env, struct seat *seat, int listen_fd)
{
	struct session_env here = *env;
	struct worker w = { .env = &here, .seat = seat, .listen_fd = listen_fd, .next = NEVER };

	here.seat = seat;
	TAILQ_INIT(&w.all);
	TAILQ_INIT(&w.ready);
	w.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (w.epoll == -1)
		fatal(EX_OSERR, "cannot wait for connections: %s", strerror(errno));
	while (seat_kept(seat, w.count) || w.count > 0) {
		listen_or_not(&w);
		await(&w);
		serve_ready(&w);
		look_at_deadlines(&w);
		if (!seat_kept(seat, w.count))
			leave(&w);
	}
	file_close(w.epoll);
}
