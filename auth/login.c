/*
 * login: one struct a login under way. What was there before stays in force until the new grant is in the store.
 */
#include "auth/login.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/oauth_form.h"
#include "lib/base/log.h"
#include "lib/wire/token.h"

#define DEVICE_LIFE_S 900      /* when the server does not say */
#define DEVICE_LIFE_MAX_S 3600
#define BROWSER_LIFE_S 900
#define INTERVAL_S 5           /* RFC 8628, 3.2 */
#define INTERVAL_MAX_S 300
#define SLOWER_S 5             /* RFC 8628, 3.5 */

struct login {
	struct keeper *keeper;
	struct login_says says;
	struct arena *arena;
	struct oauth_account account;
	struct grant grant;          /* to be */
	struct http_call *call;
	struct event *timer;
	enum { ASKING_CODE, POLLING, AWAITING_BROWSER, TRADING } state;
	const char *device_code;
	int64_t interval_s, ends_s;
	char *redirect;
	char state_word[OAUTH_RANDOM + 1], verifier[OAUTH_RANDOM + 1];
};

static int64_t
now_s(void)
{
	return (int64_t)time(NULL);
}

void
login_cancel(struct login *l)
{
	if (l == NULL)
		return;
	http_cancel(l->call);
	event_free(l->timer);
	grant_wipe(&l->grant);
	explicit_bzero(l->verifier, sizeof(l->verifier));
	free(l->redirect);
	arena_reset(l->arena); /* wipes */
	arena_free(l->arena);
	free(l);
}

static void
fail(struct login *l, const char *reason)
{
	struct login_says says = l->says;
	char *copy = mem_dup(reason);

	login_cancel(l);
	says.failed(says.arg, copy);
	free(copy);
}

static void
wait_s(struct login *l, int64_t s)
{
	const struct timeval tv = { s, 0 };

	event_add(l->timer, &tv);
}

/* --- the end of it ------------------------------------------------------- */

static void
succeed(struct login *l, const struct oauth_tokens *t)
{
	struct login_says says = l->says;
	struct buf why = BUF_INIT(512), note = BUF_INIT(512);
	bool app = strcmp(l->grant.text[GRANT_FLOW], "app") == 0;

	if (t->refresh == NULL && !app) {
		fail(l, "the provider gives no refresh token: the scope needs offline access, or consent has to be given anew");
		goto out;
	}
	l->grant.number[GRANT_LOGIN_S] = now_s();
	keeper_take(&l->grant, t);
	grant_set(&l->grant, GRANT_REFRESH_BEFORE, "");
	if (keeper_put(l->keeper, &l->grant, &why) == -1) {
		fail(l, buf_str(&why));
		goto out;
	}
	if (t->scope != NULL)
		buf_addf(&note, "for %s", t->scope);
	login_cancel(l);
	says.done(says.arg, buf_str(&note));
out:
	buf_free(&why);
	buf_free(&note);
}

static const char *
reason_of(enum oauth_result result, const char *said)
{
	switch (result) {
	case OAUTH_DENIED:
		return "access was denied";
	case OAUTH_EXPIRED:
		return "the code has expired: try again";
	default:
		return said;
	}
}

/* A token endpoint's answer, to whichever grant. */
static void
tokens_came(void *arg, const struct http_answer *a)
{
	struct login *l = arg;
	struct buf why = BUF_INIT(512);
	struct oauth_tokens tokens;
	enum oauth_result result = OAUTH_LATER;

	l->call = NULL;
	if (a->error != NULL)
		buf_adds(&why, a->error);
	else
		result = oauth_read_tokens(a->status, a->body, l->arena, &tokens, &why);
	if (result == OAUTH_FINE) {
		succeed(l, &tokens);
	} else if (l->state == POLLING && (result == OAUTH_PENDING || result == OAUTH_SLOW_DOWN || result == OAUTH_LATER) &&
	    now_s() + l->interval_s < l->ends_s) {
		if (result != OAUTH_PENDING && l->interval_s < INTERVAL_MAX_S)
			l->interval_s += SLOWER_S;
		wait_s(l, a->retry_after_s > l->interval_s && a->retry_after_s < INTERVAL_MAX_S ? a->retry_after_s :
		                                                                                   l->interval_s);
	} else if (result == OAUTH_PENDING || result == OAUTH_SLOW_DOWN) {
		fail(l, reason_of(OAUTH_EXPIRED, NULL));
	} else {
		fail(l, reason_of(result, buf_str(&why)));
	}
	buf_free(&why);
}

