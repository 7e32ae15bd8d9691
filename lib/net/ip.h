/*
 * ip: addresses and prefixes.
 */
#ifndef LIB_NET_IP_H
#define LIB_NET_IP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/base/buf.h"

struct ip {
	bool v6;
	uint8_t octets[16]; /* the first 4 for IPv4 */
};
struct ip_prefix {
	struct ip ip;
	unsigned bits;
};
int ip_parse(struct span, struct ip *) MUST_CHECK; /* "192.0.2.1", "2001:db8::1"; ::ffff:a.b.c.d is v4 */
int ip_prefix_parse(struct span, struct ip_prefix *) MUST_CHECK; /* CIDR, or an address */
bool ip_in(const struct ip *, const struct ip_prefix *);
bool ip_eq(const struct ip *, const struct ip *);
bool ip_loopback(const struct ip *); /* 127.0.0.1 and ::1, not all of 127/8 */
void ip_add(struct buf *, const struct ip *);
/* RFC 5321, 4.1.3: "[192.0.2.1]", "[IPv6:2001:db8::1]". */
void ip_add_literal(struct buf *, const struct ip *);
int ip_literal_parse(struct span, struct ip *) MUST_CHECK;
int ip_from_sockaddr(const struct sockaddr *, struct ip *, uint16_t *port) MUST_CHECK;
socklen_t ip_to_sockaddr(const struct ip *, uint16_t port, struct sockaddr_storage *);

#endif
