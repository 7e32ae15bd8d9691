/*
 * inflate: compressed octets as they were (RFC 1951), streamed, over zlib. The only module that knows it.
 */
#ifndef LIB_MAIL_INFLATE_H
#define LIB_MAIL_INFLATE_H

#include "lib/base/buf.h"

struct inflate; /* some 40 kilobytes */
struct inflate *inflate_new(void) MUST_CHECK;
void inflate_free(struct inflate *);
void inflate_begin(struct inflate *); /* of another stream */

enum inflate_result { INFLATE_MORE, INFLATE_ENDED, INFLATE_BROKEN };
/*
 * Takes octets off *in and gives some to out. INFLATE_MORE: call again, with more when *in is empty; *made may be 0.
 * INFLATE_ENDED: the stream is over; *in is what stands behind it.
 */
enum inflate_result inflate_some(struct inflate *, struct span *in, char *out, size_t room, size_t *made);

#endif
