/*
 * front: what the gates of smtpd and pop3d know of a client before it is served: the map access by address, and
 * proxy_from.
 */
#ifndef ROUTER_FRONT_H
#define ROUTER_FRONT_H

#include "lib/base/clock.h"
#include "lib/net/gate.h"
#include "router/router.h"

#define FRONT_BALANCERS 64

struct front {
	struct router router; /* its maps alone */
	struct arena *arena;
	deadline_ms fresh_until;
	bool eager; /* strangers are looked up in the newest maps, whatever it costs */
	struct ip_prefix balancers[FRONT_BALANCERS];
	size_t balancer_count;
};
/* Ends the process when maps or settings cannot be read. */
void front_open(struct front *, const struct instance *, const struct conf *);
/* Looks for new maps once a second, so that it costs a gate nothing. */
void front_view(struct front *, const struct gate_conn *, struct gate_view *);
/* "192.0.2.1, 2001:db8::/32". How many; -1 with why. */
int front_balancers(struct span, struct ip_prefix *, size_t max, struct buf *why) MUST_CHECK;

#endif
