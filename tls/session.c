/*
 * session: one client of smtpd's or pop3d's: request, handshake, facts, relay, farewell.
 *
 * Knows the dialogue of lib/wire/secure.h and libssl. What is said inside TLS it does not look at. It never waits:
 * worker.c tells it when there is something to do.
 */
#include "tls/session.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/mail/digest.h"
#include "lib/net/tls.h"
#include "lib/sys/file.h"
#include "lib/sys/listen.h"
#include "lib/wire/secure.h"
#include "tls/clients.h"

#define REQUEST_WAIT_MS 5000
#define ANSWER_WAIT_MS 100     /* one packet into an empty socket: there is nothing to wait for */
#define PARTING_WAIT_MS 2000
#define DIGEST_OCTETS 32
#define UNIQUE_OCTETS 12 /* verify_data (RFC 5246, 7.4.9) */
#define BINDING_LABEL "EXPORTER-Channel-Binding" /* RFC 9266, 4.2 */

struct request {
	char service[32], client[64];
};

static const char *
reason(void)
{
	const char *s = ERR_reason_error_string(ERR_peek_last_error());

	return s != NULL ? s : "connection closed";
}

static void
enter(struct session *s, enum session_state state, int64_t wait_ms)
{
	s->state = state;
	s->until = wait_ms == 0 ? NEVER : deadline_in(wait_ms);
}

static int
watch(const struct session *s, int fd, struct source *source)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = source };

	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e);
}

/* By name: that we close it does not do, since the client's socket may be open in the gate that has accepted it, too, and
 * epoll(7) would go on to tell of it. */
static void
unwatch(const struct session *s, int fd)
{
	if (fd != -1)
		(void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, fd, NULL);
}

/* --- facts ---------------------------------------------------------------- */

/* The first Finished message of the handshake (RFC 5929, 3.1): the client's, or ours when a session is resumed. */
static size_t
first_finished(const SSL *ssl, unsigned char *out, size_t room)
{
	return SSL_session_reused(ssl) == 1 ? SSL_get_finished(ssl, out, room) : SSL_get_peer_finished(ssl, out, room);
}

/* In TLS 1.2 only with extended master secret (RFC 9266, 4.2 and RFC 7627); most of its clients know tls-unique alone. */
static void
export_binding(SSL *ssl, char binding[SECURE_BINDING])
{
	unsigned char out[DIGEST_OCTETS];
	bool old = SSL_version(ssl) < TLS1_3_VERSION;

	binding[0] = '\0';
	if (old && SSL_get_extms_support(ssl) != 1)
		return;
	if (SSL_export_keying_material(ssl, out, sizeof(out), BINDING_LABEL, strlen(BINDING_LABEL), NULL, 0, 0) != 1)
		return;
	digest_hex(out, sizeof(out), binding);
	if (old && first_finished(ssl, out, sizeof(out)) == UNIQUE_OCTETS) {
		binding[2 * DIGEST_OCTETS] = ':';
		digest_hex(out, UNIQUE_OCTETS, binding + 2 * DIGEST_OCTETS + 1);
	}
}

static int
say_secured(struct session *s, int plain)
{
	const char *sni = SSL_get_servername(s->ssl, TLSEXT_NAMETYPE_host_name);
	char certificate[CLIENT_DIGEST_HEX], name[CLIENT_NAME], binding[SECURE_BINDING];

	clients_facts(s->ssl, certificate, name);
	export_binding(s->ssl, binding);
	return wire_send(&s->wire, deadline_in(REQUEST_WAIT_MS), &plain, SPAN(""), "SECURED",
	    (const char *const[]){ SSL_get_version(s->ssl), SSL_get_cipher_name(s->ssl), sni != NULL ? sni : "",
	        certificate, binding, name },
	    6);
}

static void
log_session(const struct session *s)
{
	const char *sni = SSL_get_servername(s->ssl, TLSEXT_NAMETYPE_host_name);

	log_detail(EV_TLS_SESSION, LS("client", s->request->client), LS("service", s->request->service),
	    LS("version", SSL_get_version(s->ssl)), LS("cipher", SSL_get_cipher_name(s->ssl)),
	    LS("sni", sni != NULL ? sni : ""), LN("resumed", SSL_session_reused(s->ssl)));
}

/* --- application protocols ------------------------------------------------- */

/* As clients name them (RFC 7301, 6; smtp as Exim says it). */
static const struct {
	const char *service; /* how it begins */
	const char *names[2];
} protocols[] = {
	{ "pop3", { "pop3", NULL } },
	{ "", { "smtp", "esmtp" } },
};

