/*
 * boxes: everybody's mailbox as people who look after a house want to see it.
 */
#ifndef AUTH_BOXES_H
#define AUTH_BOXES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/store/conf.h"
#include "router/router.h"

struct box {
	char *address, *name, *root, *maildir; /* maildir: the whole path, below root */
	bool disabled, readable;
	uint64_t new_count, cur_count, octets;
	struct quota quota, use; /* use: with a quota only */
	int64_t full_since_s;    /* senders are told that it is full; 0: they are not */
	int64_t oldest_s; /* when the oldest message came; 0: there is none */
};
struct boxes {
	struct box *box;
	size_t n, cap;
};
/* Everybody in the users map in force, in the map's order. As root: becomes the mailboxes'
 * owner for good. Fatal when the maps cannot be read. */
void boxes_read(struct boxes *, const struct instance *, const struct conf *);
/* Only this one; false: there is none. */
bool boxes_read_one(struct boxes *, const struct instance *, const struct conf *,
    const char *address) MUST_CHECK;
void boxes_free(struct boxes *);
/* s as a JSON string, quotes included. */
void boxes_json(FILE *, const char *s);

#endif
