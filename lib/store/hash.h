/*
 * hash: what is kept of a password, and whether a password belongs to it.
 *
 * A hash is one word: as crypt(5) has it ("$y$...", "$6$...", "$2y$..."), or with its scheme in front, as it comes from
 * Dovecot or an LDAP directory: {SHA512-CRYPT}, {BLF-CRYPT}, {ARGON2ID}, {SCRAM-SHA-256}, {SSHA512}, {PLAIN} and others
 * (posthouse-passwd(5)). What is made here is yescrypt. The only module that knows crypt(3); Argon2 is hash_argon2.c's.
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
 * Never true for a hash that nobody here knows, nor for an empty password. A password for {SCRAM-SHA-256} is
 * prepared (RFC 4013). */
bool hash_verify(const char *hash, const char *password) MUST_CHECK;
/* Could a password ever match it: a method that is known here, not locked? */
bool hash_usable(const char *hash) MUST_CHECK;
/* Is it what hash_make() would make today, or costlier? */
bool hash_current(const char *hash) MUST_CHECK;
/* Must its password be prepared before hash_verify()? */
bool hash_wants_prepared(const char *hash) MUST_CHECK;

/* hash_argon2.c: hash begins with "$argon2". Without libargon2 nothing belongs to such a hash, and none is fine. */
bool argon2_belongs(const char *hash, const char *password) MUST_CHECK;
bool argon2_fine(const char *hash) MUST_CHECK;

#endif
