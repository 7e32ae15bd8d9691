/*
 * status: how each account stands.
 */
#ifndef COLLECTOR_STATUS_H
#define COLLECTOR_STATUS_H

#include "collector/account.h"

/* `collect --status [--json]`: these accounts, or with count 0 all. The exit code. */
int status_show(struct house *, char *const *names, size_t count, bool json);

#endif
