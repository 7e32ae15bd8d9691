/*
 * oauth_account: what an account asks for tokens with, by the maps upstreams and providers.
 */
#ifndef AUTH_OAUTH_ACCOUNT_H
#define AUTH_OAUTH_ACCOUNT_H

#include "lib/store/map.h"
#include "lib/store/provider.h"
#include "lib/store/upstream.h"

struct oauth_account {
	const char *name, *login;
	const char *provider_name;
	struct provider provider; /* addresses with the tenant filled in, scopes as the account wants them */
	const char *client_id;
};
/* 0; -1 with why: no such account, or one that has nothing to do with tokens. */
int oauth_account_find(struct generation *, const char *name, struct arena *, struct oauth_account *out,
    struct buf *why) MUST_CHECK;
/* fn for each account that gets its tokens from us. */
int oauth_account_each(struct generation *, void (*fn)(void *, const char *name), void *arg) MUST_CHECK;

#endif
