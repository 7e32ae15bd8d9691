/*
 * front: what the gates know of a client before it is served.
 *
 * Knows addresses only. What a trusted or refused client may do is decided in the session, by maps that are newer,
 * perhaps.
 */
#include "router/front.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/log.h"
#include "lib/store/instance.h"

#define FRESH_MS 1000

int
front_balancers(struct span text, struct ip_prefix *out, size_t max, struct buf *why)
{
	size_t n = 0;

	text = span_trim(text);
	while (text.s != NULL && text.len > 0) {
		struct span one = span_trim(span_cut(&text, ','));

		if (n == max) {
			buf_addf(why, "more than %zu networks", max);
			return -1;
		}
		if (ip_prefix_parse(one, &out[n]) == -1) {
			buf_addf(why, "\"%.*s\" is no address and no network like 192.0.2.0/24", (int)one.len, one.s);
			return -1;
		}
		n++;
	}
	return (int)n;
}

void
front_open(struct front *f, const struct instance *i, const struct conf *conf)
{
	struct buf why = BUF_INIT(1024);
	int n = front_balancers(span_of(conf->proxy_from), f->balancers, FRONT_BALANCERS, &why);

	if (n == -1)
		fatal(EX_CONFIG, "cannot use proxy_from: %s", buf_str(&why));
	f->balancer_count = (size_t)n;
	f->router.conf = conf;
	f->router.maps = generation_open(i->maps, 1u << MAP_ACCESS, &why);
	if (f->router.maps == NULL)
		fatal(EX_CONFIG, "cannot open maps: %s", buf_str(&why));
	f->arena = arena_new();
	buf_free(&why);
}

static void
ask(struct front *f, const struct gate_conn *conn, struct access *access)
{
	router_client(&f->router, &conn->peer, access, f->arena);
	router_listener(&f->router, &conn->local, conn->local_port, access, f->arena);
}

static void
look_up(struct front *f, const struct gate_conn *conn, struct access *access)
{
	if (!deadline_over(f->fresh_until)) {
		ask(f, conn, access);
		if (access->trusted || access->device.name != NULL || !f->eager)
			return;
	}
	router_refresh(&f->router);
	f->fresh_until = deadline_in(FRESH_MS);
	ask(f, conn, access);
}

void
front_view(struct front *f, const struct gate_conn *conn, struct gate_view *view)
{
	struct access access = { 0 };

	look_up(f, conn, &access);
	view->trusted = access.trusted || access.device.name != NULL;
	view->proxy = access.proxy && !conn->proxied;
	view->xclient = access.xclient;
	for (size_t i = 0; i < f->balancer_count && !conn->proxied; i++)
		view->proxy = view->proxy || ip_in(&conn->peer, &f->balancers[i]);
	arena_reset(f->arena);
}
