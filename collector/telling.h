/*
 * telling: what the postmaster must know, and once.
 */
#ifndef COLLECTOR_TELLING_H
#define COLLECTOR_TELLING_H

#include "collector/account.h"
#include "lib/store/state.h"

/*
 * Unless he was told of this cause on this account already. cause: a short name; with "message " in front
 * (STATE_FACT_FADING) it is about one message, and forgotten with it. What cannot be sent now is logged, and tried
 * when it is told again. True: he knows.
 */
bool tell_once(struct house *, struct state *, const char *account, const char *cause, const char *subject,
    const char *text);
/* It is over: the next time is a new one. True: he had been told. */
bool tell_over(struct state *, const char *account, const char *cause);

#endif
