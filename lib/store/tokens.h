/*
 * tokens: what tokend must remember: state/token/token.db, an SQLite file (DESIGN section 6).
 *
 * Each change is durable when its function returns. Strings of a grant are its own, never NULL, and wiped when
 * they are replaced.
 */
#ifndef LIB_STORE_TOKENS_H
#define LIB_STORE_TOKENS_H

#include <stdint.h>

#include "lib/base/buf.h"

enum grant_text {
	GRANT_ACCOUNT,
	GRANT_FLOW,           /* "device", "browser", "app" */
	GRANT_CLIENT_ID,      /* that it was given to */
	GRANT_SECRET,         /* of the client; "": none */
	GRANT_REFRESH,        /* "" for "app" */
	GRANT_REFRESH_BEFORE, /* the one that the server replaced by that; "": none */
	GRANT_ACCESS,
	GRANT_SCOPE,          /* as the server said; "" */
	GRANT_TROUBLE,        /* why it cannot be renewed before a person does something; "" */
	GRANT_CAUSE,          /* the kind of that trouble, one word; "" */
	GRANT_TOLD,           /* the cause that postmaster was told last; "": all was well */
	GRANT_TEXTS
};
enum grant_number { /* seconds since 1970; 0: unknown, never */
	GRANT_LOGIN_S,
	GRANT_RENEWED_S,
	GRANT_ACCESS_SINCE_S,
	GRANT_ACCESS_EXPIRES_S,
	GRANT_REFRESH_EXPIRES_S,
	GRANT_SECRET_EXPIRES_S,
	GRANT_TROUBLE_S,      /* since when */
	GRANT_WARNED_DAYS,    /* the last warning spoke of so many days; 0: none */
	GRANT_NUMBERS
};
struct grant {
	char *text[GRANT_TEXTS];
	int64_t number[GRANT_NUMBERS];
};
void grant_init(struct grant *);
void grant_set(struct grant *, enum grant_text, const char *);
void grant_wipe(struct grant *);
void grant_copy(struct grant *to, const struct grant *from); /* to is initialised */

struct tokens;
/* dir/token.db, made if it is missing (dir must be there). */
struct tokens *tokens_open(const char *dir, struct buf *why) MUST_CHECK;
void tokens_close(struct tokens *);
/* fn takes over the grant. 0; -1 with why. */
int tokens_each(struct tokens *, void (*fn)(void *, struct grant *), void *, struct buf *why) MUST_CHECK;
/* In place of what there was of this account. */
int tokens_put(struct tokens *, const struct grant *, struct buf *why) MUST_CHECK;
int tokens_drop(struct tokens *, const char *account, struct buf *why) MUST_CHECK;

#endif
