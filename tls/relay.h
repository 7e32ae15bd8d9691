/*
 * relay: octets between a TLS session and the program that speaks the protocol inside it.
 */
#ifndef TLS_RELAY_H
#define TLS_RELAY_H

#include <openssl/ssl.h>

#include "lib/base/clock.h"

/* Until one side ends; what the other said before is still carried over. plain: a non-blocking stream socket.
 * Waits are the protocol's business: none here but for the last words. */
void relay_run(SSL *, int plain);

#endif