static void
ask_for_tokens(struct login *l, struct buf *form)
{
	l->call = keeper_post(l->keeper, &l->account, l->account.provider.token, form, l->grant.text[GRANT_SECRET],
	    tokens_came, l);
	buf_wipe(form);
	buf_free(form);
}

/* --- a code that a person types ------------------------------------------ */

static void
poll_device(struct login *l)
{
	struct buf form = BUF_INIT(4 * LIMIT_TOKEN);

	form_add(&form, "grant_type", "urn:ietf:params:oauth:grant-type:device_code");
	form_add(&form, "device_code", l->device_code);
	ask_for_tokens(l, &form);
}

static int64_t
between(int64_t n, int64_t otherwise, int64_t max)
{
	n = n > 0 ? n : otherwise;
	return n < max ? n : max;
}

static void
device_came(void *arg, const struct http_answer *a)
{
	struct login *l = arg;
	struct buf why = BUF_INIT(512);
	struct oauth_device d;
	enum oauth_result result = OAUTH_LATER;

	l->call = NULL;
	if (a->error != NULL)
		buf_adds(&why, a->error);
	else
		result = oauth_read_device(a->status, a->body, l->arena, &d, &why);
	if (result != OAUTH_FINE) {
		fail(l, reason_of(result, buf_str(&why)));
	} else {
		int64_t life_s = between(d.expires_s, DEVICE_LIFE_S, DEVICE_LIFE_MAX_S);

		l->state = POLLING;
		l->device_code = d.code;
		l->interval_s = between(d.interval_s, INTERVAL_S, INTERVAL_MAX_S);
		l->ends_s = now_s() + life_s;
		wait_s(l, l->interval_s);
		l->says.code(l->says.arg, d.user_code, d.url, d.complete != NULL ? d.complete : "", life_s);
	}
	buf_free(&why);
}

static void
begin_device(struct login *l)
{
	struct buf form = BUF_INIT(16384);

	l->state = ASKING_CODE;
	form_add(&form, "scope", l->account.provider.scope);
	/* The client's secret, where there is one, authenticates here too (RFC 8628, 3.1). */
	l->call = keeper_post(l->keeper, &l->account, l->account.provider.device, &form, l->grant.text[GRANT_SECRET],
	    device_came, l);
	buf_wipe(&form);
	buf_free(&form);
}

/* --- a browser that comes back ------------------------------------------- */

static void
begin_browser(struct login *l, const char *port)
{
	const struct provider *p = &l->account.provider;
	struct buf url = BUF_INIT(16384);
	char challenge[OAUTH_RANDOM + 1];

	l->state = AWAITING_BROWSER;
	l->redirect = p->redirect != NULL ? mem_dup(p->redirect) : mem_fmt("http://127.0.0.1:%s/", port);
	oauth_random(l->state_word);
	oauth_random(l->verifier);
	oauth_challenge(l->verifier, challenge);
	buf_addf(&url, "%s%c", p->authorize, strchr(p->authorize, '?') != NULL ? '&' : '?');
	form_add(&url, "response_type", "code");
	form_add(&url, "client_id", l->account.client_id);
	form_add(&url, "redirect_uri", l->redirect);
	form_add(&url, "scope", p->scope);
	form_add(&url, "state", l->state_word);
	form_add(&url, "code_challenge", challenge);
	form_add(&url, "code_challenge_method", "S256");
	form_add(&url, "login_hint", l->account.login);
	if (p->extra != NULL)
		buf_addf(&url, "&%s", p->extra);
	wait_s(l, BROWSER_LIFE_S);
	l->says.visit(l->says.arg, buf_str(&url), l->redirect, BROWSER_LIFE_S);
	buf_free(&url);
}

