/*
 * request: one attempt to log in.
 *
 * Attempts on an account from a client are made one after another (penalty.h); what the cache knows to be right waits for
 * nobody. Knows when an answer is due and what it is; hashes are others' business (verify.c), and so are the
 * words of mechanisms (talk.c).
 */
#include "auth/request.h"

#include <stdlib.h>
#include <string.h>

#include "auth/talk.h"
#include "lib/base/log.h"
#include "router/entry.h"

#define WAIT_MS (10 * 1000) /* an attempt waits so long for earlier ones on the same account */

static void request_check(struct request *);
static void request_timer(evutil_socket_t, short, void *);

struct request *
request_new(struct client *c, const char *login, const char *service, const char *address)
{
	struct request *r = mem_alloc(1, sizeof(*r));

	r->d = c->d;
	r->client = c;
	r->state = WAITING;
	r->login = mem_dup(login);
	r->service = mem_dup(service);
	r->address = mem_dup(address);
	r->timer = evtimer_new(c->d->base, request_timer, r);
	c->request = r;
	return r;
}

static void
request_free(struct request *r)
{
	if (r->timer != NULL)
		event_free(r->timer);
	if (r->password != NULL)
		explicit_bzero(r->password, strlen(r->password));
	explicit_bzero(&r->person, sizeof(r->person));
	explicit_bzero(r->question, sizeof(r->question));
	free(r->password);
	free(r->signature);
	free(r->login);
	free(r->service);
	free(r->address);
	free(r);
}

/* --- answers -------------------------------------------------------------- */

static void
log_answer(const struct request *r)
{
	struct authd_counts *counts = &r->d->counts;

	counts->passed += r->answer == AUTH_YES;
	counts->failed += r->answer == AUTH_NO;
	counts->later += r->answer == AUTH_LATER;
	if (r->answer == AUTH_YES)
		log_event(EV_AUTH_OK, LS("login", r->login),
		    LS("mailbox", r->person.address), LS("service", r->service),
		    LS("client", r->address));
	else
		log_event(EV_AUTH_FAILED, LS("login", r->login),
		    LS("service", r->service), LS("client", r->address),
		    LS("reason", r->cause));
}

/* SCRAM's yes has two halves: first the client gets our own proof. */
static void
request_tell(const struct request *r, struct client *c)
{
	if (r->answer == AUTH_YES && r->way == BY_SCRAM)
		talk_proved(c, r->signature);
	else if (r->answer == AUTH_NO && r->way == BY_TOKEN)
		talk_refused(c, r->reason);
	else if (r->answer == AUTH_YES && r->way == BY_CERTIFICATE)
		talk_admit_sender(c, r->person.address, r->service, r->address);
	else if (r->answer == AUTH_YES) {
		talk_end(c);
		talk_admit(c, r->person.address, r->service, r->address);
	} else {
		talk_end(c);
		door_said(&c->visitor,
		    wire_say(&c->visitor.wire, NEVER, r->answer == AUTH_NO ? "NO" : "LATER", r->reason));
	}
}

/* The next attempt on the same account from the same client. */
static void
pair_release(struct authd *d, struct pair *pair)
{
	struct request *next = TAILQ_FIRST(&pair->waiting);

	pair->busy = false;
	if (next != NULL) {
		TAILQ_REMOVE(&pair->waiting, next, next);
		request_check(next);
	}
	penalty_leave(&d->penalty, pair);
}

static void
request_answer(struct request *r)
{
	struct authd *d = r->d;
	struct client *c = r->client;
	struct pair *pair = r->pair;
	bool held_pair = pair != NULL && r->state != WAITING;

	log_answer(r);
	if (c != NULL) {
		c->request = NULL;
		request_tell(r, c);
	}
	request_free(r);
	if (held_pair)
		pair_release(d, pair);
	else if (pair != NULL)
		penalty_leave(&d->penalty, pair);
}

void
request_refuse(struct request *r, enum auth_answer a, const char *reason, const char *cause)
{
	r->answer = a;
	r->reason = reason;
	r->cause = cause;
	request_answer(r);
}

static void
request_timer(evutil_socket_t fd, short what, void *arg)
{
	struct request *r = arg;

	(void)fd;
	(void)what;
	if (r->state == WAITING) {
		TAILQ_REMOVE(&r->pair->waiting, r, next);
		request_refuse(r, AUTH_LATER, "too many attempts at once, try again later",
		    "waited too long for earlier attempts");
		return;
	}
	request_answer(r);
}

