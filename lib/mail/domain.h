/*
 * domain: names of hosts and domains, with letters beyond ASCII (IDNA2008,
 * RFC 5890 to 5893). The only module that knows libidn2.
 */
#ifndef LIB_MAIL_DOMAIN_H
#define LIB_MAIL_DOMAIN_H

#include "lib/base/buf.h"

/*
 * Labels of a domain whose syntax is right (path.c reads it, or the caller is
 * sure): are they none over 63 octets, and are those beyond ASCII U-labels? 0; -1
 * with errno EMSGSIZE or EINVAL.
 */
int domain_check(struct span) MUST_CHECK;
/*
 * The A-label form in lower case, for DNS and as a key of maps: one key for
 * all spellings. Without a trailing dot. 0; -1 with errno, *out as it was.
 */
int domain_to_ascii(struct span, struct buf *out) MUST_CHECK;
/* The same; a name that has no such form gets itself, ASCII letters folded. */
void domain_key(struct span, struct buf *out);

#endif
