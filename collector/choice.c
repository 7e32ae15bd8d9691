/*
 * choice: names from a command line, found among the entries of `upstreams`.
 */
#include "collector/choice.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/log.h"

struct search {
	struct choice *choice;
	char *const *names;
	size_t count, room;
	bool *found; /* which of names */
};

static int
add_if_wanted(void *arg, const char *name, struct span value)
{
	struct search *s = arg;
	struct choice *c = s->choice;
	bool wanted = s->count == 0;

	for (size_t i = 0; i < s->count; i++)
		if (strcasecmp(s->names[i], name) == 0)
			wanted = s->found[i] = true;
	if (!wanted)
		return 0;
	if (c->n == s->room) {
		s->room = s->room == 0 ? 16 : s->room * 2;
		c->v = mem_grow(c->v, s->room, sizeof(*c->v));
	}
	c->v[c->n++] = (struct chosen){ .name = mem_dup(name), .value = value };
	return 0;
}

int
choice_make(struct choice *c, const struct house *h, char *const *names, size_t count)
{
	struct search s = { .choice = c, .names = names, .count = count };
	int rv = 0;

	*c = (struct choice){ 0 };
	s.found = mem_alloc(count + 1, sizeof(*s.found));
	if (house_each_account(h, add_if_wanted, &s) == -1)
		fatal(EX_CONFIG, "cannot read the map upstreams");
	for (size_t i = 0; i < count && rv == 0; i++)
		if (!s.found[i]) {
			warn_text("no account %s in upstreams", names[i]);
			rv = EX_USAGE;
		}
	free(s.found);
	return rv;
}

void
choice_free(struct choice *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->v[i].name);
	free(c->v);
	*c = (struct choice){ 0 };
}
