/*
 * path: the envelope addresses of SMTP (RFC 5321, 4.1.2; RFC 6531).
 */
#ifndef LIB_MAIL_PATH_H
#define LIB_MAIL_PATH_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/buf.h"

enum path_kind { PATH_REVERSE, PATH_FORWARD };

struct path {
	struct span local;  /* as written, quotes included */
	struct span domain; /* without trailing dot; "[...]" for a literal; empty for a bare <postmaster> */
	bool bare;          /* <john>: a local-part without domain, FORWARD only; the caller decides */
	bool utf8;          /* has octets above 0x7f: takes SMTPUTF8 */
};

/*
 * Parse the Reverse-path or Forward-path that starts s (RFC 5321, 4.1.2).
 * Returns the octets it takes, brackets included: parameters start at s + n.
 * "<>", the null sender, is a path for PATH_REVERSE only; its spans are empty.
 * A source route is skipped (appendix C). Limits, in octets (4.5.3.1):
 * local-part 64, domain 255, path 256. Returns -1 with errno EINVAL (no path)
 * or EMSGSIZE (over a limit); *out is then untouched. The spans point into s.
 */
ssize_t path_parse(const char *s, size_t n, enum path_kind, struct path *out) MUST_CHECK;
/* An address without brackets, all of s: from maps, the command line. 0 or -1. */
int path_parse_address(const char *s, size_t n, struct path *out) MUST_CHECK;
/*
 * The canonical form, into out: needless quotes off the local-part, "@", domain
 * in lower case. Local-part's case kept. Null sender: nothing.
 */
void path_canonical(const struct path *, struct buf *out);
/* The key under which maps know it: canonical, local-part folded to lower case (ASCII). */
void path_key(const struct path *, struct buf *out);

#endif
