/*
 * regex: Perl's regular expressions in octets that may come in pieces, over PCRE2. The only module that knows it.
 */
#ifndef LIB_STORE_REGEX_H
#define LIB_STORE_REGEX_H

#include "lib/base/buf.h"

#define REGEX_TEXT 1000   /* octets of an expression */
#define REGEX_BEHIND 100  /* characters that it may look back */
#define REGEX_STEPS 50000 /* taken back at one place of the text: an expression that needs more gives up */
#define REGEX_HEAP 8192   /* KiB of memory at one place */

struct regex;
/*
 * "^" and "$" are the ends of lines, "." is anything but a line end; letters, blanks and cases are those of Unicode.
 * fold: both cases are the same. What is found in
 * an empty text would be found everywhere and is refused. NULL with why.
 */
struct regex *regex_new(struct span text, bool fold, struct buf *why) MUST_CHECK;
void regex_free(struct regex *);

enum regex_result { REGEX_NONE, REGEX_FOUND, REGEX_PARTIAL, REGEX_GAVE_UP };
/*
 * Is it found beginning at an octet from..to of this text, which must be UTF-8 as utf8_valid() has it, both of them where a
 * character begins? (The library looks through all of it else, each time.) more: other octets will follow, and when they decide, the result is
 * REGEX_PARTIAL: *from becomes the place to try again from when they are there. to may lie behind the end.
 */
enum regex_result regex_find(const struct regex *, struct span text, bool more, size_t *from, size_t to);

#endif
