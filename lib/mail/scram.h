/*
 * scram: SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the server's side (RFC 5802, 7677, 9266).
 *
 * A verifier is what a server keeps instead of a password: who reads it can check a login, but not make one. Octets
 * in, octets out; whose verifier it is, and what a failure costs, authd knows.
 */
#ifndef LIB_MAIL_SCRAM_H
#define LIB_MAIL_SCRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/mail/digest.h"

#define SCRAM_PREFIX "SCRAM-SHA-256$"
#define SCRAM_SALT 16                 /* octets of the salts made here */
#define SCRAM_SALT_MAX 64             /* ... and of those taken */
#define SCRAM_ITERATIONS_MIN 4096     /* RFC 7677, 4 */
#define SCRAM_ITERATIONS_MAX 10000000 /* the client's work */
#define SCRAM_VERIFIER_MAX 256        /* octets of its text, NUL included */

struct scram_verifier {
	unsigned iterations;
	size_t salt_n;
	uint8_t salt[SCRAM_SALT_MAX];
	uint8_t stored_key[DIGEST_OCTETS], server_key[DIGEST_OCTETS];
};
/* As configured, within the bounds. */
unsigned scram_iterations(uint64_t configured);
/* salt and iterations are filled in already. password: prepared (RFC 4013). */
void scram_derive(struct scram_verifier *, const char *password);
/* SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY, with base64 (the form of RFC 5803). */
void scram_write(const struct scram_verifier *, struct buf *);
/* That form, and Dovecot's: {SCRAM-SHA-256}ITERATIONS,SALT,STOREDKEY,SERVERKEY. */
bool scram_parse(struct span text, struct scram_verifier *) MUST_CHECK;

enum scram_step {
	SCRAM_MORE,     /* send what was added to out (base64); feed the answer */
	SCRAM_WRONG,    /* another password, or another TLS session: somebody stands between */
	SCRAM_MALFORMED /* not what the mechanism wants */
};
struct scram {
	bool plus;                     /* -PLUS was chosen */
	uint8_t binding[DIGEST_OCTETS], unique[12]; /* tls-exporter, tls-unique */
	bool bound, bound_unique;      /* there is one */
	bool by_unique;                /* the client binds by it */
	char login[LIMIT_ADDRESS + 1]; /* behind scram_first() */
	struct scram_verifier verifier; /* the caller's to fill in before scram_challenge() */
	struct buf header, nonce, message; /* gs2-header; both nonces; AuthMessage as far as it is known */
};
/* Is it one of ours? */
bool scram_mechanism(struct span name, bool *plus) MUST_CHECK;
/* binding: 64 hexadecimal digits (tls-exporter), in TLS 1.2 ":" and 24 more (tls-unique); "": none. */
void scram_init(struct scram *, bool plus, const char *binding);
/* client-first-message, in base64: who it is. MORE: look for the verifier, then scram_challenge(). */
enum scram_step scram_first(struct scram *, struct span text) MUST_CHECK;
/* server-first-message. own_nonce: printable octets without ","; NULL: random. */
void scram_challenge(struct scram *, const char *own_nonce, struct buf *out);
/* client-final-message. MORE: it proves the password; out is the server-final-message, to which the
 * client has an empty answer. */
enum scram_step scram_final(struct scram *, struct span text, struct buf *out) MUST_CHECK;
void scram_wipe(struct scram *); /* twice is fine */

#endif
