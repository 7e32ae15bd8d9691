/*
 * request: one attempt to log in: from what was said to the answer, through cache, penalties and the check.
 */
#ifndef AUTH_REQUEST_H
#define AUTH_REQUEST_H

#include "auth/authd.h"

/* Outlives its client when that goes away: the delay still counts. */
struct request {
	struct authd *d;
	struct client *client; /* NULL: gone */
	enum { WAITING, CHECKING, HOLDING } state;
	char *login, *password, *service, *address;
	enum { BY_PASSWORD, BY_SCRAM, BY_TOKEN, BY_CERTIFICATE } way; /* a token stands in password */
	bool proved;        /* by SCRAM: it is right */
	char *signature;    /* ... and this is what the client is told */
	struct person person;
	bool nobody;
	bool repeated;      /* it was wrong before */
	uint8_t question[DIGEST_OCTETS];
	struct pair *pair;
	int64_t began_ms;
	enum auth_answer answer;
	const char *reason; /* of NO and LATER, for the client's peer */
	const char *cause;  /* ... and for the log */
	struct event *timer;
	TAILQ_ENTRY(request) next;
};

struct request *request_new(struct client *, const char *login, const char *service, const char *address) MUST_CHECK;
/* Each of these answers now or later, and frees the request then. */
void request_begin(struct request *); /* login (or "", with a token) and password are there: who is it, and is it right? */
void request_enter(struct request *); /* the person is known, too: in its turn among attempts on this account from this client */
/* TLS knows who it is; acts_for: "", or the same. */
void request_vouched(struct request *, const char *acts_for);
void request_refuse(struct request *, enum auth_answer, const char *reason, const char *cause);
/* Its client is gone. */
void request_leave(struct request *);

#endif
