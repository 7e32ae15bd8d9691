/*
 * digest: SHA-256, over libcrypto.
 */
#ifndef LIB_MAIL_DIGEST_H
#define LIB_MAIL_DIGEST_H

#include <stddef.h>

#include "lib/base/mem.h"

#define DIGEST_OCTETS 32

struct digest;
struct digest *digest_new(void) MUST_CHECK;
void digest_add(struct digest *, const void *, size_t);
struct digest *digest_fork(const struct digest *) MUST_CHECK; /* as if what was added so far were added to it */
void digest_end(struct digest *, unsigned char out[DIGEST_OCTETS]); /* frees it */
void digest_free(struct digest *);

#endif
