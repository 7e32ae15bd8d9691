/*
 * login: a person, or an application, gets a grant: device authorization (RFC 8628), authorization code with PKCE
 * (RFC 6749, 4.1; RFC 7636; RFC 8252), client credentials (RFC 6749, 4.4).
 */
#ifndef AUTH_LOGIN_H
#define AUTH_LOGIN_H

#include "auth/keeper.h"

struct login;
struct login_ask {
	const char *account, *flow; /* "login", "browser", "app" */
	const char *port;           /* where the browser is awaited on 127.0.0.1 */
	const char *secret;         /* of the client; "" */
	int64_t secret_expires_s;   /* 0: unknown */
};
/* What the person is to be told; called from the event loop. After done or failed the login is gone. */
struct login_says {
	void (*code)(void *, const char *code, const char *url, const char *complete, int64_t seconds);
	void (*visit)(void *, const char *url, const char *redirect, int64_t seconds);
	void (*done)(void *, const char *note);
	void (*failed)(void *, const char *reason);
	void *arg;
};
/* NULL with why: it cannot even be begun. */
struct login *login_begin(struct keeper *, const struct login_ask *, const struct login_says *, struct buf *why) MUST_CHECK;
/* What the browser brought back: "code=...&state=...", or an address with that behind "?". */
void login_answer(struct login *, const char *query);
void login_cancel(struct login *);

#endif
