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
#include "lib/store/logins.h"
#include "lib/store/passwd.h"
#include "router/router.h"

struct people {
	const struct conf *conf;
	struct router router;      /* mailboxes: users, domains */
	struct generation *passwd; /* and their hashes */
	struct logins *logins;     /* NULL: nothing is remembered */
	unsigned made;             /* entries that were made anew, and may count instead of the map's */
	char *counted;             /* the generation in which those were counted; NULL: none yet */
	size_t lacking;            /* ... who have no verifier */
};

enum person_found {
	PERSON_OK,
	PERSON_NONE,    /* no such mailbox, or one that nobody logs in to */
	PERSON_UNCLEAR, /* a bare name, and no domain to complete it with */
	PERSON_BROKEN   /* the maps cannot be read now */
};
struct person {
	char address[LIMIT_ADDRESS + 1]; /* the mailbox's own; the login itself with PERSON_NONE */
	struct passwd_entry entry;
	bool outdated;          /* its hash or verifier is not what would be made today */
	uint8_t of[DIGEST_OCTETS]; /* the map's entry */
	char maildir[PATH_MAX]; /* ROOT/./MAILDIR */
	bool disabled;
	unsigned may;           /* RIGHT_ of router/entry.h */
};

void people_open(struct people *, const struct instance *, const struct conf *);
/* Behind the drop of privileges: what is remembered of people, if it can be. */
void people_remember(struct people *, const struct instance *);
/* By the maps as they are now. login: user@domain (or an alias domain of it), or a bare user in the default
 * domain; user%domain and the like (login_separators), and user@[ADDRESS] for a bare one. */
enum person_found people_find(struct people *, const char *login, struct person *) MUST_CHECK;
/* The mailbox alone, whatever passwd says of its password. */
enum person_found people_mailbox(struct people *, const char *login, struct person *) MUST_CHECK;
/* This was made of the person's password, which was right: it counts from now on, until the map's entry changes. */
void people_renew(struct people *, const struct person *, const char *value);
/* Has everybody who may log in a verifier? */
bool people_all_scram(struct people *) MUST_CHECK;

#endif
