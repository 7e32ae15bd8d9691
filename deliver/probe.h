/*
 * probe: one question to the servers of a next hop: would you take mail for this address?
 */
#ifndef DELIVER_PROBE_H
#define DELIVER_PROBE_H

#include "deliver/reach.h"
#include "lib/wire/callout.h"

struct probe {
	struct dns *dns;
	const struct reach *reach;
};
struct probe_result {
	enum callout_answer answer;
	int code; /* of NO */
	char enhanced[12];
	char text[512]; /* of NO: the server's words, printable; of UNKNOWN: why */
};
/* Blocking, until the deadline. nexthop: as the router writes it. */
void probe_ask(const struct probe *, const char *nexthop, const char *address, deadline_ms, struct probe_result *);

#endif
