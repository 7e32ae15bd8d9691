/* mime: encoded words in header fields (RFC 2047). */
#ifndef LIB_MAIL_MIME_H
#define LIB_MAIL_MIME_H

#include <stddef.h>

#include "lib/base/buf.h"

/* Octets of the encoded word that starts s; 0: there is none. */
size_t mime_word(struct span s);
/*
 * A phrase or an unstructured value as UTF-8, appended: encoded words decoded wherever they stand (inside
 * quotes too, as many programs write them), white space between adjacent ones dropped. A word
 * in an unknown charset counts as empty; octets that a charset lacks become U+FFFD.
 */
void mime_decode(struct span text, struct buf *out);

#endif
