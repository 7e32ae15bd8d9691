/*
 * login: the AUTHORIZATION state (RFC 1939, 4), as the uid that owns nothing.
 */
#ifndef POP3D_LOGIN_H
#define POP3D_LOGIN_H

#include "lib/net/gate.h"
#include "lib/store/conf.h"
#include "lib/wire/exchange.h"
#include "lib/wire/secure.h"
#include "router/router.h"

struct login {
	const struct conf *conf;
	struct router *router;  /* for plaintext_login = trusted; else NULL */
	struct auth auth;       /* kept from session to session */
	struct secure secure;   /* tlsd */
	int spawner_fd;         /* who serves mailboxes */
};
/* One connection: until it is handed on, or over. Takes conn->fd. */
void login_serve(struct login *, const struct gate_conn *conn);

#endif
