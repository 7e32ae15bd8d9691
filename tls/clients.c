/*
 * clients: the certificates that clients show.
 *
 * Knows who vouches for them, and what stands in them. What they are good for the map access decides.
 */
#include "tls/clients.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/mail/digest.h"
#include "lib/sys/file.h"

#define CA_FILE_OCTETS (1024 * 1024)
#define AUTHORITIES_MAX 100

static int
take_authorities(struct clients *c, const struct buf *text)
{
	BIO *bio = BIO_new_mem_buf(text->s, (int)text->len);
	X509 *x;
	int n = 0;

	while (n < AUTHORITIES_MAX && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (X509_STORE_add_cert(c->store, x) == 1 &&
		    sk_X509_NAME_push(c->names, X509_NAME_dup(X509_get_subject_name(x))) > 0)
			n++;
		X509_free(x);
	}
	BIO_free(bio);
	ERR_clear_error(); /* the end of the file is one */
	return n;
}

int
clients_load(struct clients *c, const char *ca_file, struct buf *why)
{
	struct buf text = BUF_INIT(CA_FILE_OCTETS);
	int rv = 0;

	*c = (struct clients){ 0 };
	if (ca_file[0] == '\0')
		return 0;
	c->store = X509_STORE_new();
	c->names = sk_X509_NAME_new_null();
	if (file_slurp_at(AT_FDCWD, ca_file, &text) == -1) {
		buf_addf(why, "%s: %s", ca_file, strerror(errno));
		rv = -1;
	} else if (take_authorities(c, &text) == 0) {
		buf_addf(why, "%s: no PEM certificate", ca_file);
		rv = -1;
	}
	(void)EVP_Digest(buf_str(&text), text.len, c->id, NULL, EVP_sha256(), NULL);
	if (rv == -1)
		clients_free(c);
	buf_free(&text);
	return rv;
}

void
clients_free(struct clients *c)
{
	X509_STORE_free(c->store);
	sk_X509_NAME_pop_free(c->names, X509_NAME_free);
	*c = (struct clients){ 0 };
}

static int
any_certificate(int good, X509_STORE_CTX *ctx)
{
	(void)good;
	(void)ctx;
	return 1; /* what is wrong with it remains the result of the verification */
}

void
clients_ask(const struct clients *c, SSL_CTX *ctx)
{
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, any_certificate);
	(void)SSL_CTX_set_session_id_context(ctx, c->id, sizeof(c->id));
	if (c->store == NULL)
		return;
	(void)SSL_CTX_set1_verify_cert_store(ctx, c->store);
	SSL_CTX_set_client_CA_list(ctx, SSL_dup_CA_list(c->names));
}

/* --- what stands in one --------------------------------------------------- */

/* Printable ASCII and short enough, or it is no name for us. */
static bool
take_name(const unsigned char *s, int n, char name[CLIENT_NAME])
{
	if (s == NULL || n <= 0 || n >= CLIENT_NAME)
		return false;
	for (int i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return false;
	memcpy(name, s, (size_t)n);
	name[n] = '\0';
	ascii_lowern(name, (size_t)n);
	return true;
}

static bool
take_alternative(const X509 *x, int type, char name[CLIENT_NAME])
{
	GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(all) && !found; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);

		if (g->type == type) /* rfc822Name and dNSName are both IA5String */
			found = take_name(ASN1_STRING_get0_data(g->d.ia5), ASN1_STRING_length(g->d.ia5), name);
	}
	GENERAL_NAMES_free(all);
	return found;
}

static bool
take_common_name(const X509 *x, char name[CLIENT_NAME])
{
	X509_NAME *subject = X509_get_subject_name(x);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	const ASN1_STRING *s = at == -1 ? NULL : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));

	return s != NULL && take_name(ASN1_STRING_get0_data(s), ASN1_STRING_length(s), name);
}

void
clients_facts(const SSL *ssl, char hex[CLIENT_DIGEST_HEX], char name[CLIENT_NAME])
{
	X509 *x = SSL_get1_peer_certificate(ssl);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	hex[0] = name[0] = '\0';
	if (x == NULL)
		return;
	if (X509_digest(x, EVP_sha256(), digest, &n) == 1)
		digest_hex(digest, n, hex);
	if (SSL_get_verify_result(ssl) == X509_V_OK && !take_alternative(x, GEN_EMAIL, name) && !take_common_name(x, name))
		(void)take_alternative(x, GEN_DNS, name);
	X509_free(x);
	ERR_clear_error();
}
