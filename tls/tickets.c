/*
 * tickets: the keys that session tickets are sealed with.
 *
 * They are on no disk: a restart costs each client one full handshake.
 */
#include "tls/tickets.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* One writer, and it writes where nobody reads: behind the newest lies the oldest. */
void
tickets_rotate(struct tickets *t)
{
	unsigned next = (atomic_load(&t->newest) + 1) % TICKETS_KEPT;

	arc4random_buf(&t->keys[next], sizeof(t->keys[next]));
	if (t->count < TICKETS_KEPT - 1)
		t->count++;
	atomic_store(&t->newest, next);
	atomic_store(&t->made_s, time(NULL));
}

static int
set_up(const struct ticket_key *k, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	OSSL_PARAM params[3];
	char digest[] = "SHA256";
	struct ticket_key copy = *k; /* OpenSSL takes no const */
	int good;

	params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, copy.hmac, sizeof(copy.hmac));
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
	params[2] = OSSL_PARAM_construct_end();
	good = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, k->aes, iv, seal) == 1 &&
	    EVP_MAC_CTX_set_params(mac, params) == 1;
	explicit_bzero(&copy, sizeof(copy));
	return good ? 1 : -1;
}

static const struct tickets *tickets; /* SSL_CTX has no place for it that this callback can reach */

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3). */
static int
key_for(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	unsigned newest = atomic_load(&tickets->newest);

	(void)ssl;
	if (seal == 1) {
		const struct ticket_key *k = &tickets->keys[newest];

		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
			return -1;
		memcpy(name, k->name, sizeof(k->name));
		return set_up(k, iv, cipher, mac, 1);
	}
	for (unsigned age = 0; age < tickets->count; age++) {
		const struct ticket_key *k = &tickets->keys[(newest + TICKETS_KEPT - age) % TICKETS_KEPT];

		if (memcmp(name, k->name, sizeof(k->name)) != 0)
			continue;
		if (set_up(k, iv, cipher, mac, 0) == -1)
			return -1;
		return age == 0 ? 1 : 2; /* 2: good, and to be sealed anew */
	}
	return 0; /* a full handshake */
}

void
tickets_use(const struct tickets *t, SSL_CTX *ctx)
{
	tickets = t;
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, key_for);
}
