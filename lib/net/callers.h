/*
 * callers: who has connections here, counted by address, by network and by minute.
 *
 * An address is an IPv4 address or the /64 that an IPv6 host has; a network a /24 or a /48.
 */
#ifndef LIB_NET_CALLERS_H
#define LIB_NET_CALLERS_H

#include <sys/queue.h>

#include "lib/net/ip.h"

struct network {
	LIST_ENTRY(network) next;
	uint8_t key[7];
	unsigned count;   /* connections */
	unsigned serving; /* of these with a worker */
	unsigned callers; /* that are known of it */
};
struct caller {
	LIST_ENTRY(caller) next;
	TAILQ_ENTRY(caller) idler;
	struct network *network;
	uint8_t key[9];
	unsigned count;   /* connections */
	unsigned serving; /* of these with a worker */
	unsigned came;    /* connections in this minute, which began at since_ms */
	int64_t since_ms;
};
struct callers {
	bool rates;       /* remember for a minute who is gone */
	unsigned connections;
	LIST_HEAD(, caller) table[4096];
	LIST_HEAD(, network) networks[4096];
	TAILQ_HEAD(, caller) idle;
	unsigned idle_count;
};
void callers_init(struct callers *, bool rates);
/* One more connection of this address. */
struct caller *caller_enter(struct callers *, const struct ip *);
void caller_leave(struct callers *, struct caller *);

#endif
