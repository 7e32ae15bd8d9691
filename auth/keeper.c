/*
 * keeper: one entry an account.
 *
 * An access token is handed out until 5 minutes, or a tenth of its life, before its end; then one request renews it, for
 * all who wait. A server that fails is asked again after 30 seconds, growing to an hour, later if it says so; what is
 * still good is handed out meanwhile. A refusal that only a person can mend is tried again every six hours, in case it
 * was the server's mistake. Nothing of a grant is given up without a word from a person.
 */
#include "auth/keeper.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/keeper_parts.h"
#include "auth/oauth_form.h"
#include "lib/base/log.h"
#include "lib/wire/token.h"

#define MARGIN_S 300        /* before its end a token is renewed, or ... */
#define MARGIN_PART 10      /* ... so much of its life, if that is shorter */
#define USABLE_S 10         /* a token with less than this is not handed out */
#define EXPIRES_DEFAULT_S 3600 /* when the server does not say (RFC 6749, 5.1) */
#define RETRY_FIRST_S 30
#define RETRY_LAST_S 3600
#define RETRY_ASKED_MAX_S 86400 /* Retry-After */
#define RETRY_DEAD_S (6 * 3600)
#define REFUSED_AGAIN_S 1800 /* so often a token is replaced because a provider refuses it */
#define TELL_AFTER_S 3600   /* postmaster hears of a server that fails so long */

static int64_t
now_s(void)
{
	return (int64_t)time(NULL);
}

/* --- the store ----------------------------------------------------------- */

/* Memory has it in any case: what was rotated must not be lost because the disk is full now. */
void
keeper_save(struct keeper_entry *e)
{
	struct buf why = BUF_INIT(512);

	e->unsaved = tokens_put(e->keeper->store, &e->grant, &why) == -1;
	if (e->unsaved)
		log_error(EV_WARNING, LS("text", buf_str(&why)), LS("account", e->grant.text[GRANT_ACCOUNT]));
	buf_free(&why);
}

static struct keeper_entry *
add_entry(struct keeper *k)
{
	struct keeper_entry *e = mem_alloc(1, sizeof(*e));

	e->keeper = k;
	grant_init(&e->grant);
	TAILQ_INIT(&e->waiters);
	TAILQ_INSERT_TAIL(&k->entries, e, next);
	return e;
}

static void
load(void *arg, struct grant *g)
{
	struct keeper_entry *e = add_entry(arg);

	grant_wipe(&e->grant);
	e->grant = *g;
}

struct keeper_entry *
keeper_find(struct keeper *k, const char *account)
{
	struct keeper_entry *e;

	TAILQ_FOREACH(e, &k->entries, next)
		if (strcmp(e->grant.text[GRANT_ACCOUNT], account) == 0)
			return e;
	return NULL;
}

/* --- who waits ----------------------------------------------------------- */

static int64_t
margin_of(const struct grant *g)
{
	int64_t part = (g->number[GRANT_ACCESS_EXPIRES_S] - g->number[GRANT_ACCESS_SINCE_S]) / MARGIN_PART;

	return part < MARGIN_S ? part : MARGIN_S;
}

static bool
is_usable(const struct keeper_entry *e)
{
	const struct grant *g = &e->grant;
	int64_t margin = margin_of(g), least = margin < USABLE_S ? margin : USABLE_S;

	return g->text[GRANT_ACCESS][0] != '\0' && !e->refused && now_s() < g->number[GRANT_ACCESS_EXPIRES_S] - least;
}

static bool
is_due(const struct keeper_entry *e)
{
	return !is_usable(e) || now_s() >= e->grant.number[GRANT_ACCESS_EXPIRES_S] - margin_of(&e->grant);
}

