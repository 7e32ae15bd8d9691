/*
 * words: the value of a map entry: words and name=value words.
 *
 *   local postmaster=ann@example.org name="Jan Kowalski"
 *
 * Blanks separate; a value in "..." may hold blanks, \" and \\.
 */
#ifndef LIB_STORE_WORDS_H
#define LIB_STORE_WORDS_H

#include "lib/base/buf.h"

struct word {
	struct span name;  /* in front of '='; empty for a plain word */
	struct span value; /* the plain word, or what is behind '='; unquoted, in the arena */
};
struct words {
	struct word *w;
	size_t n;
};
/* 0; -1 with why (an unclosed quote). */
int words_parse(struct span text, struct arena *, struct words *, struct buf *why) MUST_CHECK;
/* The first NAME=; NULL if there is none. */
const struct span *words_get(const struct words *, const char *name);
/* For messages: which of names (ends with NULL) was probably meant; NULL: none is near. */
const char *words_nearest(struct span wrong, const char *const *names);

#endif
