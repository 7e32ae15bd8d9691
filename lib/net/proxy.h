/*
 * proxy: the header in which a balancer says whom it speaks for (HAProxy's PROXY protocol, versions 1 and 2).
 */
#ifndef LIB_NET_PROXY_H
#define LIB_NET_PROXY_H

#include <sys/types.h>

#include "lib/net/ip.h"

#define PROXY_MAX 1024 /* octets of a header; version 1 has at most 107, addresses of version 2 take 52 */

struct proxy {
	bool told; /* the addresses below; else the connection is the balancer's own, or of no IP */
	struct ip peer, local;
	uint16_t peer_port, local_port;
};
/*
 * The header that begins s. Its octets; 0: it is not whole yet, and all of s belongs to it;
 * -1 with errno EINVAL (no header) or EMSGSIZE (longer than PROXY_MAX). *out is set when it is whole.
 */
ssize_t proxy_parse(struct span s, struct proxy *out) MUST_CHECK;
/* Does s begin as a header does? For those who do not expect one: "PROXY ", or version 2's signature. */
bool proxy_begins(struct span s);
/* Likewise, where lines are read: the first line, without its CRLF, and what is there behind it (the signature of
 * version 2 begins with two empty lines). */
bool proxy_begins_with(struct span line, struct span rest);

#endif
