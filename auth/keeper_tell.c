/*
 * keeper_tell: what people are told of grants: troubles, their end, and ends to come.
 *
 * Each cause once: what was told last stands in the grant, from the moment that it was sent.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/keeper_parts.h"
#include "lib/base/log.h"

#define DAY_S 86400
#define CHECK_S 3600 /* how often ends to come are looked for */

static int64_t
now_s(void)
{
	return (int64_t)time(NULL);
}

/* What a person types to mend it. */
const char *
keeper_verb(const struct keeper_entry *e)
{
	return strcmp(e->grant.text[GRANT_FLOW], "app") == 0 ? "app" : "login";
}

/* Once a cause: what was told last stays in the store, from the moment it was sent. "": all is well again. */
void
keeper_tell(struct keeper_entry *e, const char *cause, const char *text)
{
	struct keeper *k = e->keeper;
	const char *account = e->grant.text[GRANT_ACCOUNT];
	struct buf subject = BUF_INIT(512);
	const char *last = e->telling != NULL ? e->telling : e->grant.text[GRANT_TOLD];

	if (strcmp(last, cause) == 0)
		return;
	buf_addf(&subject, *cause != '\0' ? "No token for %s: mail waits at the provider" : "Tokens for %s are fine again",
	    account);
	free(e->telling);
	e->telling = mem_dup(cause);
	k->tell(k->arg, account, cause, buf_str(&subject), text);
	buf_free(&subject);
}

void
keeper_told(struct keeper *k, const char *account, const char *cause)
{
	struct keeper_entry *e = keeper_find(k, account);

	if (e == NULL)
		return;
	grant_set(&e->grant, GRANT_TOLD, cause);
	keeper_save(e);
	if (e->telling != NULL && strcmp(e->telling, cause) == 0) {
		free(e->telling);
		e->telling = NULL;
	}
}

void
keeper_tell_trouble(struct keeper_entry *e)
{
	const struct grant *g = &e->grant;
	struct buf text = BUF_INIT(2048);

	buf_addf(&text, "The provider does not give tokens for the account %s any more:\n\n    %s\n\n"
	    "Its mail waits at the provider, and what is to be sent with it waits here; nothing is lost.\n",
	    g->text[GRANT_ACCOUNT], g->text[GRANT_TROUBLE]);
	keeper_tell(e, g->text[GRANT_CAUSE], buf_str(&text));
	buf_free(&text);
}

void
keeper_tell_recovery(struct keeper_entry *e)
{
	struct buf text = BUF_INIT(512);

	buf_addf(&text, "The account %s gets tokens again.\n", e->grant.text[GRANT_ACCOUNT]);
	keeper_tell(e, "", buf_str(&text));
	buf_free(&text);
}

/* The nearest of the days before its end at which people are warned; 0: there is time. */
static int64_t
stage_of(int64_t at_s)
{
	static const int64_t stages[] = { 1, 7, 14 };
	int64_t left_s = at_s - now_s();

	for (size_t i = 0; at_s != 0 && i < COUNT(stages); i++)
		if (left_s < stages[i] * DAY_S)
			return stages[i];
	return 0;
}

/* What the provider's map says of tokens that live so short. */
static void
add_hint(struct keeper_entry *e, int64_t at_s, struct buf *text)
{
	struct arena *arena = arena_new();
	struct buf why = BUF_INIT(512);
	struct oauth_account a;

	if (oauth_account_find(e->keeper->maps, e->grant.text[GRANT_ACCOUNT], arena, &a, &why) == 0 &&
	    a.provider.young_hint != NULL && at_s - e->grant.number[GRANT_LOGIN_S] < (int64_t)a.provider.young_s)
		buf_addf(text, "%s.\n\n", a.provider.young_hint);
	buf_free(&why);
	arena_free(arena);
}

