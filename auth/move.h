/*
 * move: somebody's mail goes to another directory below the mail root, while mail comes in.
 */
#ifndef AUTH_MOVE_H
#define AUTH_MOVE_H

#include "lib/store/conf.h"
#include "lib/store/instance.h"

/* What stands at address to PATH, relative to the mail root. An exit code; the reason
 * is on standard error. */
int move_mailbox(const struct instance *, const struct conf *, const char *address,
    const char *path);

#endif
