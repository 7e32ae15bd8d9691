/*
 * trace: Received fields (RFC 5321, 4.4), in the shapes that mail systems give them.
 */
#ifndef LIB_MAIL_TRACE_H
#define LIB_MAIL_TRACE_H

#include <stdbool.h>

#include "lib/base/buf.h"

/* Clauses as they stand, comments included, keyword off, trimmed; s NULL: there is none. */
struct trace {
	struct span from, by, via, with, id, rcpt; /* rcpt: the clause "for" */
};
void trace_parse(struct span value, struct trace *out);
/* The first word of a clause outside parentheses; empty if there is none. */
struct span trace_word(struct span clause);
/* The host in front of a hop, by its from clause. What it said of itself (HELO) is never in it, unless the
 * receiving system's form says that the name was looked up. Both may be empty. */
struct trace_host {
	struct span address; /* an IP literal, brackets and "IPv6:" off */
	struct span name;    /* verified */
};
void trace_host(struct span from, struct trace_host *out);

#endif
