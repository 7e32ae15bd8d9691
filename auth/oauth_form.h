/*
 * oauth_form: what is sent to an authorization server: forms, the address for the browser, PKCE (RFC 7636).
 */
#ifndef AUTH_OAUTH_FORM_H
#define AUTH_OAUTH_FORM_H

#include "lib/base/buf.h"

/* "name=value" behind what is there, with "&" between; nothing for a value NULL. */
void form_add(struct buf *, const char *name, const char *value);
void form_add_value(struct buf *, const char *value); /* encoded, alone */
/* What "name" is in "a=b&name=value"; decoded into the arena. NULL: it is not there, or not encoded so. */
const char *form_find(struct span query, const char *name, struct arena *);

#define OAUTH_RANDOM 43 /* base64url of 32 octets */
void oauth_random(char out[OAUTH_RANDOM + 1]);
/* S256: base64url of the verifier's SHA-256 (RFC 7636, 4.2). */
void oauth_challenge(const char *verifier, char out[OAUTH_RANDOM + 1]);

#endif
