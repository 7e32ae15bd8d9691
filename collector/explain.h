/*
 * explain: what sorting makes of a message, and why.
 */
#ifndef COLLECTOR_EXPLAIN_H
#define COLLECTOR_EXPLAIN_H

#include "collector/account.h"

/* `collect --explain FILE --account NAME`: the reasoning and the outcome on standard output. The exit code. */
int explain_file(struct house *, const char *file, char *account);

#endif
