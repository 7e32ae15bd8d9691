/*
 * provider: what an entry of the map `providers` says: where an authorization server of OAuth2 (RFC 6749) is, and what
 * it is asked for. One table of words (provider.c) serves posthouse compile and tokend; providers(5) documents each.
 */
#ifndef LIB_STORE_PROVIDER_H
#define LIB_STORE_PROVIDER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct provider {
	const char *token;      /* token endpoint */
	const char *device;     /* device authorization endpoint (RFC 8628); NULL: has none for mail */
	const char *authorize;  /* authorization endpoint; NULL */
	const char *extra;      /* more parameters for that, encoded: "a=b&c=d"; NULL */
	const char *redirect;   /* what the browser is sent back to; NULL: a free port of the loopback address */
	const char *scope;      /* of a person's login */
	const char *app_scope;  /* of the client-credentials grant; NULL: not for mail */
	const char *tenant;     /* for {tenant} in the endpoints when the account names none; NULL */
	const char *ca;         /* file of certificates to trust instead of the system's; NULL */
	bool basic;             /* the client's secret goes into the Authorization field (RFC 6749, 2.3.1), else the body */
	uint64_t young_s;       /* a refusal of a token that is younger than this ... */
	const char *young_hint; /* ... is explained so; NULL */
};

/* The value of an entry. Strings live in the arena. 0; -1 with why: every fault, separated by "; ". */
int provider_parse(struct span value, struct arena *, struct provider *out, struct buf *why) MUST_CHECK;
/* The words there are, for the test that compares them with the manual. NULL: no more. */
const char *provider_word(size_t i);
/* Letters, digits, "-" and "." : it becomes part of a path. */
bool provider_tenant_ok(const char *);
/* An endpoint with the tenant in its place. NULL with why: it needs one and there is none. */
const char *provider_url(const char *endpoint, const char *tenant, struct arena *, struct buf *why) MUST_CHECK;

#endif