static void
warn_of_end(struct keeper_entry *e, const char *what, int64_t at_s)
{
	const char *account = e->grant.text[GRANT_ACCOUNT];
	struct buf subject = BUF_INIT(512), text = BUF_INIT(2048);
	time_t at = (time_t)at_s;
	char date[32];
	struct tm tm;

	strftime(date, sizeof(date), "%Y-%m-%d", gmtime_r(&at, &tm));
	buf_addf(&subject, "The %s of %s ends on %s", what, account, date);
	buf_addf(&text, "The %s of the account %s ends on %s. After that no mail is fetched or sent with it\n"
	    "(nothing is lost: it waits).\n\n", what, account, date);
	if (at_s == e->grant.number[GRANT_REFRESH_EXPIRES_S])
		add_hint(e, at_s, &text);
	buf_addf(&text, "To renew it: posthouse oauth %s %s\n", keeper_verb(e), account);
	log_event(EV_TOKEN_ENDS, LS("account", account), LS("what", what), LS("on", date));
	e->keeper->tell(e->keeper->arg, account, NULL, buf_str(&subject), buf_str(&text));
	buf_free(&subject);
	buf_free(&text);
}

/* Of client secret and refresh token what ends first is spoken of, at each stage once. */
static void
look_for_end(struct keeper_entry *e)
{
	const int64_t *n = e->grant.number;
	bool secret = n[GRANT_SECRET_EXPIRES_S] != 0 &&
	    (n[GRANT_REFRESH_EXPIRES_S] == 0 || n[GRANT_SECRET_EXPIRES_S] <= n[GRANT_REFRESH_EXPIRES_S]);
	int64_t at_s = n[secret ? GRANT_SECRET_EXPIRES_S : GRANT_REFRESH_EXPIRES_S], stage = stage_of(at_s);
	int64_t warned = n[GRANT_WARNED_DAYS];

	if (stage == warned)
		return;
	e->grant.number[GRANT_WARNED_DAYS] = stage;
	keeper_save(e);
	if (stage != 0 && (warned == 0 || stage < warned))
		warn_of_end(e, secret ? "client secret" : "refresh token", at_s);
}

void
keeper_look_for_ends(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval again = { CHECK_S, 0 };
	struct keeper *k = arg;
	struct keeper_entry *e;

	(void)fd;
	(void)what;
	TAILQ_FOREACH(e, &k->entries, next)
		look_for_end(e);
	event_add(k->daily, &again);
}

void
keeper_describe(const struct keeper_entry *e, struct buf *out)
{
	static const struct {
		const char *name;
		enum grant_number number;
	} times[] = {
		{ "login_s", GRANT_LOGIN_S }, { "renewed_s", GRANT_RENEWED_S }, { "access_expires_s", GRANT_ACCESS_EXPIRES_S },
		{ "refresh_expires_s", GRANT_REFRESH_EXPIRES_S }, { "secret_expires_s", GRANT_SECRET_EXPIRES_S },
		{ "trouble_s", GRANT_TROUBLE_S },
	};
	const struct grant *g = &e->grant;
	bool troubled = g->text[GRANT_TROUBLE][0] != '\0';

	buf_addf(out, "flow %s\nclient_id ", g->text[GRANT_FLOW]);
	buf_addf(out, "%s\nstate %s\n", g->text[GRANT_CLIENT_ID],
	    troubled ? "refused" : e->failures > 0 ? "failing" : "fine");
	if (troubled || e->failures > 0)
		buf_addf(out, "reason %s\n", troubled ? g->text[GRANT_TROUBLE] : e->reason);
	for (size_t i = 0; i < COUNT(times); i++)
		if (g->number[times[i].number] != 0)
			buf_addf(out, "%s %lld\n", times[i].name, (long long)g->number[times[i].number]);
	if (e->next_try_s > now_s())
		buf_addf(out, "next_try_s %lld\n", (long long)e->next_try_s);
	buf_addf(out, "requests %llu\n", (unsigned long long)e->requests);
}
