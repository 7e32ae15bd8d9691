/*
 * people: from what somebody typed as a login name to a mailbox and its hash.
 */
#ifndef AUTH_PEOPLE_H
#define AUTH_PEOPLE_H

#include <limits.h>
#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/mail/scram.h"
#include "lib/store/hash.h"
#include "router/router.h"

struct people {
	const struct conf *conf;
	struct router router;      /* mailboxes: users, domains */
	struct generation *passwd; /* and their hashes */
};

enum person_found {
	PERSON_OK,
	PERSON_NONE,    /* no such mailbox, or one that nobody logs in to */
	PERSON_UNCLEAR, /* a bare name, and no domain to complete it with */
	PERSON_BROKEN   /* the maps cannot be read now */
};
struct person {
	char address[LIMIT_ADDRESS + 1]; /* the mailbox's own; the login itself with PERSON_NONE */
	char hash[HASH_MAX];
	struct scram_verifier verifier;
	bool scram;             /* there is one */
	char maildir[PATH_MAX]; /* ROOT/./MAILDIR */
	bool disabled;
	unsigned may;           /* RIGHT_ of router/entry.h */
};

void people_open(struct people *, const struct instance *, const struct conf *);
/* By the maps as they are now. login: user@domain (or an alias domain of it), or a bare user in the default
 * domain; user%domain and the like (login_separators), and user@[ADDRESS] for a bare one. */
enum person_found people_find(struct people *, const char *login, struct person *) MUST_CHECK;
/* Has everybody who may log in a verifier? */
bool people_all_scram(struct people *) MUST_CHECK;

#endif
