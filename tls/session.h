/*
 * session: one client of smtpd's or pop3d's: handshake, facts, relay.
 */
#ifndef TLS_SESSION_H
#define TLS_SESSION_H

#include "lib/store/conf.h"
#include "tls/pairs.h"

struct session_env {
	const struct conf *conf;
	const struct pairs *pairs;
	const uid_t *uids; /* who may ask */
	size_t uid_count;
};
/* A connection to our socket, with its whole dialogue. Takes fd. */
void session_serve(const struct session_env *, int fd);

#endif
