/*
 * explain: the sorter's reasoning for one message, in a file, as people read it.
 */
#ifndef COLLECTOR_EXPLAIN_H
#define COLLECTOR_EXPLAIN_H

#include "collector/account.h"

/* `collect --explain FILE`; "-" is standard input. name: the account it came from, or NULL: the one that our mark in it
 * names, or the only one. As root: becomes the collector for good. The exit code. */
int explain_file(struct house *, const char *file, char *name);

#endif
