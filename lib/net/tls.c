/*
 * tls: TLS as a client, in front of a struct io's socket.
 *
 * Knows libssl and whom to trust; no protocol, no files but certificates.
 */
#include "lib/net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/net/ip.h"

#define PIN_PREFIX "sha256//"
#define PIN_OCTETS 32

/* --- the transport: read(2) and write(2) over TLS ------------------------------ */

int
tls_failure(SSL *ssl, int rv, short *want)
{
	int saved = errno;

	switch (SSL_get_error(ssl, rv)) {
	case SSL_ERROR_WANT_READ:
		*want = POLLIN;
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_WANT_WRITE:
		*want = POLLOUT;
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		errno = saved != 0 ? saved : ECONNRESET;
		return -1;
	default:
		errno = ECONNRESET;
		return -1;
	}
}

static int
bounded(size_t n)
{
	return n > 1 << 20 ? 1 << 20 : (int)n;
}

static ssize_t
tls_read(void *state, void *to, size_t n, short *want)
{
	int rv;

	ERR_clear_error();
	errno = 0;
	rv = SSL_read(state, to, bounded(n));
	return rv > 0 ? rv : tls_failure(state, rv, want);
}

static ssize_t
tls_write(void *state, const void *from, size_t n, short *want)
{
	int rv, result;

	ERR_clear_error();
	errno = 0;
	rv = SSL_write(state, from, bounded(n));
	if (rv > 0)
		return rv;
	result = tls_failure(state, rv, want);
	if (result == 0) { /* the peer said goodbye: nothing can be written */
		errno = EPIPE;
		return -1;
	}
	return result;
}

static void
tls_close(void *state)
{
	SSL *ssl = state;
	SSL_CTX *ctx = SSL_get_SSL_CTX(ssl);

	ERR_clear_error();
	if (SSL_is_init_finished(ssl))
		(void)SSL_shutdown(ssl); /* close_notify; nobody waits for the answer */
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

/* --- pins ----------------------------------------------------------------------- */

static bool
pin_decode(struct span pin, unsigned char out[PIN_OCTETS + 1])
{
	size_t skip = sizeof(PIN_PREFIX) - 1;

	return pin.len == skip + 44 && memcmp(pin.s, PIN_PREFIX, skip) == 0 &&
	    base64_decode(out, pin.s + skip, 44) == PIN_OCTETS;
}

bool
tls_pin_valid(struct span pin)
{
	unsigned char out[PIN_OCTETS + 1];

	return pin_decode(pin, out);
}

/* SHA-256 of the key that the server has just proved to hold. */
static bool
key_digest(SSL *ssl, unsigned char out[PIN_OCTETS])
{
	X509 *cert = SSL_get1_peer_certificate(ssl);
	unsigned char *der = NULL;
	int n = cert != NULL ?
	    i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der) : -1;
	bool ok = n > 0 &&
	    EVP_Digest(der, (size_t)n, out, NULL, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	X509_free(cert);
	return ok;
}

static int
check_pins(SSL *ssl, const struct tls_peer *peer, struct buf *why)
{
	unsigned char seen[PIN_OCTETS], pin[PIN_OCTETS + 1];

	if (peer->pin_count == 0)
		return 0;
	if (!key_digest(ssl, seen)) {
		buf_adds(why, "the server showed no certificate");
		return -1;
	}
	for (size_t i = 0; i < peer->pin_count; i++)
		if (pin_decode(span_of(peer->pins[i]), pin) &&
		    memcmp(pin, seen, PIN_OCTETS) == 0)
			return 0;
	buf_adds(why, "the server's key is not the pinned one, but " PIN_PREFIX);
	base64_add(why, seen, sizeof(seen));
	return -1;
}

/* --- the handshake ---------------------------------------------------------------- */

static const char *
reason(void)
{
	const char *s = ERR_reason_error_string(ERR_peek_last_error());

	return s != NULL ? s : "no reason given";
}

static SSL_CTX *
context(const struct tls_peer *peer, struct buf *why)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	bool own = peer->ca_file != NULL && peer->ca_file[0] != '\0';

	if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
		buf_addf(why, "cannot start TLS: %s", reason());
		goto fail;
	}
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	if (peer->unverified || peer->pin_count > 0)
		return ctx;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if ((own ? SSL_CTX_load_verify_file(ctx, peer->ca_file) :
	    SSL_CTX_set_default_verify_paths(ctx)) == 1)
		return ctx;
	buf_addf(why, "cannot read certificates to trust%s%s: %s",
	    own ? " from " : "", own ? peer->ca_file : "", reason());
fail:
	SSL_CTX_free(ctx);
	return NULL;
}

/* The name to send and to find in the certificate. */
static bool
set_name(SSL *ssl, const char *host)
{
	struct ip ip;
	char *name;
	bool good;

	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (ip_parse(span_of(host), &ip) == 0)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	name = mem_dup(host); /* SSL_set_tlsext_host_name takes no const */
	good = SSL_set_tlsext_host_name(ssl, name) == 1 &&
	    SSL_set1_host(ssl, host) == 1;
	free(name);
	return good;
}

