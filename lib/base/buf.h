/*
 * buf: octets that grow up to a ceiling, and spans into other people's octets.
 */
#ifndef LIB_BASE_BUF_H
#define LIB_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/mem.h"

/* Octets that belong to somebody else. Not NUL-terminated. */
struct span {
	const char *s;
	size_t len;
};
#define SPAN(literal) ((struct span){ literal, sizeof(literal) - 1 })
struct span span_of(const char *); /* of a C string */
bool span_eq(struct span, struct span);
bool span_is(struct span, const char *);      /* exactly these octets */
bool span_case_is(struct span, const char *); /* ASCII case folded */
/* Does it begin so, ASCII case folded? Then *behind, if not NULL, is what follows. */
bool span_begins(struct span, const char *, struct span *behind);
struct span span_trim(struct span);           /* without SP HT CR LF around */
/* Cut *rest at the first sep: returns what stood before it, *rest becomes what
 * is behind it. Without sep: all of it, and rest->s becomes NULL. */
struct span span_cut(struct span *rest, char sep);

/*
 * Octets that grow up to max. s ends in a NUL that len does not count. What
 * would not fit is dropped, and all that comes behind it too, and sets over until
 * buf_reset(): append, ask once.
 */
struct buf {
	char *s;
	size_t len, cap, max;
	bool over;
};
#define BUF_INIT(ceiling) { NULL, 0, 0, (ceiling), false }
void buf_init(struct buf *, size_t max); /* allocates nothing */
void buf_add(struct buf *, const void *, size_t);
void buf_adds(struct buf *, const char *);
void buf_addc(struct buf *, char);
void buf_addspan(struct buf *, struct span);
void buf_addf(struct buf *, const char *, ...) PRINTF_LIKE(2, 3);
void buf_addv(struct buf *, const char *, va_list) PRINTF_LIKE(2, 0);
void buf_drop(struct buf *, size_t n); /* the first n octets are done with */
void buf_reset(struct buf *);          /* empty again; memory kept */
void buf_wipe(struct buf *);           /* buf_reset, old octets overwritten */
void buf_free(struct buf *);
bool buf_over(const struct buf *);
struct span buf_span(const struct buf *);
const char *buf_str(const struct buf *); /* "" when nothing was ever added */

#endif
