/*
 * gate: the listening parent of smtpd and pop3d, and its workers.
 *
 * Knows sockets, processes and counts; no protocol, no map. The parent hands
 * each connection to an idle worker over that worker's own SOCK_SEQPACKET
 * pair. Who is idle again stands in shared memory, so a served connection
 * costs the parent one wait, one accept, one send and one close: a worker
 * sends a packet of its own only when connections wait for one.
 */
#include "lib/net/gate.h"

#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/net/callers.h"
#include "lib/net/room.h"
#include "lib/sys/file.h"
#include "lib/sys/packet.h"
#include "lib/sys/proc.h"

#define LISTENERS_MAX 32
#define GRACE_MS 8000    /* between SIGTERM and SIGKILL for a busy worker */
#define NUDGE_MS 500     /* SIGTERM again: the first may come just before a wait */
#define IDLE_S 60        /* a worker unused for so long leaves, but the first */
#define ACCEPT_BURST 64  /* accepted in one go before workers are heard */
#define LOOP_FDS_MAX 16
#define PASSED 3         /* systemd's first descriptor */
#define TOLD_A_SECOND 20 /* refusals in the log */

struct waiting {
	STAILQ_ENTRY(waiting) next;
	struct gate_conn conn;
	struct caller *caller;
};

/* What parent and workers share. A worker writes only its own slot. */
struct board {
	atomic_bool wanted;       /* connections wait: who becomes idle says so */
	atomic_bool crowded;      /* ... because all workers are busy */
	atomic_uint served[];     /* connections done with, one counter a slot */
};

struct worker {
	struct house *house;
	pid_t pid;                /* 0: the slot is free */
	int fd;
	struct event *event;
	unsigned given;           /* connections sent to it */
	bool leaving, used;
	struct caller *caller;    /* of the connection it serves, NULL when idle */
};

struct listener {
	struct house *house;
	int fd;
	const char *name;
	bool wildcard;            /* the local address differs by connection */
	bool burst;               /* last time more than one waited here */
	struct ip local;
	uint16_t port;
	struct event *event;
};

struct house {
	struct gate *gate;
	struct event_base *base;
	struct listener listeners[LISTENERS_MAX];
	int listener_count;
	struct worker *workers;
	unsigned alive;
	struct board *board;
	struct callers callers;
	struct room room;
	STAILQ_HEAD(, waiting) queue;
	struct event *term, *intr, *pause, *tidy, *nudge;
	int loop_fds[LOOP_FDS_MAX], loop_fd_count; /* libevent's own */
	int64_t told_since_ms; /* of connections that limits refuse */
	unsigned told, untold;
	bool stopping;
	deadline_ms kill_at;
	pid_t pid;
};

/* Neither one address nor a network of strangers ever has all workers: a quarter stays for others. */
static bool
caller_has_share(const struct house *h, const struct gate_conn *conn, const struct caller *c)
{
	unsigned share = h->gate->workers_max - h->gate->workers_max / 4;

	return c->serving >= share || (!conn->trusted && c->network->serving >= share);
}

/* --- the worker ----------------------------------------------------------- */

static const struct board *crowd; /* in a worker */

bool
gate_crowded(void)
{
	return crowd != NULL && atomic_load(&crowd->crowded);
}

static NORETURN void
worker_run(struct house *h, unsigned slot, int fd)
{
	struct gate *g = h->gate;
	struct gate_conn conn;
	char *packet = mem_grow(NULL, LIMIT_PACKET + 1, 1); /* what nobody writes to costs nothing */
	int fds[LIMIT_PACKET_FDS], nfds;
	unsigned sessions = 0;

	crowd = h->board;
	if (g->enter_worker != NULL)
		g->enter_worker(g->arg);
	while (!proc_stopping && sessions++ < g->reuse) {
		nfds = 1;
		if (packet_recv(fd, packet, fds, &nfds, NEVER) != (ssize_t)sizeof(conn) || nfds != 1)
			break;
		memcpy(&conn, packet, sizeof(conn));
		conn.fd = fds[0];
		g->serve(g->arg, &conn);
		atomic_fetch_add(&h->board->served[slot], 1);
		if (atomic_load(&h->board->wanted) && packet_send(fd, "i", 1, NULL, 0, NEVER) == -1)
			break;
	}
	free(packet);
	_exit(0);
}