static void
request_await(struct request *r, int64_t ms)
{
	const struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	event_add(r->timer, &tv);
}

/* Answer when began + delay has come. */
static void
request_hold(struct request *r, int64_t delay_ms)
{
	int64_t left = r->began_ms + delay_ms - clock_mono_ms();

	r->state = HOLDING;
	if (left <= 0)
		request_answer(r);
	else
		request_await(r, left);
}

/* --- the check ------------------------------------------------------------ */

/* Names of services as our programs say them: submission, submissions, pop3, pop3s. */
static bool
may_enter(const struct person *p, const char *service)
{
	if (strncmp(service, "pop3", 4) == 0)
		return (p->may & RIGHT_POP3) != 0;
	return (p->may & RIGHT_SMTP) != 0;
}

/* Told only to who knows the password. */
static void
request_entitle(struct request *r)
{
	r->answer = AUTH_YES;
	if (r->person.disabled) {
		r->answer = AUTH_NO;
		r->reason = "account disabled";
		r->cause = "disabled";
	} else if (!may_enter(&r->person, r->service)) {
		r->answer = AUTH_NO;
		r->reason = "this account may not log in here";
		r->cause = "not among its rights";
	}
}

static void
request_right(struct request *r)
{
	int64_t delay = penalty_passed_ms(&r->d->penalty, r->address);

	penalty_passed(&r->d->penalty, r->pair);
	request_entitle(r);
	request_hold(r, delay);
}

static void
request_wrong(struct request *r, bool repeated)
{
	penalty_failed(&r->d->penalty, r->pair, r->address, repeated);
	r->answer = AUTH_NO;
	r->reason = "wrong name or password";
	r->cause = r->nobody ? "no such login" : r->way == BY_TOKEN ? "token refused" : "wrong password";
	request_hold(r, penalty_failed_ms(&r->d->penalty, r->pair, r->address));
}

static void
request_cannot(struct request *r)
{
	request_refuse(r, AUTH_LATER, "login not possible now, try again later", "the check could not be made");
}

static void
request_verified(void *arg, enum verified v, const char *made)
{
	struct request *r = arg;
	bool outside = passwd_outside(&r->person.entry);

	if (v == VERIFIED_NOT) {
		request_cannot(r);
		return;
	}
	if (r->nobody)
		v = VERIFIED_WRONG;
	if (v == VERIFIED_RIGHT && !outside)
		people_renew(&r->d->people, &r->person, made);
	cache_tell(&r->d->cache, r->question, v == VERIFIED_RIGHT);
	if (v == VERIFIED_RIGHT)
		request_right(r);
	else
		request_wrong(r, r->repeated);
}

/* Whose is the token? It must be the one who was named, if one was. */
static void
token_verified(void *arg, enum verified v, const char *whose)
{
	struct request *r = arg;
	bool named = r->login[0] != '\0';
	struct person person;

	if (v == VERIFIED_NOT) {
		request_cannot(r);
		return;
	}
	if (v == VERIFIED_RIGHT && (r->nobody || people_find(&r->d->people, whose, &person) != PERSON_OK ||
	    (named && strcmp(person.address, r->person.address) != 0)))
		v = VERIFIED_WRONG;
	if (v == VERIFIED_RIGHT)
		r->person = person;
	if (named)
		cache_tell(&r->d->cache, r->question, v == VERIFIED_RIGHT);
	explicit_bzero(&person, sizeof(person));
	if (v == VERIFIED_RIGHT)
		request_right(r);
	else
		request_wrong(r, r->repeated);
}

/* A password, or a token, that nobody has looked at lately. -1: there are too many of these now. */
static int
request_verify(struct request *r)
{
	struct authd *d = r->d;
	const struct passwd_entry *e = &r->person.entry;
	const struct verify_make make = { r->person.outdated, (uint32_t)d->conf.scram_iterations };
	struct outside_ask ask = { OUTSIDE_TOKEN, d->conf.oauth_validate, r->person.address, r->password, r->address };

	d->counts.checks++;
	if (r->way == BY_TOKEN)
		return outside_start(&d->outside, &ask, token_verified, r);
	if (!passwd_outside(e))
		return verify_start(&d->verify, e->text, r->password, make, request_verified, r);
	ask.kind = e->kind == PASSWD_PAM ? OUTSIDE_PAM : OUTSIDE_PROGRAM;
	ask.how = e->text;
	return outside_start(&d->outside, &ask, request_verified, r);
}

