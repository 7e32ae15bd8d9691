/*
 * digest: SHA-256 and HMAC-SHA-256. The only module of this layer that knows libcrypto.
 */
#include "lib/mail/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <sysexits.h>

#include "lib/base/log.h"

struct digest {
	EVP_MD_CTX *ctx;
};

static void
must(int ok)
{
	if (ok != 1)
		fatal(EX_SOFTWARE, "cannot compute a SHA-256 digest: libcrypto refuses");
}

struct digest *
digest_new(void)
{
	struct digest *d = mem_alloc(1, sizeof(*d));

	d->ctx = EVP_MD_CTX_new();
	must(d->ctx != NULL && EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) == 1);
	return d;
}

void
digest_add(struct digest *d, const void *octets, size_t n)
{
	must(EVP_DigestUpdate(d->ctx, octets, n));
}

struct digest *
digest_fork(const struct digest *from)
{
	struct digest *d = mem_alloc(1, sizeof(*d));

	d->ctx = EVP_MD_CTX_new();
	must(d->ctx != NULL && EVP_MD_CTX_copy_ex(d->ctx, from->ctx) == 1);
	return d;
}

void
digest_end(struct digest *d, unsigned char out[DIGEST_OCTETS])
{
	must(EVP_DigestFinal_ex(d->ctx, out, NULL));
	digest_free(d);
}

void
digest_free(struct digest *d)
{
	if (d == NULL)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

void
digest_sha256(const void *s, size_t n, uint8_t out[DIGEST_OCTETS])
{
	must(EVP_Digest(s, n, out, NULL, EVP_sha256(), NULL));
}

bool
digest_md5(const void *octets, size_t n, uint8_t out[DIGEST_MD5_OCTETS])
{
	return EVP_Digest(octets, n, out, NULL, EVP_md5(), NULL) == 1;
}

size_t
digest_named_octets(const char *name)
{
	const EVP_MD *md = EVP_get_digestbyname(name);
	int n = md == NULL ? 0 : EVP_MD_get_size(md);

	return n <= 0 || n > DIGEST_NAMED_MAX ? 0 : (size_t)n;
}

bool
digest_named(const char *name, struct span s, struct span behind, uint8_t out[DIGEST_NAMED_MAX])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool fine = ctx != NULL && digest_named_octets(name) > 0 &&
	    EVP_DigestInit_ex(ctx, EVP_get_digestbyname(name), NULL) == 1 && EVP_DigestUpdate(ctx, s.s, s.len) == 1 &&
	    EVP_DigestUpdate(ctx, behind.s, behind.len) == 1 && EVP_DigestFinal_ex(ctx, out, NULL) == 1;

	EVP_MD_CTX_free(ctx);
	return fine;
}

void
digest_hmac(const uint8_t key[DIGEST_OCTETS], const struct span *parts,
    size_t n, uint8_t out[DIGEST_OCTETS])
{
	struct buf all = BUF_INIT(1024 * 1024);
	uint64_t len;

	for (size_t i = 0; i < n; i++) {
		len = parts[i].len;
		buf_add(&all, &len, sizeof(len));
		buf_addspan(&all, parts[i]);
	}
	must(!buf_over(&all) && HMAC(EVP_sha256(), key, DIGEST_OCTETS,
		(unsigned char *)all.s, all.len, out, NULL) != NULL);
	buf_wipe(&all); /* the parts may be secret */
	buf_free(&all);
}

void
digest_mac(const void *key, size_t key_n, struct span s, uint8_t out[DIGEST_OCTETS])
{
	must(HMAC(EVP_sha256(), key, (int)key_n, (const unsigned char *)s.s, s.len, out, NULL) != NULL);
}

void
digest_stretch(struct span password, struct span salt, unsigned iterations, uint8_t out[DIGEST_OCTETS])
{
	must(PKCS5_PBKDF2_HMAC(password.s, (int)password.len, (const unsigned char *)salt.s, (int)salt.len,
	    (int)iterations, EVP_sha256(), DIGEST_OCTETS, out));
}

bool
digest_same(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

void
digest_hex(const uint8_t *s, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[s[i] >> 4];
		out[2 * i + 1] = digits[s[i] & 15];
	}
	out[2 * n] = '\0';
}
