/* tls/tickets.c: a session is resumed by its ticket until the key it was sealed with has been rotated out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <string.h>

#include "tls/tickets.h"

static struct tickets keys;

static void
give_certificate(SSL_CTX *ctx)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();

	assert_non_null(key);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	assert_int_equal(X509_set_pubkey(x, key), 1);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_int_equal(SSL_CTX_use_cert_and_key(ctx, x, key, NULL, 1), 1);
	X509_free(x);
	EVP_PKEY_free(key);
}

/* As two processes of tlsd: the same keys, nothing else in common but the certificate's kind. */
static SSL_CTX *
new_server(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	give_certificate(ctx);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	assert_int_equal(SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"x", 1), 1);
	tickets_use(&keys, ctx);
	return ctx;
}

/* A handshake and a word, in memory. Was it resumed? *session is given and taken. */
static bool
shake_hands(SSL_CTX *server_ctx, SSL_CTX *client_ctx, SSL_SESSION **session)
{
	SSL *server = SSL_new(server_ctx), *client = SSL_new(client_ctx);
	BIO *a, *b;
	bool resumed;
	char octet;

	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(server, a, a);
	SSL_set_bio(client, b, b);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	if (*session != NULL)
		assert_int_equal(SSL_set_session(client, *session), 1);
	for (int i = 0; i < 10; i++) {
		(void)SSL_do_handshake(client);
		(void)SSL_do_handshake(server);
	}
	assert_true(SSL_is_init_finished(server) && SSL_is_init_finished(client));
	assert_int_equal(SSL_write(server, "x", 1), 1);
	assert_int_equal(SSL_read(client, &octet, 1), 1); /* and the ticket in front of it */
	resumed = SSL_session_reused(server) == 1;
	assert_int_equal(resumed, SSL_session_reused(client));
	SSL_SESSION_free(*session);
	*session = SSL_get1_session(client);
	(void)SSL_shutdown(client);
	SSL_free(server);
	SSL_free(client);
	return resumed;
}

static void
rotation(void **state)
{
	int version = *(int *)*state;
	SSL_CTX *first = new_server(), *second = new_server(), *client = SSL_CTX_new(TLS_client_method());
	SSL_SESSION *session = NULL;

	assert_int_equal(SSL_CTX_set_max_proto_version(client, version), 1);
	assert_false(shake_hands(first, client, &session));
	assert_true(shake_hands(second, client, &session)); /* another process */
	tickets_rotate(&keys);
	assert_true(shake_hands(first, client, &session)); /* the key before is good still, and the ticket sealed anew */
	tickets_rotate(&keys);
	assert_true(shake_hands(first, client, &session)); /* ... by the one that is now before the newest */
	tickets_rotate(&keys);
	tickets_rotate(&keys);
	assert_false(shake_hands(first, client, &session)); /* a handshake like any */
	assert_true(shake_hands(second, client, &session));
	SSL_SESSION_free(session);
	SSL_CTX_free(first);
	SSL_CTX_free(second);
	SSL_CTX_free(client);
}

static void
keys_differ(void **state)
{
	struct ticket_key before;

	(void)state;
	before = keys.keys[atomic_load(&keys.newest)];
	tickets_rotate(&keys);
	assert_memory_not_equal(&before, &keys.keys[atomic_load(&keys.newest)], sizeof(before));
	assert_true(atomic_load(&keys.made_s) > 1700000000);
}

int
main(void)
{
	static int old = TLS1_2_VERSION, new = TLS1_3_VERSION;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(rotation, &old),
		cmocka_unit_test_prestate(rotation, &new),
		cmocka_unit_test(keys_differ),
	};

	tickets_rotate(&keys);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
