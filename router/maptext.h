/*
 * maptext: text maps, read entry by entry (DESIGN section 6).
 *
 *   # a comment
 *   key value value       # a comment too
 *    more value           (a line that begins with a blank continues)
 *   !command argument     (its output takes the line's place; only in a file that nobody but its owner, who is root or
 *                          us, can change)
 */
#ifndef ROUTER_MAPTEXT_H
#define ROUTER_MAPTEXT_H

#include "lib/base/buf.h"
#include "router/report.h"

struct map_entry_text {
	unsigned line;          /* of the map; for a command's output, of the command */
	struct span key, value; /* valid until the next call */
};
struct maptext;
/* A map that is not there is empty. file is what messages call it; tmp_fd a directory for what
 * commands print. Faults are reported and reading goes on; NULL: it cannot be read, which is reported. */
struct maptext *maptext_open(const char *file, int tmp_fd, struct report *) MUST_CHECK;
void maptext_only_lines(struct maptext *); /* it runs no commands, whoever owns it */
bool maptext_next(struct maptext *, struct map_entry_text *);
void maptext_close(struct maptext *);
/* Report something about the entry just read, or about one from the same source at line. */
void maptext_error(struct maptext *, const char *, ...) PRINTF_LIKE(2, 3);

#endif
