/*
 * check: what only several maps together can tell.
 *
 * Asks the tables that were just built, as the router will, and walks each once.
 */
#include <string.h>

#include "lib/base/limits.h"
#include "lib/mail/domain.h"
#include "lib/store/upstream.h"
#include "router/check.h"

void
check_wrong(struct check *k, const char *text, ...)
{
	struct buf b = BUF_INIT(2000);
	va_list ap;

	va_start(ap, text);
	buf_addv(&b, text, ap);
	va_end(ap);
	report_error(k->c->report, k->c->files[k->map], k->line, "%s",
	    buf_str(&b));
	buf_free(&b);
}

void
check_odd(struct check *k, const char *text, ...)
{
	struct buf b = BUF_INIT(2000);
	va_list ap;

	va_start(ap, text);
	buf_addv(&b, text, ap);
	va_end(ap);
	report_warning(k->c->report, k->c->files[k->map], k->line, "%s",
	    buf_str(&b));
	buf_free(&b);
}

/* --- the maps ------------------------------------------------------------ */

static void
check_alias_of(struct check *k, struct span of)
{
	struct buf key = BUF_INIT(2 * LIMIT_DOMAIN);
	struct domain_entry d;
	unsigned line;
	int found;

	domain_key(of, &key);
	found = find_domain(&k->r, buf_span(&key), k->mem, &d, &line);
	if (found == 0)
		check_wrong(k, "alias-of=%.*s: there is no such domain; add \"%.*s "
		    "local\"", (int)of.len, of.s, (int)of.len, of.s);
	else if (found == 1 && d.kind == DOMAIN_ALIAS)
		check_wrong(k, "alias-of=%.*s: that is an alias itself (line %u); "
		    "name the local domain both stand for", (int)of.len, of.s,
		    line);
	else if (found == 1 && d.kind == DOMAIN_RELAY)
		check_wrong(k, "alias-of=%.*s: that domain is relayed (line %u) and "
		    "has no mailboxes here", (int)of.len, of.s, line);
	buf_free(&key);
}

/* RFC 5321, 4.5.1 */
static void
check_postmaster(struct check *k, struct span domain,
    const struct domain_entry *d)
{
	struct span key = rehome(SPAN("postmaster"), domain, k->mem);

	if (d->postmaster.len > 0)
		check_target(k, "postmaster=", d->postmaster, domain);
	else if (!check_somebody(k, key, domain, d))
		check_wrong(k, "%.*s has no postmaster: add postmaster=NAME",
		    (int)domain.len, domain.s);
}

/* It must not be caught by itself. */
static void
check_catch_all(struct check *k, struct span domain,
    const struct domain_entry *d)
{
	struct domain_entry without = *d;
	struct span to = d->catch_all, target;
	struct path p;

	without.catch_all.len = 0;
	if (address_key(to, domain, k->mem, &p, &target) == 0 &&
	    span_eq(key_domain(target), domain) &&
	    !check_somebody(k, target, domain, &without))
		check_wrong(k, "catch-all=%.*s: there is no user or alias "
		    "%.*s; add it to users, or name somebody else", (int)to.len,
		    to.s, (int)target.len, target.s);
}

static int
check_domain(void *arg, struct span key, const struct map_entry *e)
{
	struct check *k = arg;
	struct domain_entry d;

	k->line = e->line;
	if (find_domain(&k->r, key, k->mem, &d, &k->line) == 1) {
		if (d.kind == DOMAIN_ALIAS)
			check_alias_of(k, d.alias_of);
		if (d.kind == DOMAIN_LOCAL)
			check_postmaster(k, key, &d);
		if (d.catch_all.len > 0)
			check_catch_all(k, key, &d);
	}
	arena_reset(k->mem);
	return 0;
}

/* The domain of a key of users or aliases must be one of ours. */
static bool
check_key_domain(struct check *k, struct span key, bool may_be_alias)
{
	struct span domain = key_domain(key);
	struct domain_entry d;
	unsigned line;
	int found = find_domain(&k->r, domain, k->mem, &d, &line);

	if (found == -1)
		return false; /* its entry is wrong, which was said */
	if (found == 0)
		check_wrong(k, "%.*s: the domain %.*s is not in domains; add \"%.*s "
		    "local\" there", (int)key.len, key.s, (int)domain.len,
		    domain.s, (int)domain.len, domain.s);
	else if (d.kind == DOMAIN_RELAY)
		check_wrong(k, "%.*s: the domain %.*s is relayed (domains:%u), so it "
		    "has nobody here", (int)key.len, key.s, (int)domain.len,
		    domain.s, line);
	else if (d.kind == DOMAIN_ALIAS && !may_be_alias)
		check_wrong(k, "%.*s: the domain is an alias of %.*s (domains:%u); "
		    "put the user there", (int)key.len, key.s,
		    (int)d.alias_of.len, d.alias_of.s, line);
	else
		return true;
	return false;
}