/* In the child: nothing of the parent's stays open but what the program itself
 * opened before the gate. */
static void
forget_parent(struct house *h)
{
	struct waiting *w;

	/* Freeing the loop would touch the parent's epoll set, or with event_reinit() copy all its memory. */
	for (int i = 0; i < h->loop_fd_count; i++)
		file_close(h->loop_fds[i]);
	for (int i = 0; i < h->listener_count; i++)
		file_close(h->listeners[i].fd);
	for (unsigned i = 0; i < h->gate->workers_max; i++)
		if (h->workers[i].pid != 0)
			file_close(h->workers[i].fd);
	STAILQ_FOREACH(w, &h->queue, next)
		file_close(w->conn.fd);
	room_forget(&h->room);
}

static void worker_heard(evutil_socket_t, short, void *);

/* A new worker in a free slot. conn_fd: a connection that is not its own yet. */
static bool
worker_fork(struct house *h, unsigned slot, int conn_fd)
{
	struct worker *w = &h->workers[slot];
	sigset_t all, old;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return false;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old); /* no signal meets the parent's handlers in the child */
	atomic_store(&h->board->served[slot], 0);
	pid = fork();
	if (pid == 0) {
		file_close(pair[0]);
		file_close(conn_fd);
		forget_parent(h);
		proc_signals();
		sigprocmask(SIG_SETMASK, &old, NULL);
		log_open(h->gate->program);
		proc_follow_parent(h->pid);
		worker_run(h, slot, pair[1]);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	file_close(pair[1]);
	if (pid == -1) {
		file_close(pair[0]);
		return false;
	}
	(void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
	*w = (struct worker){ .house = h, .pid = pid, .fd = pair[0], .used = true };
	w->event = event_new(h->base, w->fd, EV_READ | EV_PERSIST, worker_heard, w);
	if (w->event == NULL || event_add(w->event, NULL) == -1)
		fatal(EX_OSERR, "cannot watch a worker");
	h->alive++;
	return true;
}

/* --- handing connections on ------------------------------------------------ */

static void
worker_done(struct house *h, struct worker *w)
{
	w->caller->serving--;
	w->caller->network->serving--;
	caller_leave(&h->callers, w->caller);
	w->caller = NULL;
}

/* Which connections are done with, by the workers' counters. */
static void
workers_look(struct house *h)
{
	for (unsigned i = 0; i < h->gate->workers_max; i++) {
		struct worker *w = &h->workers[i];

		if (w->caller == NULL || atomic_load(&h->board->served[i]) != w->given)
			continue;
		worker_done(h, w);
	}
}

/* An idle worker, the lowest (its memory is warm), or a new one; NULL: all are busy. */
static struct worker *
worker_find(struct house *h, int conn_fd)
{
	struct worker *w = NULL;
	unsigned vacant = h->gate->workers_max;

	for (unsigned i = 0; i < h->gate->workers_max; i++) {
		w = &h->workers[i];
		if (w->pid == 0 && vacant == h->gate->workers_max)
			vacant = i;
		if (w->pid != 0 && w->caller == NULL && !w->leaving && w->given < h->gate->reuse)
			return w;
	}
	if (vacant == h->gate->workers_max || !worker_fork(h, vacant, conn_fd))
		return NULL;
	return &h->workers[vacant];
}

/* Hand it on and let go of it. False: no worker has time. */
static bool
conn_give(struct house *h, const struct gate_conn *conn, struct caller *caller)
{
	struct worker *w;

	while ((w = worker_find(h, conn->fd)) != NULL) {
		w->used = true;
		if (packet_send(w->fd, conn, sizeof(*conn), &conn->fd, 1, NEVER) == -1) {
			w->leaving = true; /* it is dying: another one */
			shutdown(w->fd, SHUT_WR);
			continue;
		}
		w->given++;
		w->caller = caller;
		caller->serving++;
		caller->network->serving++;
		file_close(conn->fd);
		return true;
	}
	return false;
}

/* First come, first served, but for those who have their share. */
static void
queue_serve(struct house *h)
{
	struct waiting *w = STAILQ_FIRST(&h->queue), *next;
	bool crowded = false;

	for (; w != NULL; w = next) {
		next = STAILQ_NEXT(w, next);
		if (caller_has_share(h, &w->conn, w->caller))
			continue;
		crowded = !conn_give(h, &w->conn, w->caller);
		if (crowded)
			break;
		STAILQ_REMOVE(&h->queue, w, waiting, next);
		free(w);
	}
	if (STAILQ_EMPTY(&h->queue) && atomic_load(&h->board->wanted))
		atomic_store(&h->board->wanted, false);
	if (crowded != atomic_load(&h->board->crowded))
		atomic_store(&h->board->crowded, crowded);
}

static void
queue_add(struct house *h, const struct gate_conn *conn, struct caller *caller)
{
	struct waiting *w = mem_alloc(1, sizeof(*w));

	w->conn = *conn;
	w->caller = caller;
	STAILQ_INSERT_TAIL(&h->queue, w, next);
	/* Said first, looked at the board second: a worker does it the other way
	 * round, so one of the two sees the other. */
	atomic_store(&h->board->wanted, true);
	workers_look(h);
	queue_serve(h);
}

static void
conn_refuse(int fd, const char *text)
{
	if (text != NULL)
		(void)!send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
	file_close(fd);
}

/* What it said already is thrown away: closing above unread octets would take our answer along. */
static void
conn_refuse_early(int fd, const char *text)
{
	(void)!recv(fd, NULL, 65536, MSG_TRUNC | MSG_DONTWAIT);
	(void)!send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	(void)!recv(fd, NULL, 65536, MSG_TRUNC | MSG_DONTWAIT);
	file_close(fd);
}

static void
conn_serve(struct house *h, const struct gate_conn *conn, struct caller *caller)
{
	if (!STAILQ_EMPTY(&h->queue) || caller_has_share(h, conn, caller) || !conn_give(h, conn, caller))
		queue_add(h, conn, caller);
}

/* The limit that one more would break, NULL: none. */
static const char *
limit_reached(const struct house *h, const struct caller *caller, const struct gate_view *view)
{
	const struct gate *g = h->gate;

	if (h->callers.connections > g->total)
		return "connections";
	if (view->trusted)
		return NULL;
	if (caller->count > g->per_address)
		return "connections_per_address";
	if (g->per_network != 0 && caller->network->count > (g->per_network > g->per_address ? g->per_network : g->per_address))
		return "connections_per_network";
	if (g->per_minute != 0 && caller->came > g->per_minute)
		return "connections_per_minute";
	return NULL;
}

static void
tell_refused(struct gate *g, const struct gate_conn *conn, const char *limit, const char *detail)
{
	if (g->refused != NULL)
		g->refused(g->arg, conn, limit, detail);
}

static void
tell_untold(struct house *h)
{
	if (h->untold > 0)
		log_event(EV_WARNING, LS("text", "more connections were refused for limits than are told one by one"),
		    LN("count", h->untold));
	h->told = h->untold = 0;
}

/* A flood must not become one of the log: more than a few in a second are only counted. */
static void
tell_limit(struct house *h, const struct gate_conn *conn, const char *limit)
{
	int64_t now = clock_mono_ms();

	if (now - h->told_since_ms >= 1000) {
		tell_untold(h);
		h->told_since_ms = now;
	}
	if (h->told++ < TOLD_A_SECOND)
		tell_refused(h->gate, conn, limit, NULL);
	else
		h->untold++;
}

/* Its address is the client's own. */
static void
conn_known(struct house *h, struct gate_conn *conn, const struct gate_view *view)
{
	struct gate *g = h->gate;
	const char *no = NULL, *limit;
	struct caller *caller = caller_enter(&h->callers, &conn->peer);

	conn->trusted = view->trusted;
	conn->xclient = view->xclient;
	limit = limit_reached(h, caller, view);
	if (limit != NULL) {
		tell_limit(h, conn, limit);
		no = g->busy;
	} else if (g->admit != NULL) {
		no = g->admit(g->arg, conn);
	}
	if (no != NULL) {
		caller_leave(&h->callers, caller);
		conn_refuse(conn->fd, no);
	} else if (view->wait) {
		room_wait(&h->room, conn, caller);
	} else {
		conn_serve(h, conn, caller);
	}
}

static void
conn_view(struct gate *g, const struct gate_conn *conn, struct gate_view *view)
{
	memset(view, 0, sizeof(*view));
	if (g->view != NULL)
		g->view(g->arg, conn, view);
}

/* A balancer's connections count as its own only until it has said whose they are. */
static void
conn_arrived(struct house *h, struct gate_conn *conn)
{
	struct gate_view view;

	workers_look(h);
	conn_view(h->gate, conn, &view);
	if (!view.proxy) {
		conn_known(h, conn, &view);
	} else if (h->callers.connections >= h->gate->total) {
		tell_limit(h, conn, "connections");
		conn_refuse(conn->fd, h->gate->busy);
	} else {
		room_header(&h->room, conn, caller_enter(&h->callers, &conn->peer));
	}
}

static void
visitor_left(void *arg, struct gate_conn *conn, void *whose, enum room_end how, const char *why)
{
	struct house *h = arg;
	struct gate_view view;

	if (how == ROOM_WAITED) {
		workers_look(h);
		conn_serve(h, conn, whose);
		return;
	}
	caller_leave(&h->callers, whose);
	if (how == ROOM_HEADER) {
		workers_look(h);
		conn_view(h->gate, conn, &view);
		conn_known(h, conn, &view);
		return;
	}
	if (how != ROOM_LEFT)
		tell_refused(h->gate, conn, NULL, why);
	if (how == ROOM_EARLY)
		conn_refuse_early(conn->fd, h->gate->early);
	else
		conn_refuse(conn->fd, h->stopping ? h->gate->busy : NULL);
}

/* --- events ----------------------------------------------------------------- */

static void
worker_gone(struct house *h, struct worker *w)
{
	int status = 0;

	event_free(w->event);
	file_close(w->fd);
	while (waitpid(w->pid, &status, 0) == -1 && errno == EINTR)
		continue;
	if (WIFSIGNALED(status) && !h->stopping)
		log_error(EV_WARNING, LS("text", "a worker died"), LN("worker", w->pid), LN("signal", WTERMSIG(status)));
	if (w->caller != NULL)
		worker_done(h, w);
	memset(w, 0, sizeof(*w));
	h->alive--;
	if (h->stopping && h->alive == 0)
		event_base_loopbreak(h->base);
}

static void
worker_heard(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	struct house *h = w->house;
	char said[8];
	ssize_t n;

	(void)what;
	n = recv(fd, said, sizeof(said), MSG_DONTWAIT);
	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
		worker_gone(h, w);
	workers_look(h);
	if (!h->stopping)
		queue_serve(h);
}

static void
listeners_pause(struct house *h)
{
	const struct timeval again = { 1, 0 };

	for (int i = 0; i < h->listener_count; i++)
		event_del(h->listeners[i].event);
	evtimer_add(h->pause, &again);
}

static void
listeners_resume(evutil_socket_t fd, short what, void *arg)
{
	struct house *h = arg;

	(void)fd;
	(void)what;
	for (int i = 0; i < h->listener_count && !h->stopping; i++)
		event_add(h->listeners[i].event, NULL);
}

static bool
accept_one(struct listener *l)
{
	struct gate_conn conn = { .local = l->local, .local_port = l->port };
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	conn.fd = accept4(l->fd, (struct sockaddr *)&sa, &len, SOCK_CLOEXEC);
	if (conn.fd == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			log_error(EV_WARNING, LS("text", "cannot accept"), LS("reason", strerror(errno)));
			listeners_pause(l->house);
		}
		return false;
	}
	strlcpy(conn.service, l->name, sizeof(conn.service));
	if (ip_from_sockaddr((struct sockaddr *)&sa, &conn.peer, &conn.peer_port) == -1)
		memset(&conn.peer, 0, sizeof(conn.peer)); /* a unix socket: nobody's address */
	len = sizeof(sa);
	if (l->wildcard && getsockname(conn.fd, (struct sockaddr *)&sa, &len) == 0 &&
	    ip_from_sockaddr((struct sockaddr *)&sa, &conn.local, &conn.local_port) == -1)
		memset(&conn.local, 0, sizeof(conn.local));
	conn_arrived(l->house, &conn);
	return true;
}

