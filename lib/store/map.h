/*
 * map: compiled tables (CDB, by libcdb), one generation at a time. The only module
 * that knows libcdb.
 */
#ifndef LIB_STORE_MAP_H
#define LIB_STORE_MAP_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/buf.h"

enum map_name {
	MAP_DOMAINS, MAP_USERS, MAP_ALIASES, MAP_LISTS, MAP_ROUTES, MAP_ACCESS,
	MAP_FILTERS, MAP_ATTACHMENTS, MAP_UPSTREAMS, MAP_PASSWD, MAP_SECRETS,
	MAP_PROVIDERS, MAP_COUNT
};
extern const char *const map_names[MAP_COUNT]; /* "domains", ... */

struct map_entry {
	unsigned line;     /* of the text map: answers name map:line */
	struct span value; /* points into the mapping; valid while the generation is open */
};
struct generation; /* the tables of one compile, mmapped, shared read-only */

/* Open the tables named (bit 1 << MAP_x each) of the generation that `current` names now.
 * NULL with why. */
struct generation *generation_open(const char *maps_dir, unsigned wanted, struct buf *why) MUST_CHECK;
/* The same of the generation called name, current or not. */
struct generation *generation_open_named(const char *maps_dir, const char *name, unsigned wanted,
    struct buf *why) MUST_CHECK;
/* Is *g still the current one (one readlink)? If not, it is replaced; on failure the old one
 * stays and false is returned. */
bool generation_refresh(struct generation **g);
const char *generation_name(const struct generation *);
void generation_close(struct generation *);
/* 1: found, 0: no such key, -1: the table is not open or broken. */
int map_find(const struct generation *, enum map_name, struct span key, struct map_entry *) MUST_CHECK;
/* Every entry, in the order of the text; fn returns 0 to go on, anything else is returned.
 * Keys that begin with a blank (notes of compile to the router) are left out. */
int map_each(const struct generation *, enum map_name,
    int (*fn)(void *arg, struct span key, const struct map_entry *), void *arg) MUST_CHECK;

/* For posthouse compile. */
struct map_writer;
struct map_writer *map_create(int dir_fd, enum map_name, mode_t, struct buf *why) MUST_CHECK;
/* 0; 1: the key is there already, *first_line says where; -1 errno. */
int map_put(struct map_writer *, struct span key, unsigned line, struct span value, unsigned *first_line) MUST_CHECK;
/* owner -1: leave it. */
int map_finish(struct map_writer *, uid_t owner, struct buf *why) MUST_CHECK; /* synced */

#endif
