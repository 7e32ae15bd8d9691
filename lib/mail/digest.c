/*
 * digest: SHA-256. The only module of this layer that knows libcrypto.
 */
#include "lib/mail/digest.h"

#include <openssl/evp.h>
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
