/*
 * serve: `collect --serve`: accounts as they fall due, until SIGTERM.
 */
#ifndef COLLECTOR_SERVE_H
#define COLLECTOR_SERVE_H

#include "collector/account.h"

/* The exit code. Children told to stop end at their next message, with all that is whole safe. */
int serve(struct house *);

#endif
