/*
 * pairs: certificates and their private keys, made ready for handshakes.
 *
 * Knows where they lie, whether key and certificate belong together, dates, names, and which a client
 * gets. Nothing of connections.
 */
#include "tls/pairs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/mail/digest.h"
#include "lib/sys/file.h"

#define FILE_OCTETS (256 * 1024) /* a certificate with its chain, a key, a response */
#define CHAIN_MAX 10

/* --- files --------------------------------------------------------------- */

static void
fault(struct pairs *p, const char *name, const char *what)
{
	if (p->faults.len > 0)
		buf_adds(&p->faults, "; ");
	buf_addf(&p->faults, "%s: %s", name, what);
}

static void
alarm_about(struct pairs *p, const char *name, const char *what)
{
	if (p->alarms.len > 0)
		buf_adds(&p->alarms, "; ");
	buf_addf(&p->alarms, "%s: %s", name, what);
}

static bool
slurp(struct pairs *p, int dir, const char *name, struct buf *out)
{
	if (file_slurp_at(dir, name, out) == 0)
		return true;
	fault(p, name, errno == EACCES ? "cannot be read: it has to belong to tlsd's user (chown phtls)"
	                               : strerror(errno));
	return false;
}

static bool
read_certificates(struct pair *pair, const struct buf *text)
{
	BIO *bio = BIO_new_mem_buf(text->s, (int)text->len);
	bool ends_well; /* and not in the middle of a certificate: somebody may be writing it */
	X509 *x;

	pair->chain = sk_X509_new_null();
	pair->certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	while (pair->certificate != NULL && sk_X509_num(pair->chain) < CHAIN_MAX &&
	    (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		sk_X509_push(pair->chain, x);
	ends_well = sk_X509_num(pair->chain) == CHAIN_MAX || ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	BIO_free(bio);
	ERR_clear_error();
	return pair->certificate != NULL && ends_well;
}

/* A passphrase would have to lie beside the key: nobody is asked for one. */
static int
no_passphrase(char *to, int size, int writing, void *arg)
{
	(void)to;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static bool
read_key(struct pair *pair, const struct buf *text)
{
	BIO *bio = BIO_new_mem_buf(text->s, (int)text->len);

	pair->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	ERR_clear_error();
	return pair->key != NULL;
}

/* --- one pair ------------------------------------------------------------ */

static bool
in_time(const struct pair *pair)
{
	return X509_cmp_current_time(X509_get0_notBefore(pair->certificate)) <= 0 &&
	    X509_cmp_current_time(X509_get0_notAfter(pair->certificate)) > 0;
}

static void
check_dates(struct pairs *p, const struct pair *pair)
{
	const ASN1_TIME *from = X509_get0_notBefore(pair->certificate), *to = X509_get0_notAfter(pair->certificate);

	if (X509_cmp_current_time(from) > 0)
		alarm_about(p, pair->name, "the certificate is not valid yet");
	else if (X509_cmp_current_time(to) < 0)
		alarm_about(p, pair->name, "the certificate has expired");
}

static void
forget_pair(struct pair *pair)
{
	free(pair->name);
	free(pair->key_name);
	X509_free(pair->certificate);
	sk_X509_pop_free(pair->chain, X509_free);
	EVP_PKEY_free(pair->key);
	buf_free(&pair->ocsp);
	*pair = (struct pair){ 0 };
}

/* Seconds since 1970; 0 for no time at all. */
static int64_t
seconds(const ASN1_TIME *t)
{
	struct tm tm;

	return t != NULL && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static bool
response_counts(const struct pair *pair)
{
	return pair->ocsp.len > 0 && (pair->ocsp_until_s == 0 || pair->ocsp_until_s > (int64_t)time(NULL));
}

/* RFC 6960, 4.2.2.1: a response that has run out helps nobody. */
static bool
response_good(struct pair *pair)
{
	const unsigned char *at = (const unsigned char *)pair->ocsp.s;
	OCSP_RESPONSE *r = d2i_OCSP_RESPONSE(NULL, &at, (long)pair->ocsp.len);
	OCSP_BASICRESP *basic = r != NULL ? OCSP_response_get1_basic(r) : NULL;
	OCSP_SINGLERESP *one = basic != NULL ? OCSP_resp_get0(basic, 0) : NULL;
	ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;

	if (one != NULL) {
		(void)OCSP_single_get0_status(one, NULL, NULL, &from, &until);
		pair->ocsp_from_s = seconds(from);
		pair->ocsp_until_s = seconds(until);
	}
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(r);
	ERR_clear_error();
	return one != NULL && response_counts(pair);
}

static void
read_response(struct pairs *p, struct pair *pair, int dir, const char *name)
{
	buf_init(&pair->ocsp, FILE_OCTETS);
	if (file_slurp_at(dir, name, &pair->ocsp) == -1) {
		buf_reset(&pair->ocsp);
		if (errno != ENOENT)
			alarm_about(p, name, strerror(errno));
	} else if (!response_good(pair)) {
		alarm_about(p, name, "no OCSP response, or one that has run out: not stapled");
		buf_reset(&pair->ocsp);
	}
}

static void
add_pair(struct pairs *p, int dir, const char *cert_name, const char *key_name, const char *ocsp_name)
{
	struct pair *pair = &p->all[p->count];
	struct buf cert = BUF_INIT(FILE_OCTETS), key = BUF_INIT(FILE_OCTETS);

	if (p->count == PAIRS_MAX) {
		fault(p, cert_name, "more pairs than one tlsd serves");
		return;
	}
	pair->name = mem_dup(cert_name);
	pair->key_name = mem_dup(key_name);
	if (!slurp(p, dir, cert_name, &cert) || !slurp(p, dir, key_name, &key))
		forget_pair(pair);
	else if (!read_certificates(pair, &cert)) {
		fault(p, cert_name, pair->certificate == NULL ? "no PEM certificate" : "the chain is cut off");
		forget_pair(pair);
	} else if (!read_key(pair, &key)) {
		fault(p, key_name, "no PEM private key, or one with a passphrase");
		forget_pair(pair);
	} else if (X509_check_private_key(pair->certificate, pair->key) != 1) {
		ERR_clear_error();
		fault(p, cert_name, "the key is not this certificate's");
		forget_pair(pair);
	} else {
		check_dates(p, pair);
		read_response(p, pair, dir, ocsp_name);
		p->count++;
	}
	buf_wipe(&key);
	buf_free(&key);
	buf_free(&cert);
}

/* --- the directory ------------------------------------------------------- */

static bool
there(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, 0) == 0;
}

static bool
ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && strcmp(name + n - m, end) == 0;
}

/* An entry of the directory, if it is a pair. */
static void
look_at(struct pairs *p, int dir, const char *entry)
{
	size_t n = strlen(entry);
	char *cert, *key, *ocsp;

	if (entry[0] == '.')
		return;
	if (ends_in(entry, ".pem")) {
		cert = mem_dup(entry);
		key = mem_fmt("%.*s.key", (int)(n - 4), entry);
		ocsp = mem_fmt("%.*s.ocsp", (int)(n - 4), entry);
	} else {
		cert = mem_fmt("%s/fullchain.pem", entry);
		key = mem_fmt("%s/privkey.pem", entry);
		ocsp = mem_fmt("%s/ocsp.der", entry);
	}
	if (there(dir, cert) && there(dir, key))
		add_pair(p, dir, cert, key, ocsp);
	free(cert);
	free(key);
	free(ocsp);
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
read_directory(struct pairs *p, const char *path)
{
	struct dirent **entries = NULL;
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int n = dir == -1 ? -1 : scandirat(dir, ".", &entries, NULL, by_name);

	if (n == -1)
		fault(p, path, strerror(errno));
	for (int i = 0; i < n; i++) {
		look_at(p, dir, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	file_close(dir);
}

static uint64_t
stir(uint64_t sum, const struct stat *st)
{
	const uint64_t facts[] = { (uint64_t)st->st_ino, (uint64_t)st->st_size, (uint64_t)st->st_mtim.tv_sec,
		(uint64_t)st->st_mtim.tv_nsec, (uint64_t)st->st_ctim.tv_sec, (uint64_t)st->st_ctim.tv_nsec };

	for (size_t i = 0; i < COUNT(facts); i++)
		sum = (sum ^ facts[i]) * 1099511628211u; /* FNV-1a, by words */
	return sum;
}

uint64_t
pairs_signature(const char *path)
{
	static const char *const inside[] = { "", "/fullchain.pem", "/privkey.pem", "/ocsp.der" };
	DIR *d = opendir(path);
	uint64_t sum = 14695981039346656037u, all = 0;
	const struct dirent *e;
	struct stat st;

	while (d != NULL && (e = readdir(d)) != NULL)
		for (size_t i = 0; i < COUNT(inside) && e->d_name[0] != '.'; i++) {
			char *name = mem_fmt("%s%s", e->d_name, inside[i]);

			if (fstatat(dirfd(d), name, &st, 0) == 0)
				all += stir(sum, &st); /* in any order */
			free(name);
		}
	if (d != NULL)
		closedir(d);
	return all;
}

/* --- which one a client gets --------------------------------------------- */

static int
staple(SSL *ssl, void *arg)
{
	const struct shop *shop = arg;
	const X509 *shown = SSL_get_certificate(ssl);

	for (size_t i = 0; i < shop->pair_count; i++) {
		const struct buf *der = &shop->pairs[i]->ocsp;
		unsigned char *copy;

		if (shop->pairs[i]->certificate != shown || !response_counts(shop->pairs[i]))
			continue;
		copy = OPENSSL_memdup(der->s, der->len);
		if (copy == NULL || SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)der->len) != 1)
			return SSL_TLSEXT_ERR_NOACK;
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_NOACK;
}

static bool
is_for(const struct shop *shop, const char *host)
{
	return X509_check_host(shop->pairs[0]->certificate, host, strlen(host), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
	           NULL) == 1;
}

/* RFC 6066, 3. A name that is none of ours is no error: many clients say anything. */
static int
choose(SSL *ssl, int *alert, void *arg)
{
	const struct pairs *p = arg;
	const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	if (host == NULL || is_for(&p->shops[p->usual], host))
		return SSL_TLSEXT_ERR_OK;
	for (size_t i = 0; i < p->shop_count; i++)
		if (is_for(&p->shops[i], host)) {
			SSL_set_SSL_CTX(ssl, p->shops[i].ctx);
			return SSL_TLSEXT_ERR_OK;
		}
	return SSL_TLSEXT_ERR_OK;
}

/* --- contexts ------------------------------------------------------------ */

/* TLS 1.2 with forward secrecy and AEAD, or TLS 1.3 (RFC 9325, 4.2). */
#define CIPHERS_12 "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!aPSK:!aNULL:!aDSS"

static SSL_CTX *
new_context(struct pairs *p, struct shop *shop, const struct pairs_common *c)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, CIPHERS_12) != 1 || SSL_CTX_set_dh_auto(ctx, 1) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
	        SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CLEANSE_PLAINTEXT);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	        SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets, RFC 5077 and RFC 8446, 4.6.1 */
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"posthouse", 9);
	SSL_CTX_set_tlsext_status_cb(ctx, staple);
	SSL_CTX_set_tlsext_status_arg(ctx, shop);
	SSL_CTX_set_tlsext_servername_callback(ctx, choose);
	SSL_CTX_set_tlsext_servername_arg(ctx, p);
	c->set_up(ctx, c->arg);
	return ctx;
}

