/*
 * tickets: the keys that session tickets are sealed with (RFC 5077), the same in all processes, new twice a day.
 */
#ifndef TLS_TICKETS_H
#define TLS_TICKETS_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#define TICKETS_KEPT 3             /* sealed with the newest; opened with the one before, too */
#define TICKETS_ROTATE_MS (12 * 3600 * 1000)

struct ticket_key {
	unsigned char name[16], aes[32], hmac[32];
};
struct tickets {                   /* in memory that all processes share; written by the parent alone */
	struct ticket_key keys[TICKETS_KEPT];
	atomic_uint newest;
	atomic_llong made_s; /* the newest */
	unsigned count;
};
void tickets_rotate(struct tickets *);
/* From now on ctx seals and opens by these. They must outlive it. */
void tickets_use(const struct tickets *, SSL_CTX *ctx);

#endif
