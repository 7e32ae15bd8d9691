/*
 * told: the words of XCLIENT, of smtpd and of pop3d. Postfix's XCLIENT_README is the specification; Dovecot's proxies
 * say SESSION, TTL and FORWARD as well, which mean nothing to us.
 */
#ifndef LIB_NET_TOLD_H
#define LIB_NET_TOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/net/ip.h"

#define TOLD_VALUE 255 /* octets, decoded */

struct told {
	struct ip addr, destaddr;
	bool has_addr, has_destaddr, has_proto, esmtp;
	uint64_t port, destport;
	char name[TOLD_VALUE + 1], helo[TOLD_VALUE + 1], login[TOLD_VALUE + 1];
};
/* All that stands behind XCLIENT. What is not known is empty. False: these are no such words. */
bool told_parse(struct span, struct told *) MUST_CHECK;

#endif
