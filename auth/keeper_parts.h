/*
 * keeper_parts: what the files of keeper say to each other.
 */
#ifndef AUTH_KEEPER_PARTS_H
#define AUTH_KEEPER_PARTS_H

#include "auth/keeper.h"

/* Memory has it in any case: what was rotated must not be lost because the disk is full now. */
void keeper_save(struct keeper_entry *);
/* What a person types to mend it: "login", "app". */
const char *keeper_verb(const struct keeper_entry *);
/* Once a cause; "": all is well again. */
void keeper_tell(struct keeper_entry *, const char *cause, const char *text);
void keeper_tell_trouble(struct keeper_entry *);
void keeper_tell_recovery(struct keeper_entry *);
/* Client secrets and refresh tokens that will end; comes back by itself. arg: the keeper. */
void keeper_look_for_ends(evutil_socket_t, short, void *arg);

#endif