static void
answer(struct keeper_entry *e, struct waiter *w)
{
	const struct grant *g = &e->grant;
	struct buf reason = BUF_INIT(1024);

	if (is_usable(e)) {
		w->done(w, KEEPER_TOKEN, g->text[GRANT_ACCESS], g->number[GRANT_ACCESS_EXPIRES_S]);
	} else if (g->text[GRANT_TROUBLE][0] != '\0') {
		w->done(w, KEEPER_NO, g->text[GRANT_TROUBLE], 0);
	} else {
		buf_adds(&reason, e->reason);
		if (e->next_try_s > now_s())
			buf_addf(&reason, "; next try in %lld s", (long long)(e->next_try_s - now_s()));
		w->done(w, KEEPER_LATER, buf_str(&reason), 0);
	}
	buf_free(&reason);
}

static void
answer_all(struct keeper_entry *e)
{
	struct waiter *w;

	while ((w = TAILQ_FIRST(&e->waiters)) != NULL) {
		TAILQ_REMOVE(&e->waiters, w, next);
		w->waiting = false;
		answer(e, w);
	}
}

void
keeper_leave(struct keeper *k, struct waiter *w)
{
	struct keeper_entry *e;
	struct waiter *other;

	if (!w->waiting)
		return;
	w->waiting = false;
	TAILQ_FOREACH(e, &k->entries, next)
		TAILQ_FOREACH(other, &e->waiters, next)
			if (other == w) {
				TAILQ_REMOVE(&e->waiters, w, next);
				return;
			}
}

/* --- renewing ------------------------------------------------------------ */

/* +- a quarter, so that a thousand accounts do not come back in the same second. */
static int64_t
with_jitter(int64_t s)
{
	return s - s / 4 + (int64_t)arc4random_uniform((uint32_t)(s / 2 + 1));
}

static void
failed_for_now(struct keeper_entry *e, int64_t asked_s)
{
	const char *account = e->grant.text[GRANT_ACCOUNT];
	int64_t wait = RETRY_FIRST_S;
	struct buf text = BUF_INIT(2048);

	for (unsigned i = 0; i < e->failures && wait < RETRY_LAST_S; i++)
		wait *= 2;
	wait = with_jitter(wait < RETRY_LAST_S ? wait : RETRY_LAST_S);
	if (asked_s > wait)
		wait = asked_s < RETRY_ASKED_MAX_S ? asked_s : RETRY_ASKED_MAX_S;
	if (e->failures++ == 0)
		e->failing_since_s = now_s();
	e->next_try_s = now_s() + wait;
	log_event(EV_TOKEN_FAILED, LS("account", account), LS("reason", e->reason), LN("again_s", wait));
	if (!is_usable(e) && now_s() - e->failing_since_s >= TELL_AFTER_S) {
		buf_addf(&text, "For over an hour no token has been to be had for the account %s:\n\n    %s\n\n"
		    "It is tried again by itself; mail waits meanwhile, and nothing is lost.\n", account, e->reason);
		keeper_tell(e, "unreachable", buf_str(&text));
	}
	buf_free(&text);
}

/* A person has to do something. */
static void
failed_for_good(struct keeper_entry *e, enum oauth_result result, const struct oauth_account *a)
{
	struct grant *g = &e->grant;
	int64_t age = now_s() - g->number[GRANT_LOGIN_S];
	struct buf trouble = BUF_INIT(1024);

	if (result == OAUTH_GRANT && a->provider.young_hint != NULL && age < (int64_t)a->provider.young_s)
		buf_addf(&trouble, "%s (%s)", a->provider.young_hint, e->reason);
	else
		buf_adds(&trouble, e->reason);
	buf_addf(&trouble, "; %sthen: posthouse oauth %s %s",
	    result == OAUTH_CLIENT ? "a new client secret or application may be needed, " : "", keeper_verb(e), a->name);
	if (g->text[GRANT_TROUBLE][0] == '\0')
		g->number[GRANT_TROUBLE_S] = now_s();
	grant_set(g, GRANT_TROUBLE, buf_str(&trouble));
	e->next_try_s = now_s() + RETRY_DEAD_S;
	log_event(EV_TOKEN_REFUSED, LS("account", a->name), LS("reason", g->text[GRANT_TROUBLE]));
	grant_set(g, GRANT_CAUSE,
	    result == OAUTH_GRANT ? "invalid_grant" : result == OAUTH_CLIENT ? "invalid_client" : "refused");
	keeper_save(e);
	keeper_tell_trouble(e);
	buf_free(&trouble);
}

