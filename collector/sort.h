/*
 * sort: whose is a collected message? An account's settings and a header go in, local users and the
 * reason come out.
 *
 * The rule is: never trust what a sender could have written when something the upstream wrote is there; never
 * hand private mail to a guess; never lose a message. Pure functions; what was delivered before is
 * asked for through a callback.
 */
#ifndef COLLECTOR_SORT_H
#define COLLECTOR_SORT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/mail/digest.h"
#include "lib/store/upstream.h"

enum sort_class {
	SORT_ENVELOPE_HEADER, SORT_RECEIVED_FOR, SORT_LIST_RULE, SORT_HEADER_RECIPIENT, SORT_DISPLAY_NAME,
	SORT_PUBLIC, SORT_FALLBACK, SORT_DUPLICATE, SORT_LOOP, SORT_SINGLE,
	SORT_ASSIGNED /* not by the sorter: somebody said so */
};
const char *sort_class_name(enum sort_class);

/* An account made ready: names cut into words, addresses into keys. */
struct sort_account;
struct sort_account *sort_account_new(const struct upstream *, const char *site, struct buf *why) MUST_CHECK;
void sort_account_free(struct sort_account *);
/* Everybody that mail of this account can go to: its users, then those named only as fallback or for
 * copies. NULL behind the last. */
const char *sort_account_user(const struct sort_account *, size_t i);
/* One more full name of the i-th user, as the map `users` knows it. */
void sort_account_name(struct sort_account *, size_t i, const char *full_name);
/* What stands for the i-th user in X-Collected-For; the user's own name if this is not called. */
void sort_account_mark(struct sort_account *, size_t i, const char *mark);
const char *sort_account_mark_of(const struct sort_account *, size_t i); /* without "@site" */
const char *sort_account_site(const struct sort_account *);

/* A header as the rules read it: NULs and foreign lines dropped, unfolded, UTF-8. Memory from the arena. */
struct sort_field {
	struct span name, value;
};
struct sort_header {
	struct sort_field *v;
	size_t n;
};
void sort_header_read(struct span octets, struct arena *, struct sort_header *out);

/* The identifier in a List-Id, as list= knows it. */
struct span sort_list_id(struct span value, struct arena *);

struct sort_result {
	enum sort_class class;
	bool *gets;             /* by number of user; none when class is a duplicate or a loop */
	size_t count;
	const char *field;      /* the header field it was decided by; "" */
	const char *reason;     /* of a fallback or loop: a word; "" */
	const char *unknown;    /* the first address of ours that is nobody's, or phrase that names nobody; "" */
	const char *list;       /* the identifier of a mailing list that is in no list=; "" */
};
/* Memory from the arena. explain, if not NULL, gets a line a step. */
void sort_message(const struct sort_account *, const struct sort_header *, struct arena *,
    struct sort_result *out, struct buf *explain);
/* Take out who has got this digest before; the class becomes SORT_DUPLICATE if nobody is left. */
void sort_duplicates(const struct sort_account *, struct sort_result *, const unsigned char digest[DIGEST_OCTETS],
    bool (*seen)(void *arg, const char *user, const unsigned char *digest), void *arg, struct buf *explain);

/*
 * The digest that tells a second copy of a message: Message-ID, From, Date, Subject, To and Cc, and the body
 * with its line ends made LF and the white space at its end left out. Trace fields are no part of it.
 */
struct sort_digest;
struct sort_digest *sort_digest_new(const struct sort_header *) MUST_CHECK;
void sort_digest_body(struct sort_digest *, const char *, size_t);
void sort_digest_end(struct sort_digest *, unsigned char out[DIGEST_OCTETS]); /* frees it */
void sort_digest_free(struct sort_digest *);

#endif
