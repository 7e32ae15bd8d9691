/*
 * clients: the certificates that clients show.
 */
#ifndef TLS_CLIENTS_H
#define TLS_CLIENTS_H

#include <openssl/ssl.h>

#include "lib/base/buf.h"

#define CLIENT_DIGEST_HEX 65
#define CLIENT_NAME 256

struct clients {           /* who vouches for them */
	X509_STORE *store; /* NULL: nobody */
	STACK_OF(X509_NAME) *names;
	unsigned char id[32]; /* of all this: sessions that began under another do not go on */
};
/* ca_file: PEM, "" for none. 0; -1 with why, and nobody vouches for anybody. */
int clients_load(struct clients *, const char *ca_file, struct buf *why) MUST_CHECK;
void clients_free(struct clients *);
/* From now on ctx asks for them; whatever is shown will do. */
void clients_ask(const struct clients *, SSL_CTX *ctx);
/* The digest (SHA-256, hex) of what this one has shown, and its name, if somebody vouches for it: the first mail address,
 * else the common name, else the first host name, lower case. Both "" without. */
void clients_facts(const SSL *, char digest[CLIENT_DIGEST_HEX], char name[CLIENT_NAME]);

#endif
