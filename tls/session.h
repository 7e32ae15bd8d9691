/*
 * session: one client of smtpd's or pop3d's: request, handshake, facts, relay, farewell.
 */
#ifndef TLS_SESSION_H
#define TLS_SESSION_H

#include <stdint.h>
#include <sys/queue.h>

#include "lib/base/clock.h"
#include "lib/store/conf.h"
#include "lib/wire/wire.h"
#include "tls/pairs.h"
#include "tls/pool.h"
#include "tls/relay.h"
#include "tls/tickets.h"

struct session_env {
	const struct conf *conf;
	const struct pairs *pairs;
	const uid_t *uids; /* who may ask */
	size_t uid_count;
	const struct tickets *tickets;
	const struct seat *seat; /* of this process */
};
enum session_state { SESSION_ASKED, SESSION_SHAKING, SESSION_CARRYING, SESSION_PARTING, SESSION_OVER };
struct session;
struct source {                      /* what epoll(7) tells of: a session's socket */
	struct session *session;
	enum { FROM_WIRE, FROM_TCP, FROM_PLAIN } which;
};
struct session {
	TAILQ_ENTRY(session) all, ready;
	bool is_ready;               /* it is in the list of those that can go on */
	enum session_state state;
	deadline_ms until;           /* of this state; NEVER */
	const struct session_env *env;
	int epoll;
	struct source wire_source, tcp_source, plain_source;
	struct wire wire;
	struct request *request;     /* until it is answered */
	int tcp, plain;
	SSL *ssl;
	struct relay relay;
};
/* What every context for sessions needs. */
void session_prepare(SSL_CTX *);
/* A connection to our socket, non-blocking, with its whole dialogue. Takes fd. epoll: where its sockets are
 * watched. */
struct session *session_open(const struct session_env *, int epoll, int fd) MUST_CHECK;
/* epoll(7) has told this of one of its sockets. */
void session_heard(const struct source *, uint32_t events);
/* As far as it goes without waiting. true: there is more to be done at once. */
bool session_step(struct session *) MUST_CHECK;
/* Its deadline is over. */
void session_late(struct session *);
void session_close(struct session *);

#endif
