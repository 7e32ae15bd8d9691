/*
 * oauth_account: the maps' words become addresses and scopes. Keeps nothing: maps may change at any time.
 */
#include "auth/oauth_account.h"

#include <stdlib.h>
#include <string.h>

/* Each address with its tenant, in place. */
static int
fill_tenant(struct oauth_account *a, const char *tenant, struct arena *arena, struct buf *why)
{
	const char **const urls[] = { &a->provider.token, &a->provider.device, &a->provider.authorize };

	if (tenant == NULL)
		tenant = a->provider.tenant;
	for (size_t i = 0; i < COUNT(urls); i++)
		if (*urls[i] != NULL && (*urls[i] = provider_url(*urls[i], tenant, arena, why)) == NULL)
			return -1;
	return 0;
}

static int
find_provider(struct generation *maps, const struct upstream *up, struct arena *arena, struct oauth_account *a,
    struct buf *why)
{
	struct map_entry e;

	if (map_find(maps, MAP_PROVIDERS, span_of(up->provider), &e) != 1) {
		buf_addf(why, "there is no provider %s in the map providers", up->provider);
		return -1;
	}
	if (provider_parse(e.value, arena, &a->provider, why) == -1)
		return -1;
	a->provider_name = up->provider;
	if (up->scope != NULL)
		a->provider.scope = a->provider.app_scope = up->scope;
	return fill_tenant(a, up->tenant, arena, why);
}

int
oauth_account_find(struct generation *maps, const char *name, struct arena *arena, struct oauth_account *out,
    struct buf *why)
{
	struct map_entry e;
	struct upstream up;

	*out = (struct oauth_account){ .name = arena_dupn(arena, name, strlen(name)) };
	if (map_find(maps, MAP_UPSTREAMS, span_of(name), &e) != 1) {
		buf_addf(why, "there is no account %s in the map upstreams", name);
		return -1;
	}
	if (upstream_parse(e.value, arena, &up, why) == -1)
		return -1;
	if (up.auth != UPSTREAM_AUTH_OAUTH || up.provider == NULL) {
		buf_addf(why, "the account %s has no auth=oauth provider=... in the map upstreams", name);
		return -1;
	}
	out->login = up.login;
	out->client_id = up.client_id;
	return find_provider(maps, &up, arena, out, why);
}

struct each {
	void (*fn)(void *, const char *);
	void *arg;
	struct arena *arena;
};

static int
see(void *arg, struct span key, const struct map_entry *e)
{
	struct each *each = arg;
	struct buf why = BUF_INIT(4096);
	struct upstream up;

	if (upstream_parse(e->value, each->arena, &up, &why) == 0 && up.auth == UPSTREAM_AUTH_OAUTH &&
	    up.provider != NULL)
		each->fn(each->arg, arena_dupn(each->arena, key.s, key.len));
	arena_reset(each->arena);
	buf_free(&why);
	return 0;
}

int
oauth_account_each(struct generation *maps, void (*fn)(void *, const char *), void *arg)
{
	struct each each = { fn, arg, arena_new() };
	int rv = map_each(maps, MAP_UPSTREAMS, see, &each);

	arena_free(each.arena);
	return rv;
}
