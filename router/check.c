/*
 * check: what only several maps together can tell.
 *
 * Asks the tables that were just built, as the router will. Walks each table once; what
 * an address leads to is followed for each alias and each forward, within the router's bounds.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "lib/base/num.h"
#include "lib/mail/domain.h"
#include "lib/store/upstream.h"
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

static void wrong(struct check *, const char *, ...) PRINTF_LIKE(2, 3);
static void odd(struct check *, const char *, ...) PRINTF_LIKE(2, 3);

static void
wrong(struct check *k, const char *text, ...)
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

static void
odd(struct check *k, const char *text, ...)
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

/* --- what an address leads to ---------------------------------------------- */

static bool
has(const struct check *k, enum map_name map, struct span key)
{
	struct map_entry e;

	return map_find(k->r.maps, map, key, &e) == 1;
}

/* Does somebody get mail for this local address? As rcpt.c asks. */
static bool
somebody(struct check *k, struct span key, struct span home,
    const struct domain_entry *domain)
{
	struct span own = rehome(key, home, k->mem);

	return has(k, MAP_ALIASES, key) || has(k, MAP_ALIASES, own) ||
	    has(k, MAP_USERS, own) ||
	    has(k, MAP_ALIASES, rehome(SPAN(""), key_domain(key), k->mem)) ||
	    has(k, MAP_ALIASES, rehome(SPAN(""), home, k->mem)) ||
	    domain->catch_all.len > 0 ||
	    (domain->postmaster.len > 0 &&
	    span_case_is(key_local(own), "postmaster"));
}

/* An address in a value: if it is local, somebody must get its mail. */
static void
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
	if (!somebody(k, key, base, &domain))
		wrong(k, "%s%.*s: there is no user or alias %.*s; add it to "
		    "users, or name somebody else", word, (int)text.len,
		    text.s, (int)key.len, key.s);
}

static void
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
say_loop(struct walk *w, const struct step *from, struct span key, bool alias)
{
	struct buf way = BUF_INIT(1500);
	const struct step *first;
	bool copies = false;

	for (first = from; first->alias != alias || !span_eq(first->key, key);
	    first = first->before)
		copies |= first->copies;
	copies |= first->copies;
	add_way(&way, from, first);
	buf_addspan(&way, key);
	/* The entry where a circle begins tells of it; others lead into it. */
	if (first->before == NULL && copies)
		odd(w->k, "copies go in a circle, each mailbox gets one: %s",
		    buf_str(&way));
	else if (first->before == NULL)
		wrong(w->k, "mail would go in a circle: %s; to keep a copy "
		    "here use copy-to=", buf_str(&way));
	w->said = true;
	buf_free(&way);
}

static bool
on_the_way(const struct step *s, struct span key, bool alias)
{
	for (; s != NULL; s = s->before)
		if (s->alias == alias && span_eq(s->key, key))
			return true;
	return false;
}

/* True: there is such an alias and it was followed. */
static bool
follow_alias(struct walk *w, const struct step *from, struct span key,
    struct span home, unsigned depth)
{
	struct step step = { from, key, true, false };
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
	if (on_the_way(from, key, true)) {
		say_loop(w, from, key, true);
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
	struct user_entry user;
	unsigned line;

	if (find_user(&w->k->r, key, w->k->mem, &user, &line) != 1)
		return;
	if (on_the_way(from, key, false)) {
		say_loop(w, from, key, false);
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
			wrong(w->k, "this leads on through more than %d "
			    "aliases and forwards", LIMIT_ALIAS_DEPTH);
		else if (++w->visited > LIMIT_EXPANSION)
			wrong(w->k, "this leads to more than %d addresses",
			    LIMIT_EXPANSION);
		else {
			w->said = false;
			follow(w, from, address, home, depth);
		}
	}
}

static void
check_way(struct check *k, struct span key, bool alias, bool copies,
    struct span list, struct span home)
{
	struct step start = { NULL, key, alias, copies };
	struct walk w = { .k = k };

