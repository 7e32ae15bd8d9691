/*
 * patterns: regular expressions looked for in a stream of octets.
 */
#ifndef SMTPD_PATTERNS_H
#define SMTPD_PATTERNS_H

#include "lib/store/regex.h"

#ifndef PATTERNS_WINDOW /* a fuzzer wants a smaller one */
#define PATTERNS_WINDOW 32768 /* octets of a text looked at in one; what is found is at most half as long */
#endif
#define PATTERNS_CPU_MS 1000  /* for all of them, from one reset to the next; then they give up */

struct patterns; /* the expressions, and where in a text we are */
struct patterns *patterns_new(void) MUST_CHECK;
void patterns_free(struct patterns *);
/* Takes the expression over. scopes: bits; it is looked for in texts that have one of them. */
void patterns_add(struct patterns *, struct regex *, unsigned scopes, unsigned number);

/* A text begins, and the one before ends. */
void patterns_begin(struct patterns *, unsigned scope);
void patterns_feed(struct patterns *, struct span octets);
/* The text is over. */
void patterns_end(struct patterns *);
/* The lowest number of all expressions found, in any text since patterns_reset(); -1: none. */
int patterns_found(const struct patterns *);
/* The first that gave up, for it takes too long; -1: none did. */
int patterns_gave_up(const struct patterns *);
void patterns_reset(struct patterns *); /* texts are overwritten */

#endif