static bool
put_in(struct shop *shop, struct pair *pair)
{
	if (SSL_CTX_use_cert_and_key(shop->ctx, pair->certificate, pair->key, pair->chain, 1) != 1)
		return false;
	shop->pairs[shop->pair_count++] = pair;
	return true;
}

/* The same subjectAltName, octet for octet, and a key of a kind that is not there yet. */
static bool
fits(const struct shop *shop, const struct pair *pair)
{
	GENERAL_NAMES *a = X509_get_ext_d2i(shop->pairs[0]->certificate, NID_subject_alt_name, NULL, NULL);
	GENERAL_NAMES *b = X509_get_ext_d2i(pair->certificate, NID_subject_alt_name, NULL, NULL);
	unsigned char *x = NULL, *y = NULL;
	int n = a != NULL ? i2d_GENERAL_NAMES(a, &x) : -1, m = b != NULL ? i2d_GENERAL_NAMES(b, &y) : -2;
	bool same = n == m && x != NULL && y != NULL && memcmp(x, y, (size_t)n) == 0 && shop->pair_count < COUNT(shop->pairs);

	for (size_t i = 0; same && i < shop->pair_count; i++)
		same = EVP_PKEY_get_base_id(shop->pairs[i]->key) != EVP_PKEY_get_base_id(pair->key);
	GENERAL_NAMES_free(a);
	GENERAL_NAMES_free(b);
	OPENSSL_free(x);
	OPENSSL_free(y);
	return same;
}