static int
check_user(void *arg, struct span key, const struct map_entry *e)
{
	struct check *k = arg;
	struct user_entry u;
	struct span home = key_domain(key);
	unsigned line;

	k->line = e->line;
	if (check_key_domain(k, key, false) &&
	    find_user(&k->r, key, k->mem, &u, &line) == 1) {
		check_targets(k, "copy-to=", u.copy_to, home);
		check_targets(k, "forward=", u.forward, home);
		if (u.copy_to.len > 0)
			check_way(k, key, false, true, u.copy_to, home);
		if (u.forward.len > 0)
			check_way(k, key, false, false, u.forward, home);
	}
	arena_reset(k->mem);
	return 0;
}

static int
check_alias(void *arg, struct span key, const struct map_entry *e)
{
	struct check *k = arg;
	struct buf why = BUF_INIT(100);
	struct domain_entry d;
	struct alias_entry a;
	struct span home;
	unsigned line;

	k->line = e->line;
	if (check_key_domain(k, key, true) &&
	    find_home(&k->r, key_domain(key), k->mem, &home, &d, &line,
	    NULL) == 1 && entry_alias(e->value, &a, &why) == 0 &&
	    a.kind == ALIAS_TO) {
		check_targets(k, "", a.text, home);
		check_way(k, key, true, false, a.text, home);
	}
	buf_free(&why);
	arena_reset(k->mem);
	return 0;
}

static int
check_route(void *arg, struct span key, const struct map_entry *e)
{
	struct check *k = arg;
	struct domain_entry d;
	struct span home;
	unsigned line;

	k->line = e->line;
	if (find_home(&k->r, key, k->mem, &home, &d, &line, NULL) == 1)
		check_odd(k, "%.*s is local (domains:%u), so no mail takes this "
		    "route", (int)key.len, key.s, line);
	arena_reset(k->mem);
	return 0;
}

/* The longest prefix wins, so one inside another is worth a word when they
 * say different things. */
static void
check_inside(struct check *k, struct span key, const struct map_entry *e)
{
	struct ip_prefix p;
	struct map_entry outer;
	struct buf b = BUF_INIT(100);
	unsigned bits, octet;

	if (ip_prefix_parse(key, &p) == -1)
		return;
	for (bits = p.bits; bits-- > 0;) {
		octet = bits / 8;
		p.ip.octets[octet] &= (uint8_t)~(1u << (7 - bits % 8));
		p.bits = bits;
		buf_reset(&b);
		access_key(&b, &p);
		if (map_find(k->r.maps, MAP_ACCESS, buf_span(&b), &outer) != 1)
			continue;
		/* A range is many prefixes: once is enough. */
		if ((e->line != k->inside || outer.line != k->around) &&
		    outer.line != e->line && !span_eq(outer.value, e->value))
			check_odd(k, "%.*s lies inside %s of line %u, which says "
			    "otherwise: this one counts", (int)key.len, key.s,
			    buf_str(&b), outer.line);
		k->inside = e->line;
		k->around = outer.line;
		break;
	}
	buf_free(&b);
}

/* Is this an address of a local network (RFC 1918, 4193, 3927, 6598), or of this host? */
static bool
is_private(struct span text)
{
	static const char *const networks[] = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16",
		"100.64.0.0/10", "fc00::/7", "fe80::/10", "::1" };
	struct ip_prefix network;
	struct ip ip;

	if (ip_parse(text, &ip) == -1)
		return false;
	for (size_t i = 0; i < COUNT(networks); i++)
		if (ip_prefix_parse(span_of(networks[i]), &network) == 0 && ip_in(&ip, &network))
			return true;
	return false;
}

