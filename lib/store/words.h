/*
 * words: an entry of a text map: its key, and its value of words and name=value
 * words.
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
/* A line of a text map without the comment and the blanks at its end ("#" begins
 * one where a word could begin, outside quotes). */
struct span words_line(struct span line);
/* An entry is its first word, the key, and the text behind; blanks in a quoted
 * local-part belong to the key. */
void words_entry(struct span entry, struct span *key, struct span *value);
/* 0; -1 with why (an unclosed quote). */
int words_parse(struct span text, struct arena *, struct words *, struct buf *why) MUST_CHECK;
/* The first NAME=; NULL if there is none. */
const struct span *words_get(const struct words *, const char *name);
/* Text as the argv of a command: 1 to most words, name=value being one, in the arena; argv has room for a NULL
 * behind them. 0; -1 with why. */
int words_argv(struct span text, struct arena *, char **argv, size_t most, struct buf *why) MUST_CHECK;
/* For messages: which of names (ends with NULL) was probably meant; NULL: none is near. */
const char *words_nearest(struct span wrong, const char *const *names);

#endif