static void
place(struct pairs *p, struct pair *pair, const struct pairs_common *c)
{
	struct shop *shop = &p->shops[p->shop_count];

	for (size_t i = 0; i < p->shop_count; i++)
		if (fits(&p->shops[i], pair)) {
			if (!put_in(&p->shops[i], pair))
				fault(p, pair->name, "OpenSSL does not take it");
			return;
		}
	shop->ctx = new_context(p, shop, c);
	if (shop->ctx != NULL && put_in(shop, pair)) {
		p->shop_count++;
		return;
	}
	fault(p, pair->name, "OpenSSL does not take it (too weak a key?)");
	SSL_CTX_free(shop->ctx);
	*shop = (struct shop){ 0 };
	ERR_clear_error();
}

static void
choose_usual(struct pairs *p, const char *hostname)
{
	for (size_t i = 0; i < p->shop_count; i++)
		if (is_for(&p->shops[i], hostname)) {
			p->usual = i;
			return;
		}
	if (p->shop_count > 0)
		alarm_about(p, hostname, "no certificate is for this name, which is ours");
}

struct pairs *
pairs_load(const char *dir, const struct pairs_common *c)
{
	struct pairs *p = mem_alloc(1, sizeof(*p));

	buf_init(&p->faults, 4096);
	buf_init(&p->alarms, 4096);
	p->dir = dir;
	read_directory(p, dir);
	for (size_t i = 0; i < p->count; i++)
		place(p, &p->all[i], c);
	choose_usual(p, c->hostname);
	return p;
}