void
keeper_take(struct grant *g, const struct oauth_tokens *t)
{
	int64_t life = t->expires_s > 0 ? t->expires_s : EXPIRES_DEFAULT_S;

	g->number[GRANT_RENEWED_S] = g->number[GRANT_ACCESS_SINCE_S] = now_s();
	g->number[GRANT_ACCESS_EXPIRES_S] = now_s() + life;
	grant_set(g, GRANT_ACCESS, t->access);
	if (t->scope != NULL)
		grant_set(g, GRANT_SCOPE, t->scope);
	if (t->refresh != NULL && strcmp(t->refresh, g->text[GRANT_REFRESH]) != 0) {
		grant_set(g, GRANT_REFRESH_BEFORE, g->text[GRANT_REFRESH]);
		grant_set(g, GRANT_REFRESH, t->refresh);
		g->number[GRANT_REFRESH_EXPIRES_S] = 0;
	}
	if (t->refresh_expires_s > 0)
		g->number[GRANT_REFRESH_EXPIRES_S] = now_s() + t->refresh_expires_s;
}

/* It works with the refresh token before the newest: that one is in force. */
static void
go_back(struct grant *g)
{
	char *newest = mem_dup(g->text[GRANT_REFRESH]);

	grant_set(g, GRANT_REFRESH, g->text[GRANT_REFRESH_BEFORE]);
	grant_set(g, GRANT_REFRESH_BEFORE, newest);
	explicit_bzero(newest, strlen(newest));
	free(newest);
}

static void
renewed(struct keeper_entry *e, const struct oauth_tokens *t)
{
	struct grant *g = &e->grant;
	bool rotated = t->refresh != NULL && strcmp(t->refresh, g->text[GRANT_REFRESH]) != 0;

	if (e->before)
		go_back(g);
	keeper_take(g, t);
	e->refused = false;
	e->failures = 0;
	e->next_try_s = 0;
	grant_set(g, GRANT_TROUBLE, "");
	grant_set(g, GRANT_CAUSE, "");
	g->number[GRANT_TROUBLE_S] = 0;
	keeper_save(e);
	log_event(EV_TOKEN_RENEWED, LS("account", g->text[GRANT_ACCOUNT]),
	    LN("expires_s", g->number[GRANT_ACCESS_EXPIRES_S] - now_s()), LS("rotated", rotated ? "yes" : "no"));
	keeper_tell_recovery(e);
}

static void renew(struct keeper_entry *, bool before);

static void
renewal_done(void *arg, const struct http_answer *answer_in)
{
	struct keeper_entry *e = arg;
	struct arena *arena = arena_new();
	struct buf why = BUF_INIT(sizeof(e->reason));
	struct oauth_tokens tokens;
	struct oauth_account account;
	enum oauth_result result = OAUTH_LATER;

	e->call = NULL;
	if (answer_in->error != NULL)
		buf_adds(&why, answer_in->error);
	else
		result = oauth_read_tokens(answer_in->status, answer_in->body, arena, &tokens, &why);
	strlcpy(e->reason, buf_str(&why), sizeof(e->reason));
	buf_reset(&why);
	if (result == OAUTH_FINE)
		renewed(e, &tokens);
	else if (result == OAUTH_GRANT && !e->before && e->grant.text[GRANT_REFRESH_BEFORE][0] != '\0')
		renew(e, true); /* we may have died when the server had not yet made up its mind */
	else if ((result == OAUTH_GRANT || result == OAUTH_CLIENT || result == OAUTH_REQUEST) &&
	    oauth_account_find(e->keeper->maps, e->grant.text[GRANT_ACCOUNT], arena, &account, &why) == 0)
		failed_for_good(e, result, &account);
	else
		failed_for_now(e, answer_in->retry_after_s);
	if (e->call == NULL)
		answer_all(e);
	buf_free(&why);
	arena_reset(arena); /* wipes */
	arena_free(arena);
}

