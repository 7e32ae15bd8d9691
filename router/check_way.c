/*
 * check_way: what an address leads to, over aliases, copies and forwards.
 *
 * Follows them as rcpt.c does, within the same bounds, and finds those that end nowhere or
 * come back.
 */
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "router/check.h"

bool
check_has(const struct check *k, enum map_name map, struct span key)
{
	struct map_entry e;

	return map_find(k->r.maps, map, key, &e) == 1;
}

bool
check_somebody(struct check *k, struct span key, struct span home,
    const struct domain_entry *domain)
{
	struct span own = rehome(key, home, k->mem);

	return check_has(k, MAP_ALIASES, key) || check_has(k, MAP_ALIASES, own) ||
	    check_has(k, MAP_USERS, own) ||
	    check_has(k, MAP_ALIASES, rehome(SPAN(""), key_domain(key), k->mem)) ||
	    check_has(k, MAP_ALIASES, rehome(SPAN(""), home, k->mem)) ||
	    domain->catch_all.len > 0 ||
	    (domain->postmaster.len > 0 &&
	    span_case_is(key_local(own), "postmaster"));
}

void
check_target(struct check *k, const char *word, struct span text,
    struct span home)
{
	struct domain_entry domain;
	struct span key, base;
	struct path p;
	unsigned line;

	if (address_key(text, home, k->mem, &p, &key) == -1)
		return; /* build.c has said so */
	if (find_home(&k->r, key_domain(key), k->mem, &base, &domain, &line,
	    NULL) != 1)
		return;
	if (!check_somebody(k, key, base, &domain))
		check_wrong(k, "%s%.*s: there is no user or alias %.*s; add it to "
		    "users, or name somebody else", word, (int)text.len,
		    text.s, (int)key.len, key.s);
}

void
check_targets(struct check *k, const char *word, struct span list,
    struct span home)
{
	struct span address;

	while (entry_next_address(&list, &address))
		check_target(k, word, address, home);
}

/* --- loops --------------------------------------------------------------- */

struct step { /* an alias or user on the way we are on */
	const struct step *before;
	struct span key;
	bool alias, copies; /* copies: the way goes on by copy-to */
};

struct walk {
	struct check *k;
	unsigned visited;
	bool said; /* one fault for each start is enough */
};

static void follow_list(struct walk *, const struct step *, struct span list,
    struct span home, unsigned depth);

/* The steps from the one that is key on, in the order mail takes. */
static void
add_way(struct buf *way, const struct step *s, const struct step *first)
{
	if (s != first)
		add_way(way, s->before, first);
	buf_addf(way, "%.*s → ", (int)s->key.len, s->key.s);
}

static void
say_loop(struct walk *w, const struct step *from, const struct step *first)
{
	struct buf way = BUF_INIT(1500);
	bool copies = first->copies;

	for (const struct step *s = from; s != first; s = s->before)
		copies |= s->copies;
	add_way(&way, from, first);
	buf_addspan(&way, first->key);
	/* The entry where a circle begins tells of it; others lead into it. */
	if (first->before == NULL && copies)
		check_odd(w->k, "copies go in a circle, each mailbox gets one: %s",
		    buf_str(&way));
	else if (first->before == NULL)
		check_wrong(w->k, "mail would go in a circle: %s; to keep a copy "
		    "here use copy-to=", buf_str(&way));
	w->said = true;
	buf_free(&way);
}

/* The last step with this key; NULL: it is not on the way. */
static const struct step *
find_step(const struct step *s, struct span key, bool alias)
{
	while (s != NULL && (s->alias != alias || !span_eq(s->key, key)))
		s = s->before;
	return s;
}

/* True: there is such an alias and it was followed. */
static bool
follow_alias(struct walk *w, const struct step *from, struct span key,
    struct span home, unsigned depth)
{
	struct step step = { from, key, true, false };
	const struct step *first;
	struct buf why = BUF_INIT(100);
	struct alias_entry alias;
	struct map_entry e;
	bool direct = from != NULL && from->alias && span_eq(from->key, key);

	if (map_find(w->k->r.maps, MAP_ALIASES, key, &e) != 1 ||
	    entry_alias(e.value, &alias, &why) == -1) {
		buf_free(&why);
		return false;
	}
	if (direct && key.s[0] != '@')
		return false; /* itself in its own list: its mailbox */
	if ((first = find_step(from, key, true)) != NULL) {
		say_loop(w, from, first);
		return true;
	}
	if (alias.kind == ALIAS_TO)
		follow_list(w, &step, alias.text, home, depth + 1);
	return true;
}

static void
follow_user(struct walk *w, const struct step *from, struct span key,
    struct span home, unsigned depth)
{
	struct step step = { from, key, false, false };
	const struct step *first;
	struct user_entry user;
	unsigned line;

	if (find_user(&w->k->r, key, w->k->mem, &user, &line) != 1)
		return;
	if ((first = find_step(from, key, false)) != NULL) {
		say_loop(w, from, first);
		return;
	}
	step.copies = user.copy_to.len > 0;
	follow_list(w, &step, step.copies ? user.copy_to : user.forward, home,
	    depth + 1);
}

static void
follow(struct walk *w, const struct step *from, struct span text,
    struct span home, unsigned depth)
{
	struct domain_entry domain;
	struct span key, base, own;
	struct path p;
	unsigned line;

	if (address_key(text, home, w->k->mem, &p, &key) == -1 ||
	    find_home(&w->k->r, key_domain(key), w->k->mem, &base, &domain,
	    &line, NULL) != 1)
		return;
	own = rehome(key, base, w->k->mem);
	if ((!span_eq(own, key) && follow_alias(w, from, key, base, depth)) ||
	    follow_alias(w, from, own, base, depth))
		return;
	follow_user(w, from, own, base, depth);
}

static void
follow_list(struct walk *w, const struct step *from, struct span list,
    struct span home, unsigned depth)
{
	struct span address;

	while (!w->said && entry_next_address(&list, &address)) {
		w->said = true;
		if (depth > LIMIT_ALIAS_DEPTH)
			check_wrong(w->k, "this leads on through more than %d "
			    "aliases and forwards", LIMIT_ALIAS_DEPTH);
		else if (++w->visited > LIMIT_EXPANSION)
			check_wrong(w->k, "this leads to more than %d addresses",
			    LIMIT_EXPANSION);
		else {
			w->said = false;
			follow(w, from, address, home, depth);
		}
	}
}

void
check_way(struct check *k, struct span key, bool alias, bool copies,
    struct span list, struct span home)
{
	struct step start = { NULL, key, alias, copies };
	struct walk w = { .k = k };

	follow_list(&w, &start, list, home, 1);
}
