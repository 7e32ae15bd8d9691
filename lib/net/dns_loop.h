/*
 * dns_loop: look-ups of IPv4 addresses in an event loop, many at once, over c-ares. For programs that must not wait.
 *
 * Reads /etc/resolv.conf, like lib/net/dns, when it is opened.
 */
#ifndef LIB_NET_DNS_LOOP_H
#define LIB_NET_DNS_LOOP_H

#include "lib/net/dns.h"

struct event_base;
struct dns_loop;

#define DNS_LOOP_ANSWERS 32 /* addresses of a name that are looked at */
struct dns_a {
	uint8_t octets[4];
	unsigned ttl_s;
};
/* servers: as for dns_open. An answer takes at most about three times try_ms. */
struct dns_loop *dns_loop_open(struct event_base *, const char *servers, int try_ms, struct buf *why) MUST_CHECK;
/* heard is called once for each question, perhaps before this returns. */
void dns_loop_a(struct dns_loop *, const char *name,
    void (*heard)(void *arg, enum dns_result, const struct dns_a *, int n), void *arg);
/* The packet of a server's answer, which can say anything: at most DNS_LOOP_ANSWERS of its addresses. */
enum dns_result dns_loop_read(const unsigned char *octets, int len, struct dns_a *out, int *n);
/* In a child: close the parent's sockets, answer nobody. */
void dns_loop_forget(struct dns_loop *);

#endif