struct http_call *
keeper_post(struct keeper *k, const struct oauth_account *a, const char *url, struct buf *form, const char *secret,
    void (*done)(void *, const struct http_answer *), void *arg)
{
	struct buf name = BUF_INIT(4096), password = BUF_INIT(3 * LIMIT_PASSWORD + 16);
	struct http_request r = { .url = url, .ca = a->provider.ca };
	bool basic = a->provider.basic && *secret != '\0';
	struct http_call *call;

	if (basic) { /* both encoded as in a form: RFC 6749, 2.3.1 */
		form_add_value(&name, a->client_id);
		form_add_value(&password, secret);
		r.name = buf_str(&name);
		r.secret = buf_str(&password);
	} else {
		form_add(form, "client_id", a->client_id);
		form_add(form, "client_secret", *secret != '\0' ? secret : NULL);
	}
	r.form = buf_span(form);
	call = http_post(k->http, &r, done, arg);
	buf_wipe(&password);
	buf_free(&password);
	buf_free(&name);
	return call;
}

static void
add_grant(struct buf *form, const struct keeper_entry *e, const struct oauth_account *a)
{
	const struct grant *g = &e->grant;

	if (strcmp(g->text[GRANT_FLOW], "app") == 0) {
		form_add(form, "grant_type", "client_credentials");
		form_add(form, "scope", a->provider.app_scope);
	} else {
		form_add(form, "grant_type", "refresh_token");
		form_add(form, "refresh_token", g->text[e->before ? GRANT_REFRESH_BEFORE : GRANT_REFRESH]);
	}
}

/* The maps may have changed since the login. */
static bool
may_renew(struct keeper_entry *e, struct arena *arena, struct oauth_account *a)
{
	struct buf why = BUF_INIT(sizeof(e->reason));
	bool fine = oauth_account_find(e->keeper->maps, e->grant.text[GRANT_ACCOUNT], arena, a, &why) == 0;

	if (fine && strcmp(a->client_id, e->grant.text[GRANT_CLIENT_ID]) != 0) {
		buf_addf(&why, "client_id= has changed since the login: posthouse oauth %s %s",
		    keeper_verb(e), a->name);
		fine = false;
	}
	strlcpy(e->reason, buf_str(&why), sizeof(e->reason));
	buf_free(&why);
	return fine;
}

static void
renew(struct keeper_entry *e, bool before)
{
	struct arena *arena = arena_new();
	struct buf form = BUF_INIT(4 * LIMIT_TOKEN);
	struct oauth_account a;

	e->before = before;
	(void)generation_refresh(&e->keeper->maps);
	if (may_renew(e, arena, &a)) {
		add_grant(&form, e, &a);
		e->requests++;
		e->call = keeper_post(e->keeper, &a, a.provider.token, &form, e->grant.text[GRANT_SECRET], renewal_done, e);
	}
	buf_wipe(&form);
	buf_free(&form);
	arena_free(arena);
}

/* The provider does not take our token before its time: another one, but not for each who complains. False: it has
 * just been replaced for that reason. */
static bool
hear_of_refusal(struct keeper_entry *e, const char *refused)
{
	char hash[TOKEN_HASH + 1];

	if (*refused == '\0')
		return true;
	token_hash(span_of(e->grant.text[GRANT_ACCESS]), hash);
	if (strcmp(hash, refused) != 0)
		return true;
	if (e->forced_s != 0 && now_s() - e->forced_s < REFUSED_AGAIN_S)
		return false;
	e->forced_s = now_s();
	e->refused = true;
	return true;
}

