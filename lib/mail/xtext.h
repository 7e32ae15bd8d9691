/*
 * xtext: how ENVID and ORCPT write their octets (RFC 3461, 4).
 */
#ifndef LIB_MAIL_XTEXT_H
#define LIB_MAIL_XTEXT_H

#include "lib/base/buf.h"

#define LIMIT_ENVID 100 /* octets of xtext; RFC 3461, 4.4 */
#define LIMIT_ORCPT 500 /* type included; RFC 3461, 4.2 */

void xtext_add(struct buf *out, const char *s);
/* What it means, printable ASCII and blanks; out may be NULL. -1: it is not xtext, or means something else. */
int xtext_decode(struct span, struct buf *out) MUST_CHECK;

#endif
