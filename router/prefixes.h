/* prefixes: networks as people write them, cut into prefixes. */
#ifndef ROUTER_PREFIXES_H
#define ROUTER_PREFIXES_H

#include "lib/net/ip.h"

/*
 * "192.0.2.0/24", "192.0.2.1", "10.0.0.0/255.0.0.0", "192.0.2.10-192.0.2.20", the same with
 * IPv6. Calls add for each prefix, in order. 0; -1 with why.
 */
int prefixes_parse(struct span, void (*add)(void *arg, const struct ip_prefix *), void *arg,
    struct buf *why) MUST_CHECK;

#endif
