/*
 * check: what the files of the cross-checks share. The tables that were just built are asked as
 * the router will ask them.
 */
#ifndef ROUTER_CHECK_H
#define ROUTER_CHECK_H

#include "router/compile.h"
#include "router/lookup.h"

struct check {
	struct compile *c;
	struct router r;    /* over the new generation */
	struct arena *mem;  /* of one entry */
	enum map_name map;  /* of the entry */
	unsigned line;
	const char *clash;       /* setting whose ports were complained of */
	unsigned inside, around; /* lines of access whose overlap was told */
};
/* An error, a warning about the entry. */
void check_wrong(struct check *, const char *, ...) PRINTF_LIKE(2, 3);
void check_odd(struct check *, const char *, ...) PRINTF_LIKE(2, 3);

/* --- check_way.c --------------------------------------------------------- */
/* Is there an entry under this key? */
bool check_has(const struct check *, enum map_name, struct span key);
/* Does somebody get mail for this local address? As rcpt.c asks. */
bool check_somebody(struct check *, struct span key, struct span home, const struct domain_entry *);
/* An address in a value, a list of them: where they are local, somebody must get the mail. */
void check_target(struct check *, const char *word, struct span text, struct span home);
void check_targets(struct check *, const char *word, struct span list, struct span home);
/* Where do these addresses of the alias or user key lead? Not in a circle, not too far. */
void check_way(struct check *, struct span key, bool alias, bool copies, struct span list,
    struct span home);

/* --- check_conf.c -------------------------------------------------------- */
void check_conf(struct check *);

#endif
