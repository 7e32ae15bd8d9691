/*
 * pairs: certificates and their private keys, made ready for handshakes.
 *
 * A directory holds pairs: NAME.pem (the certificate, then its chain) with NAME.key, or NAME/fullchain.pem with
 * NAME/privkey.pem; beside them NAME.ocsp or NAME/ocsp.der may hold an OCSP response to staple. Which names a pair
 * is for stands in the certificate. Pairs for the same names with keys of different kinds (ECDSA, RSA)
 * serve side by side.
 */
#ifndef TLS_PAIRS_H
#define TLS_PAIRS_H

#include <openssl/ssl.h>

#include "lib/base/buf.h"
#include "lib/wire/secure.h"

#define PAIRS_MAX 256

struct pair {
	char *name;        /* of the file, for the log */
	char *key_name;
	X509 *certificate;
	STACK_OF(X509) *chain;
	EVP_PKEY *key;
	struct buf ocsp;   /* DER; empty: nothing to staple */
	int64_t ocsp_from_s, ocsp_until_s; /* until 0: it says no end */
};
struct shop {              /* for the same set of names */
	SSL_CTX *ctx;
	struct pair *pairs[4];
	size_t pair_count;
};
struct pairs {
	const char *dir;   /* the caller's */
	struct pair all[PAIRS_MAX];
	size_t count;
	struct shop shops[PAIRS_MAX];
	size_t shop_count;
	size_t usual;      /* the shop for clients that name no host, or one we have not */
	struct buf faults; /* "; " between them: what could not be used, and why */
	struct buf alarms; /* what is used and still wrong: expired, ends soon, not for our name */
};
/* What has to be the same for every context (tickets, client certificates). */
struct pairs_common {
	void (*set_up)(SSL_CTX *, void *arg);
	void *arg;
	const char *hostname; /* ours: the usual shop, and an alarm when no pair is for it */
};
/* Whatever is good of dir; with none usable count is 0. Never NULL. */
struct pairs *pairs_load(const char *dir, const struct pairs_common *) MUST_CHECK;
void pairs_free(struct pairs *);
/* Has something been lost on the way from before to p? What, is then in p->faults: a pair that cannot be used any more,
 * or whose dates are wrong while its predecessor's are right; our hostname. */
bool pairs_worse(struct pairs *p, const struct pairs *before, const char *hostname);
/* What somebody wants to know of a pair. */
void pairs_describe(const struct pairs *, const struct pair *, struct secure_pair *out);
/* Changes whenever a file in dir does; 0: cannot be read. */
uint64_t pairs_signature(const char *dir);

#endif