/* Who comes in at an address may be anybody who can reach it. */
static void
check_place(struct check *k, struct span key, const struct map_entry *e)
{
	struct buf why = BUF_INIT(1000);
	struct access_entry a;
	struct span place = key, name = span_cut(&place, ':');

	if (!span_is(name, "at") || place.s == NULL)
		return;
	place = span_cut(&place, '/');
	if (entry_access(e->value, k->mem, &a, &why) == 0 && (a.trust || a.device.s != NULL) && !is_private(place))
		check_odd(k, "%.*s: everybody who can reach this address is trusted with what the entry says", (int)key.len, key.s);
	buf_free(&why);
}

static int
check_access(void *arg, struct span key, const struct map_entry *e)
{
	struct check *k = arg;

	k->line = e->line;
	check_inside(k, key, e);
	check_place(k, key, e);
	arena_reset(k->mem);
	return 0;
}

static void
check_upstream_user(struct check *k, const char *word, const char *name)
{
	struct span text = span_of(name), home;

	home = router_default_domain(&k->r, k->mem);
	if (home.len == 0 && memchr(text.s, '@', text.len) == NULL)
		check_wrong(k, "%s%s: there is no default domain; write NAME@DOMAIN",
		    word, name);
	else
		check_target(k, word, text, home);
}

static int
check_upstream(void *arg, struct span key, const struct map_entry *e)
{
	struct check *k = arg;
	struct buf why = BUF_INIT(2000);
	struct upstream u;
	struct span secret = key, command;
	size_t i;

	k->line = e->line;
	if (upstream_parse(e->value, k->mem, &u, &why) == 0) {
		if (u.secret != NULL)
			secret = span_of(u.secret);
		if (u.provider != NULL && !check_has(k, MAP_PROVIDERS, span_of(u.provider)))
			check_wrong(k, "there is no provider %s: see providers; "
			    "posthouse setup writes the usual ones", u.provider);
		if (u.login != NULL && u.provider == NULL && !upstream_secret_command(&u, &command) &&
		    !check_has(k, MAP_SECRETS, secret))
			check_wrong(k, "there is no secret %.*s: add \"%.*s "
			    "password=...\" to secrets", (int)secret.len,
			    secret.s, (int)secret.len, secret.s);
		for (i = 0; i < u.users.n; i++)
			check_upstream_user(k, "users=", u.users.v[i]);
		for (i = 0; u.fallback != NULL && i < u.users.n; i++)
			if (strcmp(u.fallback, u.users.v[i]) == 0)
				u.fallback = NULL; /* told already */
		if (u.fallback != NULL)
			check_upstream_user(k, "fallback=", u.fallback);
	}
	buf_free(&why);
	arena_reset(k->mem);
	return 0;
}

static int
check_passwd(void *arg, struct span key, const struct map_entry *e)
{
	struct check *k = arg;

	k->line = e->line;
	if (key.len > 0 && key.s[0] == '@')
		(void)check_key_domain(k, key, false);
	else if (!check_has(k, MAP_USERS, key))
		check_wrong(k, "there is no user %.*s: add it to users, or remove "
		    "the password", (int)key.len, key.s);
	return 0;
}

/* --- all of it ----------------------------------------------------------- */

static const struct {
	enum map_name map;
	int (*check)(void *, struct span, const struct map_entry *);
} checks[] = {
	{ MAP_DOMAINS, check_domain },
	{ MAP_USERS, check_user },
	{ MAP_ALIASES, check_alias },
	{ MAP_ROUTES, check_route },
	{ MAP_ACCESS, check_access },
	{ MAP_UPSTREAMS, check_upstream },
	{ MAP_PASSWD, check_passwd },
};

void
check_maps(struct compile *c)
{
	struct check k = { .c = c, .mem = arena_new() };
	struct buf why = BUF_INIT(1000);
	size_t i;

	k.r.conf = &c->conf;
	k.r.maps = generation_open_named(c->where, c->name,
	    (1u << MAP_COUNT) - 1, &why);
	if (k.r.maps == NULL)
		report_error(c->report, c->name, 0, "%s", buf_str(&why));
	else
		check_conf(&k);
	for (i = 0; k.r.maps != NULL && i < COUNT(checks); i++) {
		k.map = checks[i].map;
		if (map_each(k.r.maps, k.map, checks[i].check, &k) == -1)
			report_error(c->report, c->files[k.map], 0, "cannot "
			    "read the table again");
	}
	generation_close(k.r.maps);
	arena_free(k.mem);
	buf_free(&why);
}
