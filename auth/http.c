/*
 * http: libcurl's multi interface in our event loop.
 *
 * Knows transport: TLS, limits, time. What a form or an answer means is for others (oauth_form.c, oauth_answer.c).
 */
#include "auth/http.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct http_call {
	struct http *http;
	CURL *easy;
	struct buf form, body;
	char error[CURL_ERROR_SIZE];
	void (*done)(void *, const struct http_answer *);
	void *arg;
	TAILQ_ENTRY(http_call) next;
};
struct http {
	struct event_base *base;
	CURLM *multi;
	struct curl_slist *fields;
	struct event *timer;
	TAILQ_HEAD(, http_call) calls;
};

/* --- between libcurl and the event loop ---------------------------------- */

static void
call_free(struct http_call *c)
{
	TAILQ_REMOVE(&c->http->calls, c, next);
	curl_multi_remove_handle(c->http->multi, c->easy);
	curl_easy_cleanup(c->easy);
	buf_wipe(&c->form);
	buf_free(&c->form);
	buf_wipe(&c->body);
	buf_free(&c->body);
	free(c);
}

static const char *
error_of(const struct http_call *c, CURLcode code)
{
	if (buf_over(&c->body))
		return "the answer is longer than 65536 octets";
	return c->error[0] != '\0' ? c->error : curl_easy_strerror(code);
}

static void
finish(struct http_call *c, CURLcode code)
{
	struct http_answer a = { .body = buf_span(&c->body) };
	curl_off_t after = 0;
	long status = 0;

	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK || buf_over(&c->body)) {
		a.error = error_of(c, code);
	} else {
		a.status = (int)status;
		if (curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &after) == CURLE_OK && after > 0)
			a.retry_after_s = after;
	}
	c->done(c->arg, &a);
	call_free(c);
}

static void
finish_all(struct http *h)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left)) != NULL) {
		struct http_call *c = NULL;
		CURLcode code = m->data.result;

		if (m->msg == CURLMSG_DONE && curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&c) == CURLE_OK)
			finish(c, code);
	}
}

static void
socket_ready(evutil_socket_t fd, short what, void *arg)
{
	struct http *h = arg;
	int running, how = ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);

	curl_multi_socket_action(h->multi, fd, how, &running);
	finish_all(h);
}

static void
time_over(evutil_socket_t fd, short what, void *arg)
{
	struct http *h = arg;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish_all(h);
}

static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *mine)
{
	struct http *h = arg;
	struct event *e = mine;
	short events = EV_PERSIST;

	(void)easy;
	if (e != NULL)
		event_free(e);
	e = NULL;
	if (what != CURL_POLL_REMOVE) {
		if ((what & CURL_POLL_IN) != 0)
			events |= EV_READ;
		if ((what & CURL_POLL_OUT) != 0)
			events |= EV_WRITE;
		e = event_new(h->base, fd, events, socket_ready, h);
		event_add(e, NULL);
	}
	curl_multi_assign(h->multi, fd, e);
	return 0;
}

static int
set_timer(CURLM *multi, long ms, void *arg)
{
	struct http *h = arg;
	const struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	(void)multi;
	if (ms == -1)
		event_del(h->timer);
	else
		event_add(h->timer, &tv);
	return 0;
}

struct http *
http_open(struct event_base *base, struct buf *why)
{
	struct http *h = mem_alloc(1, sizeof(*h));

	h->base = base;
	TAILQ_INIT(&h->calls);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (h->multi = curl_multi_init()) == NULL) {
		buf_adds(why, "cannot set up libcurl");
		free(h);
		return NULL;
	}
	h->timer = evtimer_new(base, time_over, h);
	/* Expect: 100-continue costs a round trip, or a second with servers that do not know it. */
	h->fields = curl_slist_append(curl_slist_append(NULL, "Accept: application/json"), "Expect:");
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	return h;
}

void
http_close(struct http *h)
{
	struct http_call *c, *following;

	for (c = TAILQ_FIRST(&h->calls); c != NULL; c = following) {
		following = TAILQ_NEXT(c, next);
		call_free(c);
	}
	curl_multi_cleanup(h->multi);
	curl_slist_free_all(h->fields);
	event_free(h->timer);
	curl_global_cleanup();
	free(h);
}

/* --- a call -------------------------------------------------------------- */

static size_t
take_body(char *s, size_t size, size_t n, void *arg)
{
	struct buf *body = arg;

	buf_add(body, s, size * n);
	return buf_over(body) ? 0 : size * n; /* 0 ends the transfer */
}

static void
set_transport(CURL *e, const struct http_request *r)
{
	bool clear = strncasecmp(r->url, "http:", 5) == 0; /* loopback: providers are checked for that */

	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, clear ? "http" : "https");
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
	if (r->ca != NULL) {
		curl_easy_setopt(e, CURLOPT_CAINFO, r->ca);
		curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	}
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, (long)HTTP_CONNECT_S);
	curl_easy_setopt(e, CURLOPT_TIMEOUT, (long)HTTP_TOTAL_S);
}

static void
set_request(struct http_call *c, const struct http_request *r)
{
	CURL *e = c->easy;

	curl_easy_setopt(e, CURLOPT_URL, r->url);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "posthouse/" POSTHOUSE_VERSION);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->http->fields);
	curl_easy_setopt(e, CURLOPT_POST, 1L);
	curl_easy_setopt(e, CURLOPT_POSTFIELDS, buf_str(&c->form));
	curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)c->form.len);
	if (r->name != NULL) {
		curl_easy_setopt(e, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(e, CURLOPT_USERNAME, r->name);
		curl_easy_setopt(e, CURLOPT_PASSWORD, r->secret);
	}
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, &c->body);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->error);
	curl_easy_setopt(e, CURLOPT_PRIVATE, c);
}

struct http_call *
http_post(struct http *h, const struct http_request *r, void (*done)(void *, const struct http_answer *), void *arg)
{
	struct http_call *c = mem_alloc(1, sizeof(*c));

	c->http = h;
	c->done = done;
	c->arg = arg;
	buf_init(&c->form, r->form.len + 1);
	buf_addspan(&c->form, r->form);
	buf_init(&c->body, HTTP_ANSWER_MAX);
	c->easy = curl_easy_init();
	if (c->easy == NULL)
		abort(); /* no memory */
	set_transport(c->easy, r);
	set_request(c, r);
	TAILQ_INSERT_TAIL(&h->calls, c, next);
	curl_multi_add_handle(h->multi, c->easy);
	return c;
}

void
http_cancel(struct http_call *c)
{
	if (c != NULL)
		call_free(c);
}
