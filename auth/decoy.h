/*
 * decoy: what a stranger who asks for an account that is not there gets to see: a salt as others have, the same
 * one every time, and in the end a refusal like any other (RFC 5802, 9; RFC 6120, 13.11).
 */
#ifndef AUTH_DECOY_H
#define AUTH_DECOY_H

#include "lib/mail/scram.h"
#include "lib/store/instance.h"

struct decoy {
	uint8_t key[DIGEST_OCTETS];
	unsigned iterations;
};
/* The key is kept in state/auth, so that salts stay the same; where that cannot be written, for this run only. */
void decoy_open(struct decoy *, const struct instance *, unsigned iterations);
/* A verifier that no password fits. */
void decoy_verifier(const struct decoy *, const char *address, struct scram_verifier *);

#endif
