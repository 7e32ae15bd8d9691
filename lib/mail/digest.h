/*
 * digest: SHA-256 and HMAC-SHA-256, over libcrypto.
 */
#ifndef LIB_MAIL_DIGEST_H
#define LIB_MAIL_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"

#define DIGEST_OCTETS 32

struct digest;
struct digest *digest_new(void) MUST_CHECK;
void digest_add(struct digest *, const void *, size_t);
struct digest *digest_fork(const struct digest *) MUST_CHECK; /* as if what was added so far were added to it */
void digest_end(struct digest *, unsigned char out[DIGEST_OCTETS]); /* frees it */
void digest_free(struct digest *);

void digest_sha256(const void *, size_t, uint8_t out[DIGEST_OCTETS]);
/* For APOP alone (RFC 1939, 7). false: this system's libcrypto has no MD5. */
#define DIGEST_MD5_OCTETS 16
bool digest_md5(const void *, size_t, uint8_t out[DIGEST_MD5_OCTETS]) MUST_CHECK;
/* For hashes of passwords that others made: "MD5", "SHA1", "SHA256", "SHA512". How many octets; 0: this system has none. */
#define DIGEST_NAMED_MAX 64
size_t digest_named_octets(const char *name) MUST_CHECK;
bool digest_named(const char *name, struct span, struct span behind, uint8_t out[DIGEST_NAMED_MAX]) MUST_CHECK;
/* HMAC of all parts together, each with its length in front, so that no two lists of
 * parts are the same octets. */
void digest_hmac(const uint8_t key[DIGEST_OCTETS], const struct span *parts,
    size_t n, uint8_t out[DIGEST_OCTETS]);
/* HMAC of these octets as they are, as protocols want it. */
void digest_mac(const void *key, size_t key_n, struct span, uint8_t out[DIGEST_OCTETS]);
/* PBKDF2 with HMAC-SHA-256, one block (RFC 8018, 5.2). */
void digest_stretch(struct span password, struct span salt, unsigned iterations, uint8_t out[DIGEST_OCTETS]);
/* The same n octets? In a time that does not tell where they differ. */
bool digest_same(const void *, const void *, size_t n) MUST_CHECK;
/* Lower-case hexadecimal; out holds 2 * n + 1. */
void digest_hex(const uint8_t *, size_t n, char *out);

#endif
