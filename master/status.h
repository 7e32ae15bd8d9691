/*
 * status: what runs, for people and for programs.
 */
#ifndef MASTER_STATUS_H
#define MASTER_STATUS_H

#include <stdbool.h>

#include "lib/store/instance.h"

/* Prints; the exit code: 0 all is well, 1 something that should run does not, 3 nothing runs. */
int status_show(const struct instance *, bool json);

#endif
