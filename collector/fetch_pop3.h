/*
 * fetch_pop3: everything new from one POP3 account (RFC 1939, 2449, 2595).
 */
#ifndef COLLECTOR_FETCH_POP3_H
#define COLLECTOR_FETCH_POP3_H

#include "collector/account.h"
#include "lib/store/state.h"

enum fetch_result { FETCH_OK, FETCH_FAILED, FETCH_AUTH_FAILED };
struct fetch_progress {
	uint64_t done, total;   /* messages to fetch */
	uint64_t octets;        /* received */
};
/*
 * One run. out->messages, octets, left and error are filled in whatever happens; what was taken before an
 * error is taken. progress is called now and then.
 */
enum fetch_result fetch_pop3(struct house *, struct account *, struct state *, struct state_run *out,
    void (*progress)(void *, const struct fetch_progress *), void *arg);

#endif
