/*
 * room: where connections are before they are served.
 *
 * Knows descriptors, clocks and lib/net/proxy; no protocol of a service. Of a header it takes its own octets and
 * not one more: what follows is the service's.
 */
#include "lib/net/room.h"

#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/net/dnsbl.h"
#include "lib/net/proxy.h"
#include "lib/sys/file.h"

struct visitor {
	LIST_ENTRY(visitor) next;
	struct room *room;
	struct gate_conn conn;
	void *whose;
	struct event *event;
	deadline_ms until;
	deadline_ms delay; /* it waits at least so long */
	struct dnsbl_asker asker;
	char *header;  /* PROXY_MAX; the first have octets are there */
	size_t have;
};

void
room_open(struct room *r)
{
	LIST_INIT(&r->visitors);
}

static void
visitor_free(struct visitor *v)
{
	dnsbl_leave(&v->asker);
	LIST_REMOVE(v, next);
	event_free(v->event);
	free(v->header);
	free(v);
}

static void
leave(struct visitor *v, enum room_end how, const char *why)
{
	struct room *r = v->room;
	struct gate_conn conn = v->conn;
	void *whose = v->whose;

	visitor_free(v);
	r->left(r->arg, &conn, whose, how, why);
}

/* Again when there is input, or then. */
static void
await(struct visitor *v, deadline_ms until)
{
	int left = deadline_left(until);
	struct timeval tv = { left / 1000, left % 1000 * 1000 };

	if (event_add(v->event, &tv) == -1)
		fatal(EX_OSERR, "cannot watch a connection");
}

static struct visitor *
enter(struct room *r, const struct gate_conn *conn, void *whose, event_callback_fn heard, int wait_ms)
{
	struct visitor *v = mem_alloc(1, sizeof(*v));

	v->room = r;
	v->conn = *conn;
	v->whose = whose;
	v->until = deadline_in(wait_ms);
	v->event = event_new(r->base, conn->fd, EV_READ, heard, v);
	if (v->event == NULL)
		fatal(EX_OSERR, "cannot watch a connection");
	LIST_INSERT_HEAD(&r->visitors, v, next);
	return v;
}

/* --- the header of a balancer ------------------------------------------------- */

static void
take_header(struct visitor *v, const struct proxy *p)
{
	v->conn.via = v->conn.peer;
	v->conn.proxied = true;
	if (p->told) {
		v->conn.peer = p->peer;
		v->conn.local = p->local;
		v->conn.peer_port = p->peer_port;
		v->conn.local_port = p->local_port;
	}
	leave(v, ROOM_HEADER, NULL);
}

/* All of what was peeked at is the header's, or as much as ends it: only that is taken off the socket. */
static void
header_heard(evutil_socket_t fd, short what, void *arg)
{
	struct visitor *v = arg;
	struct proxy p = { 0 };
	ssize_t n, len;

	if ((what & EV_TIMEOUT) != 0) {
		leave(v, ROOM_WRONG, "it took too long");
		return;
	}
	n = recv(fd, v->header + v->have, PROXY_MAX - v->have, MSG_PEEK | MSG_DONTWAIT);
	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR)) {
		leave(v, ROOM_LEFT, NULL);
		return;
	}
	n = n == -1 ? 0 : n;
	len = proxy_parse((struct span){ v->header, v->have + (size_t)n }, &p);
	if (len == -1) {
		leave(v, ROOM_WRONG, errno == EMSGSIZE ? "it is too long" : "this is none");
		return;
	}
	if (len > 0)
		n = len - (ssize_t)v->have;
	if (n > 0 && recv(fd, v->header + v->have, (size_t)n, MSG_DONTWAIT) != n) {
		leave(v, ROOM_LEFT, NULL);
		return;
	}
	v->have += (size_t)n;
	if (len > 0)
		take_header(v, &p);
	else
		await(v, v->until);
}

void
room_header(struct room *r, const struct gate_conn *conn, void *whose)
{
	struct visitor *v = enter(r, conn, whose, header_heard, r->header_ms);

	v->header = mem_alloc(PROXY_MAX, 1);
	await(v, v->until);
}

/* --- strangers ---------------------------------------------------------------------- */

/* Does it wait still: for its time, or for the lists? */
static void
go_on(struct visitor *v)
{
	bool asking = v->asker.opinion != NULL && !deadline_over(v->until);

	if (!deadline_over(v->delay))
		await(v, v->delay);
	else if (asking)
		await(v, v->until);
	else
		leave(v, ROOM_WAITED, NULL);
}

/* RFC 5321, 3.1: who does not wait for the banner is in a hurry that mail servers are not in. */
static void
stranger_heard(evutil_socket_t fd, short what, void *arg)
{
	struct visitor *v = arg;
	char octet;
	ssize_t n = 0;

	if ((what & EV_READ) != 0) {
		n = recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT);
		if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR)) {
			leave(v, ROOM_LEFT, NULL);
			return;
		}
	}
	if (n > 0)
		leave(v, ROOM_EARLY, NULL);
	else
		go_on(v);
}

static void
opinion_heard(void *arg, uint8_t listed)
{
	struct visitor *v = arg;

	v->conn.listed = listed;
	go_on(v);
}

void
room_wait(struct room *r, const struct gate_conn *conn, void *whose)
{
	struct visitor *v = enter(r, conn, whose, stranger_heard, r->lists_ms);

	v->delay = deadline_in(r->delay_ms);
	v->asker.heard = opinion_heard;
	v->asker.arg = v;
	if (r->lists != NULL)
		(void)dnsbl_ask(r->lists, &conn->peer, &v->asker, &v->conn.listed);
	go_on(v);
}

/* --- the end ------------------------------------------------------------------- */

void
room_clear(struct room *r)
{
	while (!LIST_EMPTY(&r->visitors))
		leave(LIST_FIRST(&r->visitors), ROOM_LEFT, NULL); // NOLINT(clang-analyzer-unix.Malloc): who leaves is in no list
}

void
room_forget(struct room *r)
{
	struct visitor *v;

	LIST_FOREACH(v, &r->visitors, next)
		file_close(v->conn.fd);
	if (r->lists != NULL)
		dnsbl_forget(r->lists);
}
