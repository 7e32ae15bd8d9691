/*
 * relay: octets between a TLS session and the program that speaks the protocol inside it.
 */
#ifndef TLS_RELAY_H
#define TLS_RELAY_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/clock.h"

struct way {               /* one direction */
	char *held;        /* what its destination would not take yet; NULL: nothing */
	size_t at, end;
	short wants;       /* of TCP, to go on: POLLIN or POLLOUT; 0: nothing special */
	bool over;         /* its source has ended, and what it said last is with us */
};
struct relay {
	SSL *ssl;
	int tcp, plain;
	unsigned tcp_ready, plain_ready; /* POLLIN, POLLOUT: as far as we know; the kernel tells each once */
	struct way in, out;              /* in: from the client */
	bool broken, told;
	deadline_ms last;                /* NEVER, until the program has ended */
};
enum relay_state { RELAY_WAITS, RELAY_GOES_ON, RELAY_OVER };
/* plain: a non-blocking stream socket. Both are watched edge-triggered (epoll(7)) by the caller. */
void relay_open(struct relay *, SSL *, int plain);
/* As far as it goes without waiting, or for a fair share. RELAY_GOES_ON: call again without waiting.
 * RELAY_OVER: one side has ended, and what it said before is with the other, or cannot be any more. */
enum relay_state relay_step(struct relay *);
void relay_close(struct relay *);
/* Read and forget what the client still says: true when there will be no more. */
bool relay_drained(struct relay *);

#endif