/* Somebody else's word that it was wrong holds for that moment only: a password may have been set meanwhile. */
static enum verdict
request_known(struct request *r)
{
	enum verdict v = cache_ask(&r->d->cache, r->question);

	if (v != VERDICT_WRONG || (r->way == BY_PASSWORD && !passwd_outside(&r->person.entry)))
		return v;
	r->repeated = true;
	return VERDICT_UNKNOWN;
}

/* It is this request's turn on its pair. */
static void
request_check(struct request *r)
{
	event_del(r->timer);
	r->pair->busy = true;
	r->state = CHECKING;
	r->began_ms = clock_mono_ms();
	if (r->way == BY_SCRAM) { /* known already; only its turn was due. What was guessed cannot be told from the proof. */
		if (r->proved)
			request_right(r);
		else
			request_wrong(r, false);
		return;
	}
	switch (request_known(r)) {
	case VERDICT_RIGHT: /* found out while this one waited */
		request_right(r);
		return;
	case VERDICT_WRONG:
		request_wrong(r, true);
		return;
	case VERDICT_UNKNOWN:
		break;
	}
	if (request_verify(r) == -1)
		request_refuse(r, AUTH_LATER, "too many logins at once, try again later",
		    "the queue of checks is full");
}

/* Right by the cache: nothing to guess here, so no delay either. */
static bool
known_right(struct request *r)
{
	if (cache_ask(&r->d->cache, r->question) != VERDICT_RIGHT)
		return false;
	r->d->counts.cached++;
	request_entitle(r);
	request_answer(r);
	return true;
}

/* In its turn among the attempts on this account from this client. */
void
request_enter(struct request *r)
{
	struct authd *d = r->d;

	r->pair = penalty_enter(&d->penalty, r->address, r->person.address);
	if (r->pair == NULL) {
		request_refuse(r, AUTH_LATER, "too many attempts at once, try again later",
		    "the table of penalties is full");
		return;
	}
	if (!r->pair->busy) {
		request_check(r);
		return;
	}
	TAILQ_INSERT_TAIL(&r->pair->waiting, r, next);
	request_await(r, WAIT_MS);
}

/* What stands behind the check, and with it behind what is remembered of it. */
static struct span
request_source(const struct request *r)
{
	return span_of(r->way == BY_TOKEN ? r->d->conf.oauth_validate : r->person.entry.text);
}

/* false: it was refused. With a token alone it is not known yet. */
static bool
request_find(struct request *r)
{
	struct authd *d = r->d;

	if (r->way == BY_TOKEN && r->login[0] == '\0') {
		strlcpy(r->person.address, "(token)", sizeof(r->person.address)); /* penalties have a name for it */
		return true;
	}
	switch (people_find(&d->people, r->login, &r->person)) {
	case PERSON_OK:
		return true;
	case PERSON_NONE:
		r->nobody = true;
		memset(&r->person.entry, 0, sizeof(r->person.entry));
		strlcpy(r->person.entry.text, d->nobodys_hash, sizeof(r->person.entry.text));
		return true;
	case PERSON_UNCLEAR:
		request_refuse(r, AUTH_NO, UNCLEAR);
		break;
	case PERSON_BROKEN:
		request_refuse(r, AUTH_LATER, BROKEN);
		break;
	}
	return false;
}

void
request_begin(struct request *r)
{
	struct authd *d = r->d;

	if (!request_find(r))
		return;
	cache_key(&d->cache, span_of(r->person.address), span_of(r->password), request_source(r), r->question);
	if (!known_right(r))
		request_enter(r);
}

void
request_vouched(struct request *r, const char *acts_for)
{
	struct people *people = &r->d->people;
	struct person other;

	r->way = BY_CERTIFICATE;
	if (people_mailbox(people, r->login, &r->person) != PERSON_OK)
		request_refuse(r, AUTH_NO, "wrong name or password", "nobody here has the name in the certificate");
	else if (*acts_for != '\0' && (people_mailbox(people, acts_for, &other) != PERSON_OK ||
	    strcmp(other.address, r->person.address) != 0))
		request_refuse(r, AUTH_NO, "wrong name or password", "the certificate is not that person's");
	else {
		request_entitle(r);
		request_answer(r);
	}
}

void
request_leave(struct request *r)
{
	r->client = NULL;
	if (r->state != WAITING || r->pair == NULL)
		return;
	TAILQ_REMOVE(&r->pair->waiting, r, next);
	penalty_leave(&r->d->penalty, r->pair);
	request_free(r);
}
