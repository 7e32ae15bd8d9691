/*
 * forms: how people can write to somebody who shares mailboxes at providers.
 *
 * Says it the way the collector's sorter reads it: in a shared account by name or subaddress, in a domain account by user
 * name and aliases.
 */
#include "auth/forms.h"

#include <string.h>
#include <strings.h>

#include "lib/base/limits.h"
#include "lib/store/map.h"
#include "lib/store/upstream.h"

struct forms {
	const char *address, *name;
	void (*fn)(void *, const char *);
	void *arg;
	struct arena *arena;
};

static void PRINTF_LIKE(2, 3)
say(const struct forms *f, const char *format, ...)
{
	struct buf b = BUF_INIT(4 * LIMIT_ADDRESS);
	va_list ap;

	va_start(ap, format);
	buf_addv(&b, format, ap);
	va_end(ap);
	if (!buf_over(&b))
		f->fn(f->arg, buf_str(&b));
	buf_free(&b);
}

/* As users=, alias= and name= write a user: an address, or its local part. */
static bool
is_me(const struct forms *f, const char *user)
{
	size_t local = strcspn(f->address, "@");

	return strcasecmp(user, f->address) == 0 ||
	    (strlen(user) == local && strncasecmp(user, f->address, local) == 0);
}

static bool
is_user(const struct forms *f, const struct upstream *up)
{
	const char *domain = strchr(f->address, '@');

	for (size_t i = 0; i < up->users.n; i++)
		if (is_me(f, up->users.v[i]))
			return true;
	for (size_t i = 0; up->users.n == 0 && domain != NULL && i < up->domains.n; i++)
		if (strcasecmp(domain + 1, up->domains.v[i]) == 0)
			return true;
	return false;
}

static void
shared_forms(const struct forms *f, const struct upstream *up)
{
	int local = (int)strcspn(f->address, "@");

	for (size_t i = 0; i < up->mailboxes.n; i++) {
		const char *mailbox = up->mailboxes.v[i], *at = strchr(mailbox, '@');

		if (*f->name != '\0')
			say(f, "%s <%s>", f->name, mailbox);
		for (size_t k = 0; k < up->names.n; k++)
			if (is_me(f, up->names.v[k].key) && strcmp(up->names.v[k].values.v[0], f->name) != 0)
				say(f, "%s <%s>", up->names.v[k].values.v[0], mailbox);
		say(f, "%.*s <%s>", local, f->address, mailbox);
		if (up->subaddress != 0 && at != NULL)
			say(f, "%.*s%c%.*s%s", (int)(at - mailbox), mailbox, up->subaddress, local, f->address, at);
	}
}

static void
domain_forms(const struct forms *f, const struct upstream *up, const char *local, int n)
{
	for (size_t i = 0; i < up->domains.n; i++)
		say(f, "%.*s@%s", n, local, up->domains.v[i]);
}

static int
one_account(void *arg, struct span key, const struct map_entry *e)
{
	struct forms *f = arg;
	struct buf why = BUF_INIT(4096);
	struct upstream up;

	(void)key;
	arena_reset(f->arena);
	if (upstream_parse(e->value, f->arena, &up, &why) == 0 && is_user(f, &up)) {
		if (up.kind == UPSTREAM_SHARED)
			shared_forms(f, &up);
		else if (up.kind == UPSTREAM_DOMAIN)
			domain_forms(f, &up, f->address, (int)strcspn(f->address, "@"));
		for (size_t i = 0; i < up.aliases.n; i++) {
			const char *word = up.aliases.v[i].values.v[0];

			if (!is_me(f, up.aliases.v[i].key))
				continue;
			if (strchr(word, '@') != NULL)
				say(f, "%s", word);
			else if (up.kind == UPSTREAM_DOMAIN)
				domain_forms(f, &up, word, (int)strlen(word));
		}
	}
	buf_free(&why);
	return 0;
}

void
forms_each(const struct instance *inst, const char *address, const char *name, void (*fn)(void *, const char *),
    void *arg)
{
	struct forms f = { address, name, fn, arg, arena_new() };
	struct buf why = BUF_INIT(4096);
	struct generation *maps = generation_open(inst->maps, 1u << MAP_UPSTREAMS, &why);

	if (maps != NULL) {
		(void)!map_each(maps, MAP_UPSTREAMS, one_account, &f);
		generation_close(maps);
	}
	arena_free(f.arena);
	buf_free(&why);
}
