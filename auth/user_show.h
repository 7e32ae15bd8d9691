/*
 * user_show: people and their mailboxes, for people and programs to read (posthouse user list, show).
 */
#ifndef AUTH_USER_SHOW_H
#define AUTH_USER_SHOW_H

#include <stdbool.h>

#include "lib/store/conf.h"

void user_list(const struct instance *, const struct conf *, bool json);
/* Ends the process when there is nobody of that name. */
void user_show(const struct instance *, const struct conf *, const char *address, bool json);

#endif
