/*
 * penalty: guessing passwords takes time.
 *
 * Two memories of failures: of an account tried from an address, and of an address
 * whatever it tries. Attempts on one account from one address happen one after another, and
 * the answer is held back for a delay that doubles with every failure. An address that fails
 * on many accounts waits too. Nobody else does: there is no account-wide delay with which a
 * stranger could keep its owner out, and what the cache knows to be right is never held back.
 * The same wrong password again (a program with an old setting) is answered as late, but
 * counts for the address once.
 */
#ifndef AUTH_PENALTY_H
#define AUTH_PENALTY_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/table.h"
#include "lib/base/limits.h"

struct request;
struct pair { /* an account tried from an address */
	struct table_item item;
	char client[64], account[LIMIT_ADDRESS + 1]; /* for people */
	unsigned failures;
	bool busy; /* an attempt is under way: the others wait */
	TAILQ_HEAD(pair_queue, request) waiting;
};
struct penalty {
	uint8_t key[DIGEST_OCTETS];
	struct table pairs, addresses;
};

void penalty_init(struct penalty *);
/* The record of this account from this client; pinned. NULL: the table is full. */
struct pair *penalty_enter(struct penalty *, const char *client, const char *account) MUST_CHECK;
/* How long after its beginning an attempt is answered: one that failed (and was counted), and one
 * that passed; that one only waits for its address, since attempts on a pair come one by one. */
int64_t penalty_failed_ms(struct penalty *, const struct pair *, const char *client) MUST_CHECK;
int64_t penalty_passed_ms(struct penalty *, const char *client) MUST_CHECK;
void penalty_failed(struct penalty *, struct pair *, const char *client, bool repeated);
void penalty_passed(struct penalty *, struct pair *);
/* Who has failures now, one a line: "ACCOUNT CLIENT FAILURES", of addresses "* CLIENT FAILURES"; as much as fits. */
void penalty_list(struct penalty *, struct buf *out);
/* Failures of this account, or of this client (an address, with all that it tried), are forgotten; how many records
 * there were. */
size_t penalty_forget(struct penalty *, const char *who);
void penalty_leave(struct penalty *, struct pair *); /* unpinned */

#endif
