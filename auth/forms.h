/*
 * forms: how people can write to somebody who shares mailboxes at providers.
 */
#ifndef AUTH_FORMS_H
#define AUTH_FORMS_H

#include "lib/store/instance.h"

/* fn for each form, by the map upstreams in force: "Ann Lee <mail@isp.example>", mail+ann@isp.example, sales@example.org. None
 * when the maps cannot be read. name: the person's; "". */
void forms_each(const struct instance *, const char *address, const char *name, void (*fn)(void *, const char *),
    void *arg);

#endif
