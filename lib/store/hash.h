/*
 * hash: password hashes, by libxcrypt's crypt(3). The only module that knows it.
 */
#ifndef LIB_STORE_HASH_H
#define LIB_STORE_HASH_H

#include <stdbool.h>

#include "lib/base/mem.h"

#define HASH_MAX 512 /* octets of a hash's text, NUL included; yescrypt's have 73 */

/* A fresh yescrypt hash at the library's own cost; the caller frees. NULL with
 * errno when the library has no yescrypt or no randomness. */
char *hash_make(const char *password) MUST_CHECK;
/* Does the password belong to the hash? Takes as long as the hash's method wants.
 * Never true for a hash that crypt(3) does not know, nor for an empty password. */
bool hash_verify(const char *hash, const char *password) MUST_CHECK;
/* Could a password ever match it: a method that crypt(3) knows, not locked? */
bool hash_usable(const char *hash) MUST_CHECK;

#endif