static void
trade_code(struct login *l, const char *code)
{
	struct buf form = BUF_INIT(4 * LIMIT_TOKEN);

	event_del(l->timer);
	l->state = TRADING;
	form_add(&form, "grant_type", "authorization_code");
	form_add(&form, "code", code);
	form_add(&form, "redirect_uri", l->redirect);
	form_add(&form, "code_verifier", l->verifier);
	ask_for_tokens(l, &form);
}

void
login_answer(struct login *l, const char *query)
{
	const char *mark = strchr(query, '?');
	struct span all = span_trim(span_of(mark != NULL ? mark + 1 : query));
	const char *code = form_find(all, "code", l->arena), *state = form_find(all, "state", l->arena);
	const char *error = form_find(all, "error", l->arena);

	if (l->state != AWAITING_BROWSER)
		return;
	if (state == NULL || strcmp(state, l->state_word) != 0)
		fail(l, "what the browser brought back belongs to another login (state differs): try again");
	else if (error != NULL)
		fail(l, strcmp(error, "access_denied") == 0 ? "access was denied" : "the provider refuses: see what the browser shows");
	else if (code == NULL)
		fail(l, "what the browser brought back holds no code");
	else
		trade_code(l, code);
}

/* --- an application ------------------------------------------------------ */

static void
begin_app(struct login *l)
{
	struct buf form = BUF_INIT(16384);

	l->state = TRADING;
	form_add(&form, "grant_type", "client_credentials");
	form_add(&form, "scope", l->account.provider.app_scope);
	ask_for_tokens(l, &form);
}

/* --- beginning ----------------------------------------------------------- */

static void
time_over(evutil_socket_t fd, short what, void *arg)
{
	struct login *l = arg;

	(void)fd;
	(void)what;
	if (l->state == POLLING)
		poll_device(l);
	else
		fail(l, "it took too long: try again");
}

/* Which way, or NULL with why. */
static const char *
choose_flow(const struct login_ask *ask, const struct oauth_account *a, struct buf *why)
{
	const struct provider *p = &a->provider;

	if (strcmp(ask->flow, "app") == 0) {
		if (p->app_scope != NULL && *ask->secret != '\0')
			return "app";
		buf_addf(why, p->app_scope == NULL ? "the provider %s gives no mail to applications: posthouse oauth login"
		                                   : "an application at %s needs its client secret", a->provider_name);
		return NULL;
	}
	if (strcmp(ask->flow, "login") == 0 && p->device != NULL)
		return "device";
	if (p->authorize != NULL)
		return "browser";
	buf_addf(why, "the provider %s has no %s=", a->provider_name,
	    strcmp(ask->flow, "login") == 0 ? "device" : "authorize");
	return NULL;
}

struct login *
login_begin(struct keeper *k, const struct login_ask *ask, const struct login_says *says, struct buf *why)
{
	struct login *l = mem_alloc(1, sizeof(*l));
	const char *flow = NULL;

	l->keeper = k;
	l->says = *says;
	l->arena = arena_new();
	l->timer = evtimer_new(k->base, time_over, l);
	grant_init(&l->grant);
	(void)generation_refresh(&k->maps);
	if (oauth_account_find(k->maps, ask->account, l->arena, &l->account, why) == 0)
		flow = choose_flow(ask, &l->account, why);
	if (flow == NULL) {
		login_cancel(l);
		return NULL;
	}
	grant_set(&l->grant, GRANT_ACCOUNT, ask->account);
	grant_set(&l->grant, GRANT_FLOW, flow);
	grant_set(&l->grant, GRANT_CLIENT_ID, l->account.client_id);
	grant_set(&l->grant, GRANT_SECRET, ask->secret);
	l->grant.number[GRANT_SECRET_EXPIRES_S] = ask->secret_expires_s;
	if (strcmp(flow, "app") == 0)
		begin_app(l);
	else if (strcmp(flow, "device") == 0)
		begin_device(l);
	else
		begin_browser(l, ask->port);
	return l;
}
