/*
 * match: many strings looked for at once in a stream of octets.
 */
#ifndef SMTPD_MATCH_H
#define SMTPD_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct match; /* the strings, and where in a text we are */

/* fold: letters of ASCII count the same in both cases. */
struct match *match_new(bool fold) MUST_CHECK;
void match_free(struct match *);
/*
 * A string to look for; '*' in it stands for anything, of any length. Runs of blanks and line ends count as one blank, in it
 * and in the text. scopes: bits; it is looked for in texts that have one of them. Call all of these before the first text.
 */
void match_add(struct match *, struct span string, unsigned scopes, unsigned number);

/* A text begins: what was found of a string so far does not count any more. */
void match_begin(struct match *, unsigned scope);
void match_feed(struct match *, struct span octets);
/* The lowest number of all strings found, in any text since match_reset(); -1: none. */
int match_found(const struct match *);
void match_reset(struct match *);

#endif