static bool
is_named(const unsigned char *s, size_t n, const char *name)
{
	return name != NULL && n == strlen(name) && memcmp(s, name, n) == 0;
}

/* Who says what it wants to speak and means something else is sent away: its octets, meant for a web server, are not to
 * be taken for mail (RFC 7301, 3.2; the ALPACA attacks). */
static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in, unsigned inlen,
    void *arg)
{
	const struct request *r = SSL_get_app_data(ssl);
	size_t i = 0;

	(void)arg;
	while (strncmp(r->service, protocols[i].service, strlen(protocols[i].service)) != 0)
		i++;
	for (unsigned at = 0; at < inlen; at += 1u + in[at])
		for (size_t j = 0; j < COUNT(protocols[i].names); j++)
			if (is_named(in + at + 1, in[at], protocols[i].names[j])) {
				*out = in + at + 1;
				*outlen = in[at];
				return SSL_TLSEXT_ERR_OK;
			}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void
session_prepare(SSL_CTX *ctx)
{
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
}

/* --- the dialogue --------------------------------------------------------- */

/* The request is answered: what remains is the client and the program. */
static void
forget_request(struct session *s)
{
	unwatch(s, s->wire.fd);
	wire_close(&s->wire);
	free(s->request);
	s->request = NULL;
	(void)malloc_trim(0); /* a handshake leaves a hundred kilobytes behind, and the session may be idle for minutes */
}

static void
fail(struct session *s, const char *why, bool logged)
{
	if (logged)
		log_event(EV_TLS_FAILED, LS("client", s->request->client), LS("service", s->request->service),
		    LS("reason", why));
	(void)!wire_say(&s->wire, deadline_in(ANSWER_WAIT_MS), "FAILED", why);
	enter(s, SESSION_OVER, 0);
}

static void
succeed(struct session *s)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == -1) {
		fail(s, "out of descriptors", false);
		return;
	}
	s->plain = ends[0];
	log_session(s);
	if (say_secured(s, ends[1]) == 0 && watch(s, s->plain, &s->plain_source) == 0) {
		relay_open(&s->relay, s->ssl, s->plain);
		enter(s, SESSION_CARRYING, 0);
		forget_request(s);
	} else {
		enter(s, SESSION_OVER, 0);
	}
	file_close(ends[1]);
}

static void
shake_hands(struct session *s)
{
	short want = 0;
	int rv;

	ERR_clear_error();
	errno = 0;
	rv = SSL_accept(s->ssl);
	if (rv == 1)
		succeed(s);
	else if (tls_failure(s->ssl, rv, &want) == 0 || errno != EAGAIN)
		fail(s, reason(), true);
}

static bool
never_waits(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags != -1 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) != -1;
}

