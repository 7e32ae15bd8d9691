/*
 * report: what posthouse compile has to say about the maps: FILE:LINE, what is wrong and how to
 * mend it. Thousands are counted, the first are printed.
 */
#ifndef ROUTER_REPORT_H
#define ROUTER_REPORT_H

#include <stdbool.h>

#include "lib/base/buf.h"

struct report {
	int fd;               /* where it is printed */
	unsigned long limit;  /* lines printed; 0: all */
	unsigned long errors, warnings, printed;
	struct buf line;
};
void report_open(struct report *, int fd, unsigned long limit);
void report_error(struct report *, const char *file, unsigned line, const char *, ...) PRINTF_LIKE(4, 5);
void report_warning(struct report *, const char *file, unsigned line, const char *, ...) PRINTF_LIKE(4, 5);
/* Text of several lines that are errors already ("FILE:LINE: ...\n"). */
void report_lines(struct report *, struct span);
/* How many there were, and were not shown. */
void report_close(struct report *);

#endif