/* Why a handshake came to nothing, for people. */
static void
explain(SSL *ssl, const struct tls_peer *peer, struct buf *why)
{
	unsigned long e = ERR_peek_error();
	long verify = SSL_get_verify_result(ssl);

	buf_addf(why, "TLS with %s: ", peer->host);
	if (ERR_GET_LIB(e) != ERR_LIB_SSL) {
		buf_adds(why, "the connection broke during the handshake");
		return;
	}
	switch (ERR_GET_REASON(e)) {
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		buf_addf(why, "the certificate is not to be trusted: %s",
		    X509_verify_cert_error_string(verify));
		return;
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_HTTP_REQUEST:
		buf_adds(why, "the server does not speak TLS on this port");
		return;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
		buf_adds(why, "the server has nothing newer than TLS 1.1");
		return;
	case SSL_R_UNEXPECTED_EOF_WHILE_READING:
		buf_adds(why, "the server closed the connection during the handshake");
		return;
	default:
		buf_adds(why, reason());
	}
}

static int
errno_of(unsigned long e)
{
	if (ERR_GET_LIB(e) != ERR_LIB_SSL || ERR_GET_REASON(e) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return ECONNRESET;
	return ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED ? EACCES : EPROTO;
}

static int
shake_hands(SSL *ssl, const struct tls_peer *peer, int fd, deadline_ms until,
    struct buf *why)
{
	for (;;) {
		struct pollfd p = { fd, 0, 0 };
		int rv, error;

		ERR_clear_error();
		errno = 0;
		rv = SSL_connect(ssl);
		if (rv == 1)
			return 0;
		if (tls_failure(ssl, rv, &p.events) == 0 || errno != EAGAIN) {
			error = errno_of(ERR_peek_error());
			explain(ssl, peer, why);
			errno = error;
			return -1;
		}
		if (poll(&p, 1, deadline_left(until)) == 0) {
			buf_addf(why, "TLS with %s: no handshake in time",
			    peer->host);
			errno = ETIMEDOUT;
			return -1;
		}
	}
}

/* OpenSSL writes without MSG_NOSIGNAL, and it must find a socket that never waits. */
static int
prepare(int fd)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	int flags = fcntl(fd, F_GETFL);

	(void)sigaction(SIGPIPE, &ignore, NULL);
	return flags == -1 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static bool
in_the_clear(const struct io *io, struct buf *why)
{
	if (io->via.state != NULL)
		buf_adds(why, "TLS is there already");
	else if (io_unread(io).len > 0)
		buf_adds(why, "the server sent more, in the clear, before TLS began");
	else if (io->out.len > 0)
		buf_adds(why, "a command was still to be sent in the clear");
	else
		return false;
	return true;
}

int
tls_client(struct io *io, const struct tls_peer *peer, deadline_ms until,
    struct buf *why)
{
	SSL_CTX *ctx;
	SSL *ssl = NULL;
	int saved;

	errno = EPROTO;
	if (in_the_clear(io, why))
		return -1;
	ctx = context(peer, why);
	if (ctx == NULL) {
		errno = ENOENT;
		return -1;
	}
	ssl = SSL_new(ctx);
	errno = EPROTO;
	if (ssl == NULL || !set_name(ssl, peer->host) || prepare(io->fd) == -1 ||
	    SSL_set_fd(ssl, io->fd) != 1) {
		buf_addf(why, "cannot start TLS with %s: %s", peer->host, reason());
		goto fail;
	}
	if (shake_hands(ssl, peer, io->fd, until, why) == -1)
		goto fail;
	errno = EACCES;
	if (check_pins(ssl, peer, why) == -1)
		goto fail;
	io->via = (struct io_transport){ tls_read, tls_write, tls_close, ssl };
	return 0;
fail:
	saved = errno;
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	errno = saved;
	return -1;
}

void
tls_binding(const struct io *io, struct buf *out)
{
	SSL *ssl = io->via.state;
	unsigned char octets[EVP_MAX_MD_SIZE];
	size_t n;

	if (io->via.read != tls_read)
		return;
	if (SSL_version(ssl) >= TLS1_3_VERSION) {
		static const char label[] = "EXPORTER-Channel-Binding";

		if (SSL_export_keying_material(ssl, octets, 32, label, sizeof(label) - 1, NULL, 0, 0) != 1)
			return;
		buf_adds(out, "tls-exporter:");
		buf_add(out, octets, 32);
	} else if (SSL_get_extms_support(ssl) == 1) {
		/* The first Finished of the handshake: ours, as no session is resumed. */
		n = SSL_get_finished(ssl, octets, sizeof(octets));
		buf_adds(out, "tls-unique:");
		buf_add(out, octets, n);
	}
	explicit_bzero(octets, sizeof(octets));
}

void
tls_describe(const struct io *io, struct buf *out)
{
	const SSL *ssl = io->via.state;

	if (io->via.read == tls_read)
		buf_addf(out, "%s %s", SSL_get_version(ssl),
		    SSL_get_cipher_name(ssl));
}
