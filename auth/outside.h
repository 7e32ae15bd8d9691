/*
 * outside: whether a password or a token is right, when that is known elsewhere: to a program, or to PAM.
 *
 * Each question is asked by a process of its own, under a uid that owns nothing (auth_program_user), in limited time and
 * number. A process stands between them and authd, so that what they do to themselves they do to nobody else.
 */
#ifndef AUTH_OUTSIDE_H
#define AUTH_OUTSIDE_H

#include <event2/event.h>

#include "auth/verify.h"
#include "lib/base/limits.h"
#include "lib/store/conf.h"
#include "lib/store/hash.h"

#define OUTSIDE_AT_ONCE 16
#define OUTSIDE_QUEUE 512 /* questions that may wait for others */
#define OUTSIDE_SECRET 9216 /* octets: a token as long as a line of SASL can carry */

enum outside_kind {
	OUTSIDE_PROGRAM, /* DJB's checkpassword: how is its command */
	OUTSIDE_PAM,     /* how is the service */
	OUTSIDE_TOKEN    /* how is a command that gets the token, and tells whose it is */
};
struct outside_ask {
	enum outside_kind kind;
	const char *how, *login, *secret, *client;
};

struct outside_job;
struct outside {
	pid_t keeper; /* 0: none */
	int fd;
	struct event *readable, *timer;
	uint32_t number;
	TAILQ_HEAD(outside_jobs, outside_job) waiting;
	size_t waiting_count;
	struct outside_job *asked[OUTSIDE_AT_ONCE]; /* NULL: free */
	int64_t limit_ms;
};

/* Starts the keeper, while we may still choose its uid; it takes what is open then. */
void outside_fork(struct outside *, const struct conf *);
void outside_open(struct outside *, struct event_base *);
/* done is called later, never from here; its text is what a command said of a token. -1: too many wait already, or there
 * is no keeper. */
int outside_start(struct outside *, const struct outside_ask *, verify_done *, void *arg) MUST_CHECK;
/* To ask at SIGCHLD: is the keeper gone? Then nobody is asked any more. */
bool outside_lost(struct outside *) MUST_CHECK;
void outside_close(struct outside *);

/* outside_keeper.c: the keeper's work, until authd is gone. */
void outside_keep(int fd, const struct conf *) NORETURN;

/* What the two say to each other: the head, and behind it how, login, secret, client, each with a NUL. */
struct outside_head {
	uint32_t number;
	uint32_t kind;
};
struct outside_answer {
	uint32_t number;
	uint32_t verdict; /* enum verified */
	char text[LIMIT_ADDRESS + 1];
};
#define OUTSIDE_PACKET (sizeof(struct outside_head) + HASH_MAX + LIMIT_CONF_VALUE + LIMIT_ADDRESS + OUTSIDE_SECRET + 512)

#endif
