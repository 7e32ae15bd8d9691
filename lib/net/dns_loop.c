/*
 * dns_loop: look-ups of IPv4 addresses in an event loop, over c-ares.
 *
 * Tells c-ares about sockets and time; what an answer means is for others.
 */
#include "lib/net/dns_loop.h"

#include <sys/queue.h>

#include <arpa/nameser.h>
#include <ares.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/mem.h"

struct watched {
	LIST_ENTRY(watched) next;
	struct dns_loop *loop;
	ares_socket_t fd;
	struct event *event;
};
struct dns_loop {
	ares_channel channel;
	struct event_base *base;
	struct event *clock;
	LIST_HEAD(, watched) sockets;
};
struct question {
	void (*heard)(void *, enum dns_result, const struct dns_a *, int);
	void *arg;
};

static void
set_clock(struct dns_loop *l)
{
	struct timeval tv, *t = ares_timeout(l->channel, NULL, &tv);

	if (t == NULL)
		evtimer_del(l->clock);
	else
		evtimer_add(l->clock, t);
}

static void
clock_rang(evutil_socket_t fd, short what, void *arg)
{
	struct dns_loop *l = arg;

	(void)fd;
	(void)what;
	ares_process_fd(l->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	set_clock(l);
}

static void
socket_ready(evutil_socket_t fd, short what, void *arg)
{
	struct dns_loop *l = ((struct watched *)arg)->loop; /* c-ares may close the socket, and w goes */

	ares_process_fd(l->channel, (what & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
	    (what & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
	set_clock(l);
}

static void
unwatch(struct watched *w)
{
	LIST_REMOVE(w, next);
	if (w->event != NULL)
		event_free(w->event);
	free(w);
}

static void
socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct dns_loop *l = arg;
	struct watched *w;

	LIST_FOREACH(w, &l->sockets, next)
		if (w->fd == fd)
			break;
	if (w != NULL)
		unwatch(w);
	if (!readable && !writable)
		return;
	w = mem_alloc(1, sizeof(*w));
	w->loop = l;
	w->fd = fd;
	LIST_INSERT_HEAD(&l->sockets, w, next);
	w->event = event_new(l->base, fd, (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST),
	    socket_ready, w);
	if (w->event != NULL)
		event_add(w->event, NULL); /* should it fail, the question runs into its time */
}

static int
channel_open(struct dns_loop *l, const char *servers, int try_ms)
{
	struct ares_options o = { .timeout = try_ms, .tries = 2, .sock_state_cb = socket_state, .sock_state_cb_data = l };
	struct buf list = BUF_INIT(1024);
	int rv = ares_init_options(&l->channel, &o, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);

	for (; *servers != '\0'; servers++)
		if (*servers != ' ' && *servers != '\t')
			buf_addc(&list, *servers);
	if (rv == ARES_SUCCESS && list.len > 0) {
		rv = ares_set_servers_ports_csv(l->channel, buf_str(&list));
		if (rv != ARES_SUCCESS)
			ares_destroy(l->channel);
	}
	buf_free(&list);
	return rv;
}

struct dns_loop *
dns_loop_open(struct event_base *base, const char *servers, int try_ms, struct buf *why)
{
	struct dns_loop *l = mem_alloc(1, sizeof(*l));
	int rv = ares_library_init(ARES_LIB_INIT_ALL);

	l->base = base;
	LIST_INIT(&l->sockets);
	l->clock = evtimer_new(base, clock_rang, l);
	if (rv == ARES_SUCCESS && l->clock != NULL)
		rv = channel_open(l, servers, try_ms);
	if (rv == ARES_SUCCESS && l->clock != NULL)
		return l;
	buf_addf(why, "cannot use resolver \"%s\": %s", servers[0] != '\0' ? servers : "/etc/resolv.conf", ares_strerror(rv));
	if (l->clock != NULL)
		event_free(l->clock);
	free(l);
	return NULL;
}

/* "Not there" is only what a server has said, as in lib/net/dns. */
static enum dns_result
result_of(int status)
{
	if (status == ARES_SUCCESS)
		return DNS_OK;
	return status == ARES_ENODATA || status == ARES_ENOTFOUND ? DNS_NONE : DNS_TRY_AGAIN;
}

enum dns_result
dns_loop_read(const unsigned char *octets, int len, struct dns_a *out, int *n)
{
	struct ares_addrttl list[DNS_LOOP_ANSWERS];
	int status;

	*n = DNS_LOOP_ANSWERS;
	status = ares_parse_a_reply(octets, len, NULL, list, n);
	if (status == ARES_SUCCESS && *n == 0)
		status = ARES_ENODATA;
	if (status != ARES_SUCCESS)
		*n = 0;
	for (int i = 0; i < *n; i++) {
		memcpy(out[i].octets, &list[i].ipaddr, 4);
		out[i].ttl_s = list[i].ttl > 0 ? (unsigned)list[i].ttl : 0;
	}
	return result_of(status);
}

static void
arrived(void *arg, int status, int timeouts, unsigned char *octets, int len)
{
	struct question q = *(struct question *)arg;
	struct dns_a a[DNS_LOOP_ANSWERS];
	enum dns_result result = result_of(status);
	int n = 0;

	(void)timeouts;
	free(arg);
	if (status == ARES_SUCCESS)
		result = dns_loop_read(octets, len, a, &n);
	q.heard(q.arg, result, a, n);
}

void
dns_loop_a(struct dns_loop *l, const char *name, void (*heard)(void *, enum dns_result, const struct dns_a *, int), void *arg)
{
	struct question *q = mem_alloc(1, sizeof(*q));

	*q = (struct question){ heard, arg };
	ares_query(l->channel, name, C_IN, T_A, arrived, q);
	set_clock(l);
}

void
dns_loop_forget(struct dns_loop *l)
{
	struct watched *w;

	LIST_FOREACH(w, &l->sockets, next)
		close(w->fd);
}
