/*
 * tls: TLS as a client, in front of a struct io's socket. The only module that knows libssl.
 *
 * TLS 1.2 or later, no compression, no renegotiation; the server's name is sent (SNI) and its
 * certificate verified for that name. Reads the trust store when it connects, so a sandbox must
 * allow /etc/ssl, /usr/lib/ssl and /usr/share/ca-certificates or the file named.
 */
#ifndef LIB_NET_TLS_H
#define LIB_NET_TLS_H

#include <stdbool.h>

#include "lib/base/clock.h"
#include "lib/sys/io.h"

struct tls_peer {
	const char *host;        /* a name or an address; what the certificate must be for */
	const char *ca_file;     /* PEM certificates to trust instead of the system's; NULL or "" */
	/* "sha256//BASE64" of a SubjectPublicKeyInfo, as curl writes them. With any, the server's own key must
	 * be one of them, and that is trust enough: name, dates and issuer are not asked. */
	const char *const *pins;
	size_t pin_count;
	bool unverified;         /* any certificate will do; pins still count */
};
/*
 * Shake hands, and put TLS between io and its socket. Octets unread or unsent at this moment are an error
 * (EPROTO): they crossed the line in the clear. 0; -1 with errno (ETIMEDOUT; ECONNRESET: it hung up; EPROTO; EACCES:
 * not whom we trust; ENOENT: whom to trust cannot be read) and why, for people. After -1 io is good for io_close() only.
 */
int tls_client(struct io *, const struct tls_peer *, deadline_ms, struct buf *why) MUST_CHECK;
/* "TLSv1.3 TLS_AES_256_GCM_SHA384"; nothing when io has no TLS. */
void tls_describe(const struct io *, struct buf *out);
/*
 * The channel binding of this connection: its name, ":" and octets (RFC 5056, 2.1). "tls-exporter" (RFC 9266)
 * in TLS 1.3, before it "tls-unique" (RFC 5929), if the master secret is tied to this handshake
 * (RFC 7627). Nothing otherwise.
 */
void tls_binding(const struct io *, struct buf *out);
/* What the result of an SSL call means, for tlsd as well: 0: the other side has said goodbye; -1: errno, EAGAIN with
 * *want as poll(2) has it. An end of file without close_notify is an error, not an end: whoever cuts the wire
 * must not be able to cut a message. */
struct ssl_st;
int tls_failure(struct ssl_st *, int rv, short *want);
/* Is this a pin? (For posthouse compile.) */
bool tls_pin_valid(struct span);

#endif