static void
say_reason(struct waiter *w, enum keeper_answer how, const char *text, const char *account)
{
	struct buf why = BUF_INIT(512);

	buf_addf(&why, "%s%s", text, account);
	w->done(w, how, buf_str(&why), 0);
	buf_free(&why);
}

void
keeper_get(struct keeper *k, const char *account, const char *refused, struct waiter *w)
{
	struct keeper_entry *e = keeper_find(k, account);

	w->waiting = false;
	if (e == NULL) {
		say_reason(w, KEEPER_NO, "nobody has logged in: posthouse oauth login ", account);
		return;
	}
	if (!hear_of_refusal(e, refused)) {
		say_reason(w, KEEPER_LATER, "the provider refuses tokens that are fresh, of the account ", account);
		return;
	}
	if (e->unsaved)
		keeper_save(e);
	if (e->call == NULL && is_due(e) && now_s() >= e->next_try_s)
		renew(e, false);
	if (is_usable(e) || e->call == NULL) {
		answer(e, w);
		return;
	}
	w->waiting = true;
	TAILQ_INSERT_TAIL(&e->waiters, w, next);
}

/* --- logins, and the end ------------------------------------------------- */

static void
recover(struct keeper_entry *e, const struct grant *g)
{
	char *told = mem_dup(e->grant.text[GRANT_TOLD]);

	grant_copy(&e->grant, g);
	grant_set(&e->grant, GRANT_TOLD, told);
	free(told);
	e->refused = e->unsaved = false;
	e->failures = 0;
	e->next_try_s = e->forced_s = 0;
	keeper_tell_recovery(e);
}

int
keeper_put(struct keeper *k, const struct grant *g, struct buf *why)
{
	struct keeper_entry *e = keeper_find(k, g->text[GRANT_ACCOUNT]);

	if (tokens_put(k->store, g, why) == -1)
		return -1;
	if (e == NULL)
		e = add_entry(k);
	http_cancel(e->call);
	e->call = NULL;
	recover(e, g);
	answer_all(e);
	keeper_look_for_ends(-1, 0, k);
	return 0;
}

static void
entry_free(struct keeper_entry *e)
{
	http_cancel(e->call);
	TAILQ_REMOVE(&e->keeper->entries, e, next);
	grant_wipe(&e->grant);
	free(e->telling);
	free(e);
}

int
keeper_forget(struct keeper *k, const char *account, struct buf *why)
{
	struct keeper_entry *e = keeper_find(k, account);

	if (e == NULL)
		return 0;
	if (tokens_drop(k->store, account, why) == -1)
		return -1;
	grant_set(&e->grant, GRANT_ACCESS, "");
	grant_set(&e->grant, GRANT_TROUBLE, "the login was forgotten just now");
	answer_all(e);
	entry_free(e);
	return 1;
}

int
keeper_open(struct keeper *k, struct buf *why)
{
	struct keeper_entry *e;

	TAILQ_INIT(&k->entries);
	k->daily = evtimer_new(k->base, keeper_look_for_ends, k);
	if (tokens_each(k->store, load, k, why) == -1)
		return -1;
	TAILQ_FOREACH(e, &k->entries, next)
		if (e->grant.text[GRANT_TROUBLE][0] != '\0')
			keeper_tell_trouble(e); /* unless that is done: a notice may have been on its way when tokend died */
	keeper_look_for_ends(-1, 0, k);
	return 0;
}

void
keeper_close(struct keeper *k)
{
	struct keeper_entry *e, *following;

	for (e = TAILQ_FIRST(&k->entries); e != NULL; e = following) {
		following = TAILQ_NEXT(e, next);
		entry_free(e);
	}
	event_free(k->daily);
}
