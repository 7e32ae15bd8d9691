/*
 * dns: look-ups of MX, addresses and names of addresses, over c-ares. The only module that knows it.
 *
 * Names are complete: no search list is tried. U-labels are asked for as A-labels; a
 * name that cannot be in DNS is DNS_NONE. Reads /etc/resolv.conf (again after trouble:
 * a laptop moves) and /etc/hosts, so a sandbox must allow these two.
 */
#ifndef LIB_NET_DNS_H
#define LIB_NET_DNS_H

#include "lib/base/clock.h"
#include "lib/net/ip.h"

enum dns_result { DNS_OK, DNS_NONE /* the name or the type is not there */, DNS_TRY_AGAIN };
struct dns; /* one resolver a process */
/* servers: "" for /etc/resolv.conf, else "127.0.0.1:5353, [::1]:53". */
struct dns *dns_open(const char *servers, int timeout_ms, struct buf *why) MUST_CHECK;
void dns_close(struct dns *);

struct dns_mx {
	uint16_t preference;
	char host[256]; /* "" alone: null MX (RFC 7505) */
};
/* At most max, by preference, equal ones shuffled. DNS_NONE: no MX at all (the
 * caller falls back on the name itself). */
enum dns_result dns_mx(struct dns *, const char *domain, struct dns_mx *, int max, int *n, deadline_ms);
/* AAAA and A, AAAA first, from /etc/hosts or DNS; localhost is never asked for. DNS_OK
 * with at least one. An address, in brackets or not, is its own answer. */
enum dns_result dns_addresses(struct dns *, const char *host, struct ip *, int max, int *n, deadline_ms);
/* The name of an address (PTR). Anybody may claim any name: ask for its addresses, too. */
enum dns_result dns_name(struct dns *, const struct ip *, char name[256], deadline_ms);
/* Why the last look-up gave what it gave, for log and DSN: "DNS server returned answer with no data". */
const char *dns_reason(const struct dns *);

#endif
