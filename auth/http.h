/*
 * http: a form sent to an authorization server, and its answer. The only module that knows libcurl.
 *
 * https, verified against the system's trust store or the file named; http for the loopback addresses alone. No redirects,
 * proxies, cookies or stored passwords, whatever the environment says. Reads the trust store when it connects, so a
 * sandbox must allow it.
 */
#ifndef AUTH_HTTP_H
#define AUTH_HTTP_H

#include <event2/event.h>

#include "lib/base/buf.h"

#define HTTP_ANSWER_MAX 65536 /* octets of an answer's body; usual are 2000 */
#define HTTP_CONNECT_S 10
#define HTTP_TOTAL_S 30

struct http;
struct http_call;
struct http_request {
	const char *url;
	struct span form;           /* application/x-www-form-urlencoded; copied, and wiped behind */
	const char *name, *secret;  /* for an Authorization field; NULL: none */
	const char *ca;             /* NULL: the system's */
};
struct http_answer {
	int status;                 /* 0: there was none, and error says why */
	struct span body;           /* at most HTTP_ANSWER_MAX octets */
	int64_t retry_after_s;      /* 0: it does not say */
	const char *error;
};

struct http *http_open(struct event_base *, struct buf *why) MUST_CHECK;
void http_close(struct http *); /* its calls are cancelled */
/* done is called once, from the event loop, unless the call is cancelled before. */
struct http_call *http_post(struct http *, const struct http_request *,
    void (*done)(void *arg, const struct http_answer *), void *arg) MUST_CHECK;
void http_cancel(struct http_call *);

#endif