static void
terminate(struct session *s, struct wire_packet *p)
{
	strlcpy(s->request->service, p->word[0], sizeof(s->request->service));
	strlcpy(s->request->client, p->word[1], sizeof(s->request->client));
	s->tcp = wire_fd(p, 0);
	if (s->env->pairs->shop_count == 0) {
		fail(s, "no certificate", true);
		return;
	}
	s->ssl = SSL_new(s->env->pairs->shops[s->env->pairs->usual].ctx);
	if (s->ssl == NULL || SSL_set_app_data(s->ssl, s->request) != 1 || !never_waits(s->tcp) || SSL_set_fd(s->ssl, s->tcp) != 1 ||
	    watch(s, s->tcp, &s->tcp_source) == -1) {
		fail(s, "out of resources", true);
		return;
	}
	enter(s, SESSION_SHAKING, (int64_t)s->env->conf->tls_handshake_timeout * 1000);
	shake_hands(s);
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

static int
tell_standing(struct session *s)
{
	const struct pairs *p = s->env->pairs;
	struct buf pairs = BUF_INIT(LIMIT_PACKET - 200), one = BUF_INIT(4096);
	char numbers[3][24];
	size_t connections, processes;
	struct secure_pair facts;
	int rv;

	seat_totals(s->env->seat, &connections, &processes);
	(void)snprintf(numbers[0], sizeof(numbers[0]), "%zu", connections - (connections > 0)); /* less the one that asks */
	(void)snprintf(numbers[1], sizeof(numbers[1]), "%zu", processes);
	(void)snprintf(numbers[2], sizeof(numbers[2]), "%lld", atomic_load(&s->env->tickets->made_s));
	for (size_t i = 0; i < p->count; i++) {
		buf_reset(&one);
		pairs_describe(p, &p->all[i], &facts);
		secure_pair_add(&facts, &one);
		if (one.len <= pairs.max - pairs.len)
			buf_addspan(&pairs, buf_span(&one));
	}
	rv = wire_send(&s->wire, deadline_in(ANSWER_WAIT_MS), NULL, buf_span(&pairs), "STANDING",
	    (const char *const[]){ numbers[0], numbers[1], numbers[2] }, 3);
	buf_free(&pairs);
	buf_free(&one);
	return rv;
}

/* ASK or STATUS: then it may ask again. */
static int
answer(struct session *s, const struct wire_packet *p)
{
	if (wire_is(p, "STATUS"))
		return tell_standing(s);
	return wire_send(&s->wire, deadline_in(ANSWER_WAIT_MS), NULL, SPAN(""),
	    s->env->pairs->shop_count > 0 ? "READY" : "NONE", NULL, 0);
}

static void
take_request(struct session *s)
{
	struct wire_packet p;
	int rv = wire_recv(&s->wire, NEVER, &p);

	if (rv == -1 && errno == EAGAIN)
		return;
	if (rv != 1)
		enter(s, SESSION_OVER, 0);
	else if (wire_is(&p, "TERMINATE"))
		terminate(s, &p);
	else if (answer(s, &p) == -1)
		enter(s, SESSION_OVER, 0);
	else
		enter(s, SESSION_ASKED, REQUEST_WAIT_MS);
}

/* --- the end -------------------------------------------------------------- */

/* close_notify, and then until the client has gone, or its last octets would make the kernel
 * reset the connection under ours. */
static void
part(struct session *s)
{
	unwatch(s, s->plain);
	file_close(s->plain);
	s->plain = -1;
	ERR_clear_error();
	if (s->relay.broken || SSL_shutdown(s->ssl) < 0) {
		enter(s, SESSION_OVER, 0);
		return;
	}
	(void)shutdown(s->tcp, SHUT_WR);
	enter(s, SESSION_PARTING, PARTING_WAIT_MS);
}

void
session_late(struct session *s)
{
	if (s->state == SESSION_SHAKING)
		fail(s, "no handshake in time", true);
	else if (s->state == SESSION_CARRYING)
		part(s);
	else
		enter(s, SESSION_OVER, 0);
}

void
session_close(struct session *s)
{
	unwatch(s, s->wire.fd);
	unwatch(s, s->plain);
	unwatch(s, s->tcp);
	wire_close(&s->wire);
	free(s->request);
	relay_close(&s->relay);
	SSL_free(s->ssl);
	ERR_clear_error();
	file_close(s->plain);
	file_close(s->tcp);
	free(s);
}

/* --- for the loop --------------------------------------------------------- */

struct session *
session_open(const struct session_env *env, int epoll, int fd)
{
	struct session *s = mem_alloc(1, sizeof(*s));

	s->env = env;
	s->epoll = epoll;
	s->tcp = s->plain = -1;
	s->wire_source = (struct source){ s, FROM_WIRE };
	s->tcp_source = (struct source){ s, FROM_TCP };
	s->plain_source = (struct source){ s, FROM_PLAIN };
	s->request = mem_alloc(1, sizeof(*s->request));
	wire_open(&s->wire, fd, SERVER, secure_messages, SECURE_IDLE);
	enter(s, SESSION_ASKED, REQUEST_WAIT_MS);
	if (!may_ask(env, fd) || watch(s, fd, &s->wire_source) == -1)
		enter(s, SESSION_OVER, 0);
	return s;
}

void
session_heard(const struct source *from, uint32_t events)
{
	struct session *s = from->session;
	unsigned ready = 0;

	if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		ready |= POLLIN;
	if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
		ready |= POLLOUT;
	if (from->which == FROM_TCP)
		s->relay.tcp_ready |= ready;
	else if (from->which == FROM_PLAIN)
		s->relay.plain_ready |= ready;
	else if (s->state == SESSION_SHAKING && (ready & POLLIN) != 0)
		enter(s, SESSION_OVER, 0); /* the program is not waiting any more */
}

bool
session_step(struct session *s)
{
	enum relay_state how = RELAY_WAITS;

	if (s->state == SESSION_ASKED) {
		take_request(s);
	} else if (s->state == SESSION_SHAKING) {
		shake_hands(s);
	} else if (s->state == SESSION_PARTING && relay_drained(&s->relay)) {
		enter(s, SESSION_OVER, 0);
	}
	if (s->state == SESSION_CARRYING) {
		how = relay_step(&s->relay);
		s->until = s->relay.last;
		if (how == RELAY_OVER)
			part(s);
	}
	return how == RELAY_GOES_ON;
}
