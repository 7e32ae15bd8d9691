/*
 * session: one client of smtpd's or pop3d's: handshake, facts, relay.
 *
 * Knows the dialogue of lib/wire/secure.h and libssl. What is said inside TLS it does not look at.
 */
#include "tls/session.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/mail/digest.h"
#include "lib/net/tls.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "lib/sys/listen.h"
#include "lib/wire/secure.h"
#include "tls/relay.h"

#define REQUEST_WAIT_MS 5000
#define DIGEST_OCTETS 32
#define BINDING_LABEL "EXPORTER-Channel-Binding" /* RFC 9266, 4.2 */

struct session {
	const struct session_env *env;
	struct wire wire;
	char service[32], client[64];
	int tcp;
	SSL *ssl;
};

static const char *
reason(void)
{
	const char *s = ERR_reason_error_string(ERR_peek_last_error());

	return s != NULL ? s : "connection closed";
}

/* --- the handshake -------------------------------------------------------- */

/* NULL, or why not. */
static const char *
shake_hands(struct session *s)
{
	deadline_ms until = deadline_in((int64_t)s->env->conf->tls_handshake_timeout * 1000);

	for (;;) {
		struct pollfd p = { s->tcp, 0, 0 };
		int rv;

		ERR_clear_error();
		errno = 0;
		rv = SSL_accept(s->ssl);
		if (rv == 1)
			return NULL;
		if (tls_failure(s->ssl, rv, &p.events) == 0 || errno != EAGAIN)
			return reason();
		if (poll(&p, 1, deadline_left(until)) == 0)
			return "no handshake in time";
	}
}

static const char *
begin(struct session *s)
{
	int flags = fcntl(s->tcp, F_GETFL);

	if (s->env->pairs->shop_count == 0)
		return "no certificate";
	s->ssl = SSL_new(s->env->pairs->shops[s->env->pairs->usual].ctx);
	if (s->ssl == NULL || flags == -1 || fcntl(s->tcp, F_SETFL, flags | O_NONBLOCK) == -1 ||
	    SSL_set_fd(s->ssl, s->tcp) != 1)
		return "out of resources";
	return shake_hands(s);
}

/* --- facts ---------------------------------------------------------------- */

static void
digest_certificate(const SSL *ssl, char hex[2 * DIGEST_OCTETS + 1])
{
	X509 *x = SSL_get1_peer_certificate(ssl);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	hex[0] = '\0';
	if (x != NULL && X509_digest(x, EVP_sha256(), digest, &n) == 1)
		digest_hex(digest, n, hex);
	X509_free(x);
}

/* In TLS 1.2 only with extended master secret (RFC 9266, 4.2 and RFC 7627). */
static void
export_binding(SSL *ssl, char hex[2 * DIGEST_OCTETS + 1])
{
	unsigned char out[DIGEST_OCTETS];

	hex[0] = '\0';
	if (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1)
		return;
	if (SSL_export_keying_material(ssl, out, sizeof(out), BINDING_LABEL, strlen(BINDING_LABEL), NULL, 0, 0) == 1)
		digest_hex(out, sizeof(out), hex);
}

static int
say_secured(struct session *s, int plain)
{
	const char *sni = SSL_get_servername(s->ssl, TLSEXT_NAMETYPE_host_name);
	char certificate[2 * DIGEST_OCTETS + 1], binding[2 * DIGEST_OCTETS + 1];

	digest_certificate(s->ssl, certificate);
	export_binding(s->ssl, binding);
	return wire_send(&s->wire, deadline_in(REQUEST_WAIT_MS), &plain, SPAN(""), "SECURED",
	    (const char *const[]){ SSL_get_version(s->ssl), SSL_get_cipher_name(s->ssl), sni != NULL ? sni : "",
	        certificate, binding },
	    5);
}

static void
log_session(const struct session *s)
{
	const char *sni = SSL_get_servername(s->ssl, TLSEXT_NAMETYPE_host_name);

	log_detail(EV_TLS_SESSION, LS("client", s->client), LS("service", s->service),
	    LS("version", SSL_get_version(s->ssl)), LS("cipher", SSL_get_cipher_name(s->ssl)),
	    LS("sni", sni != NULL ? sni : ""), LN("resumed", SSL_session_reused(s->ssl)));
}

/* --- the dialogue --------------------------------------------------------- */

static void
terminate(struct session *s, struct wire_packet *p)
{
	const char *why;
	int ends[2];

	strlcpy(s->service, p->word[0], sizeof(s->service));
	strlcpy(s->client, p->word[1], sizeof(s->client));
	s->tcp = wire_fd(p, 0);
	why = begin(s);
	if (why != NULL) {
		log_event(EV_TLS_FAILED, LS("client", s->client), LS("service", s->service), LS("reason", why));
		(void)!wire_say(&s->wire, deadline_in(REQUEST_WAIT_MS), "FAILED", why);
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == -1) {
		(void)!wire_say(&s->wire, deadline_in(REQUEST_WAIT_MS), "FAILED", "out of descriptors");
		return;
	}
	log_session(s);
	if (say_secured(s, ends[1]) == 0) {
		file_close(ends[1]);
		wire_close(&s->wire);
		relay_run(s->ssl, ends[0]);
	} else {
		file_close(ends[1]);
	}
	file_close(ends[0]);
}

static bool
one_request(struct session *s)
{
	struct wire_packet p;

	if (wire_recv(&s->wire, deadline_in(REQUEST_WAIT_MS), &p) != 1)
		return false;
	if (wire_is(&p, "TERMINATE")) {
		terminate(s, &p);
		return false;
	}
	return wire_send(&s->wire, deadline_in(REQUEST_WAIT_MS), NULL, SPAN(""),
	           s->env->pairs->shop_count > 0 ? "READY" : "NONE", NULL, 0) == 0;
}

static bool
may_ask(const struct session_env *env, int fd)
{
	uid_t uid;
	pid_t pid;

	if (peer_uid(fd, &uid, &pid) == -1)
		return false;
	if (uid == 0 || uid == geteuid())
		return true;
	for (size_t i = 0; i < env->uid_count; i++)
		if (uid == env->uids[i])
			return true;
	log_event(EV_WARNING, LS("text", "connection refused: not a uid of ours"), LN("uid", uid));
	return false;
}

void
session_serve(const struct session_env *env, int fd)
{
	struct session s = { .env = env, .tcp = -1 };

	wire_open(&s.wire, fd, SERVER, secure_messages, SECURE_IDLE);
	if (may_ask(env, fd))
		while (one_request(&s))
			continue;
	wire_close(&s.wire);
	SSL_free(s.ssl);
	ERR_clear_error();
	file_close(s.tcp);
}
