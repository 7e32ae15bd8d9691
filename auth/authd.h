/*
 * authd: what its parts share: the service's state, and a client's.
 */
#ifndef AUTH_AUTHD_H
#define AUTH_AUTHD_H

#include "auth/cache.h"
#include "auth/decoy.h"
#include "auth/outside.h"
#include "auth/penalty.h"
#include "auth/people.h"
#include "auth/verify.h"
#include "lib/wire/door.h"
#include "lib/wire/auth.h"

#define WORD_MAX 255 /* octets of a service or client word */

struct authd_counts { /* since the start */
	uint64_t passed, failed, later; /* attempts, by their answer */
	uint64_t cached;                /* of those passed: right by the cache */
	uint64_t checks;                /* hashes that were computed, programs that were asked */
	int64_t since_s;
};
struct authd {
	const char *dir;
	struct instance inst;
	struct conf conf;
	struct event_base *base;
	struct event *save;
	struct people people;
	struct cache cache;
	struct penalty penalty;
	struct decoy decoy;
	struct table tickets;
	struct verify verify;
	struct outside outside;
	char *nobodys_hash; /* what unknown people are checked against */
	struct door door;
	struct authd_counts counts;
	bool broken;
	uid_t mail_uid, uids[5];
};

struct talk;
struct client {
	struct visitor visitor;
	struct authd *d;
	struct request *request; /* under way; NULL when idle */
	struct talk *talk;       /* of several steps; NULL: none */
};

/* What clients may say (questions.c). */
extern const struct door_verb authd_verbs[];

/* What to tell the client, and the log. */
#define UNCLEAR "full address needed: log in as name@domain", "bare name, and no default_domain"
#define BROKEN "login not possible now, try again later", "maps cannot be read"

#endif