/* A second accept(2) is tried at once only where the last look found more than one
 * connection: alone, a connection costs one wait and one accept. */
static void
listener_ready(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;
	int n = 0;

	(void)fd;
	(void)what;
	while (n < ACCEPT_BURST && accept_one(l) && (n++ == 0 ? l->burst : true))
		continue;
	l->burst = n > 1 || (!l->burst && n == 1 && l->house->callers.connections > 1);
}

/* Idle workers that nobody needed lately leave, all but the first. */
static void
workers_tidy(evutil_socket_t fd, short what, void *arg)
{
	struct house *h = arg;

	(void)fd;
	(void)what;
	tell_untold(h);
	workers_look(h);
	queue_serve(h); /* should a fork have failed: again */
	for (unsigned i = 1; i < h->gate->workers_max; i++) {
		struct worker *w = &h->workers[i];

		if (w->pid != 0 && w->caller == NULL && !w->used && !w->leaving) {
			w->leaving = true;
			shutdown(w->fd, SHUT_WR);
		}
		w->used = false;
	}
}

static void
workers_nudge(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval again = { 0, NUDGE_MS * 1000 };
	struct house *h = arg;
	int sig = deadline_over(h->kill_at) ? SIGKILL : SIGTERM;

	(void)fd;
	(void)what;
	for (unsigned i = 0; i < h->gate->workers_max; i++)
		if (h->workers[i].pid != 0)
			kill(h->workers[i].pid, sig);
	evtimer_add(h->nudge, &again);
}

