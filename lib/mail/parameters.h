/*
 * parameters: what stands behind the semicolons of Content-Type and Content-Disposition (RFC 2045, 5.1; RFC 2231).
 */
#ifndef LIB_MAIL_PARAMETERS_H
#define LIB_MAIL_PARAMETERS_H

#include <stdbool.h>

#include "lib/base/buf.h"

#define PARAMETER_SECTIONS 100 /* of one parameter that is cut into pieces (RFC 2231, 3) */

/* The token in front of the first semicolon ("text/plain", "attachment"); *rest is what is behind it. */
struct span parameters_token(struct span value, struct span *rest);
/*
 * The next NAME=VALUE in *rest, which moves on; quotes are taken off value, which is reset first. Read as leniently as
 * they are written: comments, blanks and empty parameters are skipped. False at the end.
 */
bool parameters_next(struct span *rest, struct span *name, struct buf *value);
/* The plain parameter of this name: the first; false: none. value is reset first. */
bool parameters_get(struct span parameters, const char *name, struct buf *value);
/*
 * The same parameter by RFC 2231, as UTF-8: NAME*, or the pieces NAME*0, NAME*1* ... put together in their order;
 * more than PARAMETER_SECTIONS are left out. False: there is none. An unknown charset gives the octets as they are.
 */
bool parameters_get_extended(struct span parameters, const char *name, struct buf *value);

#endif
