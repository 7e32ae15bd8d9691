/*
 * filter: the rules of the map filters: strings and expressions that no message may hold.
 */
#ifndef SMTPD_FILTER_H
#define SMTPD_FILTER_H

#include "lib/store/map.h"
#include "router/entry.h"
#include "smtpd/match.h"
#include "smtpd/patterns.h"

struct filter_rule {
	unsigned line;          /* of filters */
	const char *name, *text; /* text: "" if the rule has none of its own */
};
struct filter {
	struct arena *mem;
	struct filter_rule *rules;
	unsigned count, scopes; /* scopes: that any rule has */
	struct match *fold, *exact; /* NULL: no such rules */
	struct patterns *patterns;  /* likewise */
};
/* The rules of a generation. 0; -1: the table cannot be read. */
int filter_load(struct filter *, const struct generation *) MUST_CHECK;
void filter_free(struct filter *);

void filter_reset(struct filter *); /* for a message */
/* A text begins: a field, the text of a part, an address. */
void filter_begin(struct filter *, unsigned scope);
void filter_feed(struct filter *, struct span);
void filter_end(struct filter *); /* the last text is over */
/* The first rule that was found so far; NULL: none. */
const struct filter_rule *filter_found(const struct filter *);
/* The first that gave up, for its expression takes too long with this message; NULL: none. */
const struct filter_rule *filter_gave_up(const struct filter *);

#endif