static void
house_stop(evutil_socket_t sig, short what, void *arg)
{
	struct house *h = arg;
	struct waiting *w;

	(void)sig;
	(void)what;
	if (h->stopping)
		return;
	h->stopping = true;
	h->kill_at = deadline_in(GRACE_MS);
	evtimer_del(h->pause);
	evtimer_del(h->tidy);
	for (int i = 0; i < h->listener_count; i++) {
		event_free(h->listeners[i].event);
		file_close(h->listeners[i].fd);
	}
	h->listener_count = 0;
	room_clear(&h->room);
	while ((w = STAILQ_FIRST(&h->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&h->queue, next);
		conn_refuse(w->conn.fd, h->gate->busy);
		caller_leave(&h->callers, w->caller);
		free(w);
	}
	for (unsigned i = 0; i < h->gate->workers_max; i++)
		if (h->workers[i].pid != 0)
			shutdown(h->workers[i].fd, SHUT_WR);
	workers_nudge(-1, 0, h);
	if (h->alive == 0)
		event_base_loopbreak(h->base);
}

/* --- startup ------------------------------------------------------------------ */

static bool
connected(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	return getpeername(fd, (struct sockaddr *)&sa, &len) == 0;
}

/* systemd with Accept=yes hands over one descriptor, which is no listening socket but the connection. */
static void
take_accepted(void)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	uint64_t whose;

	if (n == NULL || strcmp(n, "1") != 0 || pid == NULL || num_parse(span_of(pid), INT32_MAX, &whose) == -1 ||
	    whose != (uint64_t)getpid() || !connected(PASSED) || dup2(PASSED, 0) == -1)
		return;
	file_close(PASSED);
	unsetenv("LISTEN_FDS");
}

