/*
 * keeper: grants, and how they stay alive: when an access token is renewed, what a refusal means, whom it concerns.
 */
#ifndef AUTH_KEEPER_H
#define AUTH_KEEPER_H

#include <sys/queue.h>

#include "auth/http.h"
#include "auth/oauth_account.h"
#include "auth/oauth_answer.h"
#include "lib/store/tokens.h"

enum keeper_answer { KEEPER_TOKEN, KEEPER_LATER, KEEPER_NO };

/* Somebody who wants a token. done is called once, perhaps at once, unless keeper_leave() came before. */
struct waiter {
	void (*done)(struct waiter *, enum keeper_answer, const char *token_or_reason, int64_t expires_s);
	bool waiting;
	TAILQ_ENTRY(waiter) next;
};

struct keeper_entry {
	struct keeper *keeper;
	struct grant grant;
	struct http_call *call;      /* a renewal under way */
	bool before;                 /* ... with the refresh token before the newest */
	bool refused;                /* the provider does not take the access token any more */
	bool unsaved;                /* the store did not take the newest */
	unsigned failures;           /* in a row */
	int64_t failing_since_s, next_try_s;
	int64_t forced_s;            /* when it was last renewed because the provider refused it */
	uint64_t requests;           /* since tokend started */
	char reason[512];            /* of the last failure */
	char *telling;               /* the cause that postmaster is being told of; NULL */
	TAILQ_HEAD(, waiter) waiters;
	TAILQ_ENTRY(keeper_entry) next;
};

struct keeper {
	struct event_base *base;
	struct http *http;
	struct tokens *store;
	struct generation *maps;
	struct event *daily;
	/* Something the postmaster should read. With a cause ("": all is well again) keeper_told() is to be called when it
	 * was sent. */
	void (*tell)(void *, const char *account, const char *cause, const char *subject, const char *text);
	void *arg;
	TAILQ_HEAD(, keeper_entry) entries;
};

/* base, http, store, maps, tell and arg are set. Reads the store. */
int keeper_open(struct keeper *, struct buf *why) MUST_CHECK;
void keeper_close(struct keeper *);
/* refused: hash of a token (lib/wire/token.h), or "". */
void keeper_get(struct keeper *, const char *account, const char *refused, struct waiter *);
void keeper_leave(struct keeper *, struct waiter *);
void keeper_told(struct keeper *, const char *account, const char *cause);
struct keeper_entry *keeper_find(struct keeper *, const char *account);
/* A login went well: durably in place of what there was. -1 with why. */
int keeper_put(struct keeper *, const struct grant *, struct buf *why) MUST_CHECK;
/* The grant is gone. How many there were; -1 with why. */
int keeper_forget(struct keeper *, const char *account, struct buf *why) MUST_CHECK;
/* What an answer gave, put into the grant. */
void keeper_take(struct grant *, const struct oauth_tokens *);
/* A request of this form to an address of the account, with the client's id and, if it has one, its secret. */
struct http_call *keeper_post(struct keeper *, const struct oauth_account *, const char *url, struct buf *form,
    const char *secret, void (*done)(void *, const struct http_answer *), void *arg) MUST_CHECK;
/* "name value" lines for people; see posthouse-oauth(1). */
void keeper_describe(const struct keeper_entry *, struct buf *out);

#endif
