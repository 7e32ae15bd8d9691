/*
 * dnsbl: what DNS lists say of a client, asked in an event loop, several at once, remembered for their TTL.
 *
 * A list counts only while it is sane: 127.0.0.2 is in it, 127.0.0.1 is not (RFC 5782, 5), and it has answered. If not, it is
 * suspended (dnsbl.suspended), asked again later, and comes back by itself (dnsbl.resumed).
 */
#ifndef LIB_NET_DNSBL_H
#define LIB_NET_DNSBL_H

#include <sys/queue.h>

#include "lib/net/dnsbl_rules.h"

struct event_base;
struct dnsbl;
struct opinion;

struct dnsbl_settings {
	const struct dnsbl_rules *rules;
	const char *resolver;
	int answer_ms; /* how long an answer may take */
	int probe_ms;  /* between two looks at the lists' sanity */
};
/* Ends the process when it cannot be. */
struct dnsbl *dnsbl_open(struct event_base *, const struct dnsbl_settings *);
void dnsbl_forget(struct dnsbl *); /* in a child */

struct dnsbl_asker {
	LIST_ENTRY(dnsbl_asker) next;
	struct opinion *opinion; /* NULL: not waiting */
	void (*heard)(void *arg, uint8_t listed);
	void *arg;
};
/* True: *listed is the answer, the list that weighs most counted from 1, 0: none. False: heard will be called, later. */
bool dnsbl_ask(struct dnsbl *, const struct ip *, struct dnsbl_asker *, uint8_t *listed);
/* The asker goes; fine when it is not waiting. */
void dnsbl_leave(struct dnsbl_asker *);

#endif
