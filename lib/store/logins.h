/*
 * logins: what authd must remember of people: state/auth/auth.db, an SQLite file (DESIGN section 6).
 *
 * Their last logins, and what was made of their passwords when they said them: an entry of passwd made new, which counts as
 * long as the map has the entry that it was made for. Nothing here is worth a wait for the disk: what a power cut takes is a
 * few seconds of logins, and entries that are made again with the next one. The file is never left half written.
 */
#ifndef LIB_STORE_LOGINS_H
#define LIB_STORE_LOGINS_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/mail/digest.h"

struct logins;
/* dir/auth.db, made if it is missing (dir must be there). NULL with why. */
struct logins *logins_open(const char *dir, struct buf *why) MUST_CHECK;
void logins_close(struct logins *); /* saves; NULL is fine */

/* Those that fail say why in the log (program.warning), once a minute. */

/* The value that was made of the entry with this digest. false: none, or of another one. */
bool logins_made(struct logins *, const char *address, const uint8_t of[DIGEST_OCTETS], struct buf *value) MUST_CHECK;
void logins_make(struct logins *, const char *address, const uint8_t of[DIGEST_OCTETS], const char *value);
unsigned logins_made_count(struct logins *) MUST_CHECK;

struct login_last {
	int64_t at_s; /* since 1970 */
	char service[32], client[64];
};
/* Somebody has logged in, now. */
void logins_note(struct logins *, const char *address, const char *service, const char *client);
/* true: there was a last time. */
bool logins_last(struct logins *, const char *address, struct login_last *) MUST_CHECK;
/* Notes are kept back until this is called: every few seconds. */
void logins_save(struct logins *);
/* Addresses that this says no to are forgotten. */
void logins_forget(struct logins *, bool (*still)(void *arg, const char *address), void *arg);

#endif
