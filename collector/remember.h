/*
 * remember: a decision about one message becomes a rule that stands in `upstreams`, where people see it.
 */
#ifndef COLLECTOR_REMEMBER_H
#define COLLECTOR_REMEMBER_H

#include "collector/account.h"

enum remember { REMEMBER_NOT, REMEMBER_BEST, REMEMBER_LIST, REMEMBER_ADDRESS };
/*
 * The words that bring such a message to this person: list=, alias= or, where a name decides, name=. They have been
 * tried: with them the account (its entry says value) sorts this header so. 0; -1 with why.
 */
int remember_words(struct house *, const struct account *, struct span value, const struct sort_header *, size_t person,
    enum remember, struct buf *words, struct buf *why) MUST_CHECK;
/* Put them behind the account's entry in etc/upstreams and compile the maps. By whoever may. 0; -1 with why:
 * nothing has changed. */
int remember_write(const struct house *, const char *account, const char *words, struct buf *why) MUST_CHECK;

#endif
