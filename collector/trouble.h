/*
 * trouble: what follows when an account cannot be collected from: it is left alone for a while, and the postmaster hears of it,
 * once; and once more when it works again. Remembered in the state, so that cron and --serve agree.
 */
#ifndef COLLECTOR_TROUBLE_H
#define COLLECTOR_TROUBLE_H

#include "collector/account.h"
#include "collector/fetch.h"

enum trouble_cause { TROUBLE_NONE, TROUBLE_LOGIN, TROUBLE_TLS, TROUBLE_TOKEN, TROUBLE_OTHER };
struct trouble {
	enum trouble_cause cause;
	uint64_t failures;    /* in a row, of this cause */
	int64_t since_s;      /* the first of them, of whatever cause */
	int64_t not_before_s; /* 0: when its schedule says */
	uint32_t mark;        /* of the entry and the password that failed */
};
struct totals { /* of an account, since it has been known */
	uint64_t runs, failures, messages, octets;
	int64_t since_s, good_s; /* the first run; the last good one, 0: none */
};

void trouble_load(struct state *, const char *account, struct trouble *);
/* Sixteen bits that are others, most likely, when the entry or the password in the map `secrets` is another. */
uint32_t trouble_mark(struct account *, const struct house *, struct span entry);
/* Is the account to be left alone now? Only a refused login does that: providers lock accounts for less. */
bool trouble_waits(const struct trouble *, uint32_t mark, int64_t now_s);
/* "the login was refused 3 times; tried again at 12:30" */
void trouble_add_text(struct buf *, const struct trouble *);
/* A run has ended so. t: as it was loaded, with the mark of now; then as it is now. Tells and remembers. */
void trouble_after(struct house *, const struct account *, struct state *, enum fetch_result, const struct state_run *,
    struct trouble *t);

void totals_load(struct state *, const char *account, struct totals *);

#endif