	follow_list(&w, &start, list, home, 1);
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
		wrong(k, "alias-of=%.*s: there is no such domain; add \"%.*s "
		    "local\"", (int)of.len, of.s, (int)of.len, of.s);
	else if (found == 1 && d.kind == DOMAIN_ALIAS)
		wrong(k, "alias-of=%.*s: that is an alias itself (line %u); "
		    "name the local domain both stand for", (int)of.len, of.s,
		    line);
	else if (found == 1 && d.kind == DOMAIN_RELAY)
		wrong(k, "alias-of=%.*s: that domain is relayed (line %u) and "
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
	else if (!somebody(k, key, domain, d))
		wrong(k, "%.*s has no postmaster: add postmaster=NAME",
		    (int)domain.len, domain.s);
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
		if (d.catch_all.len > 0) {
			struct domain_entry without = d;
			struct span target;
			struct path p;

			/* A catch-all must not catch itself. */
			without.catch_all.len = 0;
			if (address_key(d.catch_all, key, k->mem, &p,
			    &target) == 0 &&
			    span_eq(key_domain(target), key) &&
			    !somebody(k, target, key, &without))
				wrong(k, "catch-all=%.*s: there is no user or "
				    "alias %.*s; add it to users, or name "
				    "somebody else", (int)d.catch_all.len,
				    d.catch_all.s, (int)target.len, target.s);
		}
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
		wrong(k, "%.*s: the domain %.*s is not in domains; add \"%.*s "
		    "local\" there", (int)key.len, key.s, (int)domain.len,
		    domain.s, (int)domain.len, domain.s);
	else if (d.kind == DOMAIN_RELAY)
		wrong(k, "%.*s: the domain %.*s is relayed (domains:%u), so it "
		    "has nobody here", (int)key.len, key.s, (int)domain.len,
		    domain.s, line);
	else if (d.kind == DOMAIN_ALIAS && !may_be_alias)
		wrong(k, "%.*s: the domain is an alias of %.*s (domains:%u); "
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
		odd(k, "%.*s is local (domains:%u), so no mail takes this "
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
			odd(k, "%.*s lies inside %s of line %u, which says "
			    "otherwise: this one counts", (int)key.len, key.s,
			    buf_str(&b), outer.line);
		k->inside = e->line;
		k->around = outer.line;
		break;
	}
	buf_free(&b);
}

static int
check_access(void *arg, struct span key, const struct map_entry *e)
{
	struct check *k = arg;

	k->line = e->line;
	check_inside(k, key, e);
	return 0;
}

static void
check_upstream_user(struct check *k, const char *word, const char *name)
{
	struct span text = span_of(name), home;

	home = router_default_domain(&k->r, k->mem);
	if (home.len == 0 && memchr(text.s, '@', text.len) == NULL)
		wrong(k, "%s%s: there is no default domain; write NAME@DOMAIN",
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
	struct span secret = key;
	size_t i;

	k->line = e->line;
	if (upstream_parse(e->value, k->mem, &u, &why) == 0) {
		if (u.secret != NULL)
			secret = span_of(u.secret);
		if (!has(k, MAP_SECRETS, secret))
			wrong(k, "there is no secret %.*s: add \"%.*s "
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
	if (!has(k, MAP_USERS, key))
		wrong(k, "there is no user %.*s: add it to users, or remove "
		    "the password", (int)key.len, key.s);
	return 0;
}

/* --- posthouse.conf ------------------------------------------------------ */

static void conf_wrong(struct check *, const char *setting, const char *, ...)
    PRINTF_LIKE(3, 4);

static void
conf_wrong(struct check *k, const char *setting, const char *text, ...)
{
	struct buf b = BUF_INIT(2000);
	va_list ap;

	va_start(ap, text);
	buf_addv(&b, text, ap);
	va_end(ap);
	report_error(k->c->report, k->c->conf_file, conf_line(k->c->conf_file,
	    setting), "%s: %s", setting, buf_str(&b));
	buf_free(&b);
}

struct listener {
	const char *setting;
	struct span host; /* empty: every address */
	uint64_t port;
};

/* A number or the name of a service. */
static bool
port_parse(struct span text, uint64_t *out)
{
	const struct servent *service;
	char *name;

	if (num_parse(text, 65535, out) == 0)
		return true;
	name = mem_dupn(text.s, text.len);
	service = getservbyname(name, "tcp");
	free(name);
	if (service != NULL)
		*out = ntohs((uint16_t)service->s_port);
	return service != NULL;
}

/* "127.0.0.1:25", "[::1]:smtp", "*:25", "25": as lib/sys/listen.c reads it. */
static bool
listener_parse(struct span text, struct listener *out)
{
	size_t i = text.len;

	while (i > 0 && text.s[i - 1] != ':')
		i--;
	out->host = (struct span){ text.s, i > 0 ? i - 1 : 0 };
	if (out->host.len > 0 && out->host.s[0] != '[' &&
	    memchr(out->host.s, ':', out->host.len) != NULL)
		return false; /* an IPv6 address takes brackets */
	if (span_is(out->host, "*"))
		out->host.len = 0;
	return port_parse((struct span){ text.s + i, text.len - i },
	    &out->port);
}

#define LISTENERS 64

/* Told once for two services, of the one that is set in the file. */
static void
clash(struct check *k, const struct listener *one, const char *other)
{
	bool set = conf_line(k->c->conf_file, one->setting) > 0;

	if (k->clash != one->setting)
		conf_wrong(k, set ? one->setting : other, "port %llu is taken "
		    "by %s already: change one of them",
		    (unsigned long long)one->port, set ? other : one->setting);
	k->clash = one->setting;
}

static void
add_listener(struct check *k, struct listener *all, size_t *n,
    const struct listener *one)
{
	size_t i;

	for (i = 0; i < *n && one->port != 0; i++)
		if (all[i].port == one->port && (all[i].host.len == 0 ||
		    one->host.len == 0 || span_eq(all[i].host, one->host))) {
			clash(k, one, all[i].setting);
			return;
		}
	if (*n < LISTENERS)
		all[(*n)++] = *one;
}

static void
check_listeners(struct check *k)
{
	const struct {
		const char *setting, *value;
		uint64_t port;
	} settings[] = {
		{ "listen_smtp", k->c->conf.listen_smtp, 25 },
		{ "listen_submission", k->c->conf.listen_submission, 587 },
		{ "listen_pop3", k->c->conf.listen_pop3, 110 },
	};
	struct listener all[LISTENERS], one;
	struct span rest, text;
	size_t i, n = 0;

	for (i = 0; i < COUNT(settings); i++) {
		rest = span_trim(span_of(settings[i].value));
		one = (struct listener){ settings[i].setting, { "", 0 },
			settings[i].port };
		if (rest.len == 0)
			add_listener(k, all, &n, &one);
		if (span_is(rest, "none"))
			continue;
		while (rest.s != NULL && rest.len > 0) {
			text = span_trim(span_cut(&rest, ','));
			if (listener_parse(text, &one))
				add_listener(k, all, &n, &one);
			else
				conf_wrong(k, one.setting, "\"%.*s\" is not "
				    "ADDRESS:PORT, [IPV6]:PORT, *:PORT or PORT",
				    (int)text.len, text.s);
		}
	}
}

/* What others are told must be a name: it stands in EHLO and Received. */
static void
check_host_name(struct check *k, const char *setting, const char *name)
{
	struct span key;
	struct path p;

	if (address_key(SPAN("x"), span_of(name), k->mem, &p, &key) == 0 &&
	    path_parse_address(key.s, key.len, &p) == 0)
		return;
	conf_wrong(k, setting, "\"%s\" is no host name", name);
}

/* "192.0.2.53", "192.0.2.53:5353", "[::1]:53" */
static void
check_resolver(struct check *k)
{
	struct span rest = span_of(k->c->conf.resolver), one, host;
	struct ip ip;
	uint64_t port;

	if (rest.len == 0)
		return;
	while (rest.s != NULL) {
		one = span_trim(span_cut(&rest, ','));
		host = one;
		if (ip_parse(one, &ip) == 0)
			continue;
		if (one.len > 0 && one.s[0] == '[') {
			one = (struct span){ one.s + 1, one.len - 1 };
			host = span_cut(&one, ']');
			if (one.s != NULL && one.len > 0 && one.s[0] == ':')
				one = (struct span){ one.s + 1, one.len - 1 };
			else if (one.s != NULL && one.len == 0)
				one = SPAN("53");
		} else
			host = span_cut(&one, ':');
		if (ip_parse(host, &ip) == -1 || one.s == NULL ||
		    num_parse(one, 65535, &port) == -1)
			conf_wrong(k, "resolver", "write ADDRESS, ADDRESS:PORT "
			    "or [IPV6]:PORT, with commas between");
	}
}

static void
check_conf(struct check *k)
{
	const struct conf *conf = &k->c->conf;
	struct domain_entry d;
	unsigned line;

	int found = find_domain(&k->r, span_of(k->c->default_domain), k->mem,
	    &d, &line);

	if (conf->default_domain[0] != '\0' && (found == 0 ||
	    (found == 1 && d.kind != DOMAIN_LOCAL)))
		conf_wrong(k, "default_domain", "%s is no local domain: add "
		    "\"%s local\" to domains", conf->default_domain,
		    conf->default_domain);
	check_host_name(k, "hostname", conf->hostname);
	check_host_name(k, "helo_name", conf->helo_name);
	check_resolver(k);
	if (conf->mail_root[0] != '\0' && conf->mail_root[0] != '/')
		conf_wrong(k, "mail_root", "write the path from the root, with "
		    "/ in front");
	if (conf->retry_last < conf->retry_first)
		conf_wrong(k, "retry_last", "it is less than retry_first");
	check_listeners(k);
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
