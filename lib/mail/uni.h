/*
 * uni: text of people in any script: charsets, case, accents. The only module that knows libunistring and
 * iconv(3).
 */
#ifndef LIB_MAIL_UNI_H
#define LIB_MAIL_UNI_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"

/* Octets of a charset as UTF-8, appended; what the charset lacks becomes U+FFFD. False: the charset is
 * unknown, nothing was added. */
bool uni_decode(struct span charset, struct span octets, struct buf *out);
/* Octets of a header: themselves when they are valid UTF-8, else read as Windows-1252. */
void uni_from_header(struct span octets, struct buf *out);
/* NFC, case folded: under this key two spellings of a local part are one. */
void uni_fold(struct span utf8, struct buf *out);
/* NFC, lower case: what a U-label is (RFC 5890, 2.3.2.1) when people write it with capitals. */
void uni_lower(struct span utf8, struct buf *out);

/* A word of somebody's name, in both spellings people use for what is not ASCII: é→e ü→u ø→o å→a, and
 * ä→ae ö→oe ü→ue ø→oe å→aa. */
struct uni_word {
	struct span plain, longer;
	size_t letters; /* as written */
};
/* Cut at everything that is no letter or digit, apostrophes dropped. Memory from the arena. */
size_t uni_words(struct span utf8, struct arena *, struct uni_word **out);
bool uni_word_eq(const struct uni_word *, const struct uni_word *); /* equal in any combination of spellings */
/* initial is one letter: does the word begin with it? */
bool uni_word_begins(const struct uni_word *, const struct uni_word *initial);

#endif
