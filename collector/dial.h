/*
 * dial: a host's name, and a connection to it.
 */
#ifndef COLLECTOR_DIAL_H
#define COLLECTOR_DIAL_H

#include "collector/account.h"
#include "lib/net/dialogue.h"

/*
 * To any address of the host; d has been initialised. each wait ends after wait_ms. then(arg), unless NULL, must give 0
 * as well, else the next address is tried (TLS at once). 0; -1 with why: what the last address came to.
 */
int dial(const struct house *, struct dialogue *d, const char *host, uint16_t port, int64_t wait_ms,
    int (*then)(void *), void *arg, struct buf *why) MUST_CHECK;

#endif
