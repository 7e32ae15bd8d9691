/*
 * choice: the accounts a command is about.
 */
#ifndef COLLECTOR_CHOICE_H
#define COLLECTOR_CHOICE_H

#include "collector/account.h"

struct chosen {
	char *name;
	struct span value; /* of the entry; valid while the house's maps are */
};
struct choice {
	struct chosen *v;
	size_t n;
};
/* The accounts of these names, in the order of the map, or with count 0 all. 0, or EX_USAGE for a name that is none (it is
 * told). Maps that cannot be read end the process. */
int choice_make(struct choice *, const struct house *, char *const *names, size_t count) MUST_CHECK;
void choice_free(struct choice *);

#endif