bool
gate_inetd(void)
{
	take_accepted();
	return getenv("LISTEN_FDS") == NULL && connected(0);
}

/* inetd puts the connection on 1 and 2 as well. A log line must not reach the
 * client: it goes to syslog, each line a datagram. */
void
gate_inetd_log(void)
{
	struct sockaddr_un log = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	struct stat in, err;
	int fd;

	if (fstat(0, &in) == -1 || fstat(2, &err) == -1 || in.st_ino != err.st_ino || in.st_dev != err.st_dev)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || connect(fd, (struct sockaddr *)&log, sizeof(log)) == -1) {
		file_close(fd);
		fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	}
	if (fd == -1 || dup2(fd, 2) == -1)
		close(2);
	file_close(fd);
}

static void
gate_room(const struct gate *g, struct room *r, struct event_base *base,
    void (*left)(void *, struct gate_conn *, void *, enum room_end, const char *), void *arg)
{
	*r = (struct room){ .base = base, .header_ms = g->proxy_ms, .delay_ms = g->banner_ms, .lists_ms = g->lists_ms,
		.left = left, .arg = arg };
	if (g->lists.rules != NULL && g->lists.rules->n > 0)
		r->lists = dnsbl_open(base, &g->lists);
	room_open(r);
}

/* The one connection of an inetd goes through the room as others do. */
struct one {
	struct event_base *base;
	struct gate_conn *conn;
	enum room_end how;
	const char *why;
};

