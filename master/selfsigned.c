/*
 * selfsigned: a key pair that nobody has vouched for, to begin with.
 *
 * Knows libcrypto's X.509. tlsd uses what lies here, until a real certificate
 * takes its place under the same file names.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "master/setup.h"

#define DAYS_VALID 365
#define DAY_SECONDS 86400L

static bool
add_names(X509 *cert, const char *domain, const char *host)
{
	char *san = mem_fmt("DNS:%s,DNS:%s", domain, host);
	X509_EXTENSION *ext =
	    X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
	X509_NAME *name = X509_get_subject_name(cert);
	bool good = ext != NULL && X509_add_ext(cert, ext, -1) == 1 &&
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	        (const unsigned char *)domain, -1, -1, 0) == 1 &&
	    X509_set_issuer_name(cert, name) == 1;

	X509_EXTENSION_free(ext);
	free(san);
	return good;
}

static X509 *
certify(EVP_PKEY *key, const char *domain, const char *host)
{
	X509 *cert = X509_new();
	unsigned char serial[8];
	long number = 0;
	size_t i;

	if (cert == NULL || RAND_bytes(serial, sizeof(serial)) != 1)
		goto fail;
	serial[0] &= 0x7f;
	for (i = 0; i < sizeof(serial); i++)
		number = number << 8 | serial[i];
	if (X509_set_version(cert, X509_VERSION_3) == 1 &&
	    ASN1_INTEGER_set(X509_get_serialNumber(cert), number) == 1 &&
	    X509_gmtime_adj(X509_getm_notBefore(cert), 0) != NULL &&
	    X509_gmtime_adj(X509_getm_notAfter(cert), DAYS_VALID * DAY_SECONDS) !=
	        NULL &&
	    X509_set_pubkey(cert, key) == 1 && add_names(cert, domain, host) &&
	    X509_sign(cert, key, EVP_sha256()) != 0)
		return cert;
fail:
	X509_free(cert);
	return NULL;
}

/* A new file, readable by its owner alone, who is the directory's (tlsd); NULL with errno. */
static FILE *
create(const char *dir, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat st;

	if (fd == -1)
		return NULL;
	if (geteuid() == 0 && (stat(dir, &st) == -1 || fchown(fd, st.st_uid, st.st_gid) == -1)) {
		close(fd);
		return NULL;
	}
	return fdopen(fd, "w");
}

static int
write_pair(const char *dir, const char *host, EVP_PKEY *key, X509 *cert)
{
	char *key_path = mem_fmt("%s/%s.key", dir, host);
	char *cert_path = mem_fmt("%s/%s.pem", dir, host);
	FILE *k = create(dir, key_path), *c = k != NULL ? create(dir, cert_path) : NULL;
	int rv = -1;

	if (k == NULL && errno == EEXIST) {
		rv = 0; /* made before */
		goto out;
	}
	if (k != NULL && c != NULL &&
	    PEM_write_PrivateKey(k, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	    PEM_write_X509(c, cert) == 1)
		rv = 0;
out:
	if (k != NULL && fclose(k) != 0)
		rv = -1;
	if (c != NULL && fclose(c) != 0)
		rv = -1;
	free(key_path);
	free(cert_path);
	return rv;
}

int
setup_self_signed(const char *dir, const char *domain, const char *host, struct buf *why)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = key != NULL ? certify(key, domain, host) : NULL;
	int rv = -1;

	if (cert == NULL)
		buf_adds(why, "libcrypto cannot");
	else if ((rv = write_pair(dir, domain, key, cert)) == -1)
		buf_adds(why, strerror(errno));
	X509_free(cert);
	EVP_PKEY_free(key);
	return rv;
}
