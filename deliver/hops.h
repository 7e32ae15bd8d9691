/*
 * hops: a next hop, as the router wrote it, becomes hosts in the order in which they are tried.
 */
#ifndef DELIVER_HOPS_H
#define DELIVER_HOPS_H

#include "lib/mail/reply.h"
#include "lib/net/dns.h"

#define HOPS_MAX 20

struct hop {
	char host[256];  /* a name, or an address in brackets */
	uint16_t port;
	bool is_address;
	struct ip ip;    /* then */
};
struct hops {
	struct hop hop[HOPS_MAX];
	int n;
	/* why there are none */
	int code;
	const char *enhanced;
	char reason[512];
};
struct hops_self {   /* who we are: mail may not be sent to ourselves by MX */
	const char *hostname, *helo;
	uint16_t port;   /* for MX */
};
/*
 * text: "mx:DOMAIN", "smarthost:HOST[:PORT],..." (a host may be "[ADDRESS]"). SENT: there are some. RETRY, FAILED: none, with code and reason.
 * Of MX hosts, those that are ourselves and all behind them are left out (RFC 5321, 5.1).
 */
enum outcome hops_find(struct hops *, const char *text, struct dns *, const struct hops_self *, deadline_ms);
/* Where it is: an address needs no DNS. *n of them, at most max. */
enum dns_result hop_addresses(const struct hop *, struct dns *, struct ip *, int max, int *n, deadline_ms);
/* Is this one of our own addresses? */
bool hops_own_address(const struct ip *);

#endif