static void
one_left(void *arg, struct gate_conn *conn, void *whose, enum room_end how, const char *why)
{
	struct one *one = arg;

	(void)whose;
	*one->conn = *conn;
	one->how = how;
	one->why = why;
}

static bool
inetd_room(struct gate *g, struct gate_conn *conn, void (*enter)(struct room *, const struct gate_conn *, void *))
{
	struct one one = { event_base_new(), conn, ROOM_LEFT, NULL };
	static struct room room; /* its lists stay until the process ends */

	if (one.base == NULL)
		fatal(EX_OSERR, "cannot make an event loop");
	gate_room(g, &room, one.base, one_left, &one);
	enter(&room, conn, NULL);
	while (!LIST_EMPTY(&room.visitors) && !proc_stopping)
		event_base_loop(one.base, EVLOOP_ONCE);
	room_clear(&room);
	event_base_free(one.base);
	if (one.how == ROOM_WRONG || one.how == ROOM_EARLY)
		tell_refused(g, conn, NULL, one.why);
	if (one.how == ROOM_EARLY)
		conn_refuse_early(fcntl(conn->fd, F_DUPFD_CLOEXEC, 3), g->early);
	return one.how == ROOM_HEADER || one.how == ROOM_WAITED;
}

static bool
inetd_admit(struct gate *g, struct gate_conn *conn)
{
	struct gate_view view;

	conn_view(g, conn, &view);
	if (view.proxy) {
		if (!inetd_room(g, conn, room_header))
			return false;
		conn_view(g, conn, &view);
	}
	conn->xclient = view.xclient;
	return !view.wait || inetd_room(g, conn, room_wait);
}

static int
inetd_serve(struct gate *g, const char *service)
{
	struct gate_conn conn = { 0 };
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	const char *no = NULL;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	gate_inetd_log();
	conn.fd = fcntl(0, F_DUPFD_CLOEXEC, 3);
	if (conn.fd == -1 || fcntl(conn.fd, F_SETFL, 0) == -1)
		fatal(EX_OSERR, "cannot take the connection on fd 0: %s", strerror(errno));
	if (null != -1) {
		(void)dup2(null, 0);
		(void)dup2(null, 1);
		file_close(null);
	}
	strlcpy(conn.service, service, sizeof(conn.service));
	if (getpeername(conn.fd, (struct sockaddr *)&sa, &len) == -1 ||
	    ip_from_sockaddr((struct sockaddr *)&sa, &conn.peer, &conn.peer_port) == -1)
		conn.peer = g->peer != NULL ? *g->peer : (struct ip){ 0 };
	len = sizeof(sa);
	if (getsockname(conn.fd, (struct sockaddr *)&sa, &len) == -1 ||
	    ip_from_sockaddr((struct sockaddr *)&sa, &conn.local, &conn.local_port) == -1)
		memset(&conn.local, 0, sizeof(conn.local));
	(void)setsockopt(conn.fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	proc_signals();
	if (g->admit != NULL)
		no = g->admit(g->arg, &conn);
	if (no != NULL) {
		conn_refuse(conn.fd, no);
		return 0;
	}
	if (g->enter_worker != NULL)
		g->enter_worker(g->arg);
	if (inetd_admit(g, &conn))
		g->serve(g->arg, &conn);
	else
		file_close(conn.fd);
	return 0;
}

static void
listener_init(struct house *h, int fd, const char *name)
{
	struct listener *l = &h->listeners[h->listener_count];
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	static const uint8_t any[16];

	*l = (struct listener){ .house = h, .fd = fd, .name = name };
	if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
	    ip_from_sockaddr((struct sockaddr *)&sa, &l->local, &l->port) == 0) {
		l->wildcard = memcmp(l->local.octets, any, l->local.v6 ? 16 : 4) == 0;
		/* accepted sockets inherit it */
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1)
		fatal(EX_OSERR, "cannot use listening socket %d: %s", fd, strerror(errno));
	l->event = event_new(h->base, fd, EV_READ | EV_PERSIST, listener_ready, l);
	if (l->event == NULL || event_add(l->event, NULL) == -1)
		fatal(EX_OSERR, "cannot watch listening socket %d", fd);
	h->listener_count++;
}

