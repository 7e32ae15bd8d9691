/*
 * status: what runs, for people and for programs.
 */
#ifndef MASTER_STATUS_H
#define MASTER_STATUS_H

#include "lib/store/instance.h"

enum status_form { STATUS_TEXT, STATUS_WATCH, STATUS_JSON, STATUS_METRICS };
/* Prints (STATUS_WATCH: again each second, until it is interrupted); the exit code: 0 all is well, 1 something that should run does not, 3 nothing runs. */
int status_show(const struct instance *, enum status_form);
/* How logins go, and whose are delayed; as authd tells. 0, or EX_UNAVAILABLE. */
int status_auth(const struct instance *, enum status_form);
int status_tls(const struct instance *, enum status_form);

#endif
