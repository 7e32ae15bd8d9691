/*
 * oauth_browser: where a browser comes back to after a login: a free port of 127.0.0.1 (RFC 8252, 7.3).
 */
#ifndef AUTH_OAUTH_BROWSER_H
#define AUTH_OAUTH_BROWSER_H

#include "lib/base/buf.h"

/* A listening socket and its port; -1 errno. */
int browser_listen(char port[8]) MUST_CHECK;
/* Serve the one connection that waits there, for a few seconds at most. True: it was the browser, and *query is what it
 * brought ("code=...&state=..."). */
bool browser_serve(int listen_fd, struct buf *query);

#endif