#define FDS_LOOKED_AT 256 /* far more than are open at startup */

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

static void
loop_init(struct house *h)
{
	struct event_config *config = event_config_new();
	bool open_before[FDS_LOOKED_AT];

	for (int fd = 0; fd < FDS_LOOKED_AT; fd++)
		open_before[fd] = is_open(fd);
	if (config != NULL)
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	h->base = config == NULL ? NULL : event_base_new_with_config(config);
	if (h->base == NULL)
		fatal(EX_OSERR, "cannot make an event loop");
	event_config_free(config);
	h->term = evsignal_new(h->base, SIGTERM, house_stop, h);
	h->intr = evsignal_new(h->base, SIGINT, house_stop, h);
	h->pause = evtimer_new(h->base, listeners_resume, h);
	h->nudge = evtimer_new(h->base, workers_nudge, h);
	h->tidy = event_new(h->base, -1, EV_PERSIST, workers_tidy, h);
	if (h->term == NULL || h->intr == NULL || h->pause == NULL || h->nudge == NULL || h->tidy == NULL ||
	    event_add(h->term, NULL) == -1 || event_add(h->intr, NULL) == -1 ||
	    event_add(h->tidy, &(struct timeval){ IDLE_S, 0 }) == -1)
		fatal(EX_OSERR, "cannot make an event loop");
	for (int fd = 0; fd < FDS_LOOKED_AT && h->loop_fd_count < LOOP_FDS_MAX; fd++)
		if (!open_before[fd] && is_open(fd))
			h->loop_fds[h->loop_fd_count++] = fd;
}

static void
house_init(struct house *h, struct gate *g)
{
	size_t board = sizeof(*h->board) + g->workers_max * sizeof(h->board->served[0]);

	h->gate = g;
	h->pid = getpid();
	STAILQ_INIT(&h->queue);
	h->workers = mem_alloc(g->workers_max, sizeof(*h->workers));
	h->board = mmap(NULL, board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (h->board == MAP_FAILED)
		fatal(EX_OSERR, "cannot share memory with workers: %s", strerror(errno));
	loop_init(h);
	callers_init(&h->callers, g->per_minute != 0);
	gate_room(g, &h->room, h->base, visitor_left, h);
}

int
gate_run(struct gate *g, const int *fds, const char *const *names, int n)
{
	static struct house house; /* one gate a process */
	struct house *h = &house;

	if (n == 0 && gate_inetd())
		return inetd_serve(g, names != NULL && names[0] != NULL ? names[0] : "");
	if (n == 0 || n > LISTENERS_MAX)
		fatal(EX_CONFIG, "cannot serve %d listening sockets", n);
	signal(SIGPIPE, SIG_IGN);
	proc_many_files(); /* each connection that waits, and each worker */
	house_init(h, g);
	for (int i = 0; i < n; i++)
		listener_init(h, fds[i], names[i]);
	if (g->enter_parent != NULL)
		g->enter_parent(g->arg);
	mem_settle();
	event_base_dispatch(h->base);
	event_base_free(h->base);
	free(h->workers);
	return 0;
}
