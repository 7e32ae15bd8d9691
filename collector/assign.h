/*
 * assign: somebody says whose a message is that went to the fallback.
 */
#ifndef COLLECTOR_ASSIGN_H
#define COLLECTOR_ASSIGN_H

#include "collector/account.h"

/* `collect assign`: words are ID, USER and perhaps what to remember it by ("list-id", "address"). The exit code. */
int assign_message(struct house *, char *const *words, size_t count, bool remember);

#endif