void
pairs_free(struct pairs *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->shop_count; i++)
		SSL_CTX_free(p->shops[i].ctx);
	for (size_t i = 0; i < p->count; i++)
		forget_pair(&p->all[i]);
	buf_free(&p->faults);
	buf_free(&p->alarms);
	free(p);
}

/* --- for people ------------------------------------------------------------- */

static void
list_hosts(const X509 *x, struct buf *out)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
		size_t n = g->type == GEN_DNS ? (size_t)ASN1_STRING_length(g->d.dNSName) : 0;

		if (n == 0 || n + 2 > out->max - out->len)
			continue;
		if (out->len > 0)
			buf_addc(out, ',');
		buf_add(out, ASN1_STRING_get0_data(g->d.dNSName), n);
	}
	GENERAL_NAMES_free(all);
}

void
pairs_describe(const struct pairs *p, const struct pair *pair, struct secure_pair *out)
{
	struct buf hosts = BUF_INIT(sizeof(out->hosts) - 1);
	const struct shop *usual = &p->shops[p->usual];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	*out = (struct secure_pair){ .from_s = (uint64_t)seconds(X509_get0_notBefore(pair->certificate)),
		.until_s = (uint64_t)seconds(X509_get0_notAfter(pair->certificate)) };
	strlcpy(out->name, pair->name, sizeof(out->name));
	strlcpy(out->kind, EVP_PKEY_get0_type_name(pair->key), sizeof(out->kind));
	if (X509_digest(pair->certificate, EVP_sha256(), digest, &n) == 1)
		digest_hex(digest, n, out->digest);
	if (response_counts(pair)) {
		out->ocsp_from_s = (uint64_t)pair->ocsp_from_s;
		out->ocsp_until_s = (uint64_t)pair->ocsp_until_s;
	}
	for (size_t i = 0; i < usual->pair_count; i++)
		out->usual = out->usual || usual->pairs[i] == pair;
	list_hosts(pair->certificate, &hosts);
	strlcpy(out->hosts, buf_str(&hosts), sizeof(out->hosts));
	buf_free(&hosts);
}

/* --- instead of those before ----------------------------------------------- */

static bool
still_there(const struct pairs *p, const char *name)
{
	char *path = mem_fmt("%s/%s", p->dir, name);
	bool is = there(AT_FDCWD, path);

	free(path);
	return is;
}

static const struct pair *
named(const struct pairs *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->all[i].name, name) == 0)
			return &p->all[i];
	return NULL;
}

static bool
for_us(const struct pairs *p, const char *hostname)
{
	return p->shop_count > 0 && is_for(&p->shops[p->usual], hostname);
}

/* A pair of which nothing is left was taken away on purpose. */
static bool
lost(struct pairs *p, const struct pair *old)
{
	const struct pair *new = named(p, old->name);

	if (new == NULL && still_there(p, old->name) != still_there(p, old->key_name))
		fault(p, old->name, "certificate or key is missing");
	else if (new != NULL && in_time(old) && !in_time(new))
		fault(p, new->name, "expired, or not valid yet; the one before it is valid");
	else
		return new == NULL && still_there(p, old->name);
	return true;
}

bool
pairs_worse(struct pairs *p, const struct pairs *before, const char *hostname)
{
	bool worse = false;

	for (size_t i = 0; i < before->count; i++)
		worse = lost(p, &before->all[i]) || worse;
	if (!worse && p->shop_count == 0)
		fault(p, p->dir, "no certificate is there any more");
	else if (!worse && for_us(before, hostname) && !for_us(p, hostname))
		fault(p, hostname, "no certificate is for this name any more, which is ours");
	else
		return worse;
	return true;
}
