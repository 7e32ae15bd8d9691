/*
 * router: the maps it asks, and who is at home here.
 *
 * Knows domains, users and the names of this host; what a recipient becomes is in
 * rcpt.c, where it goes in nexthop.c, who may talk to us in access.c.
 */
#include "router/router.h"

#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "lib/mail/domain.h"
#include "router/lookup.h"

#define MAPS (1u << MAP_DOMAINS | 1u << MAP_USERS | 1u << MAP_ALIASES | \
	1u << MAP_ROUTES | 1u << MAP_ACCESS)

/* The addresses of this host's interfaces: asked once, before a sandbox. */
static void
learn_own_addresses(struct router *r)
{
	struct ifaddrs *all, *one;
	uint16_t port;
	size_t n = 0;

	if (getifaddrs(&all) == -1)
		return;
	for (one = all; one != NULL; one = one->ifa_next)
		n++;
	r->own = mem_alloc(n, sizeof(*r->own));
	for (one = all; one != NULL; one = one->ifa_next)
		if (one->ifa_addr != NULL && ip_from_sockaddr(one->ifa_addr,
		    &r->own[r->own_count], &port) == 0)
			r->own_count++;
	freeifaddrs(all);
}

int
router_open(struct router *r, const struct instance *inst,
    const struct conf *conf, struct buf *why)
{
	memset(r, 0, sizeof(*r));
	r->conf = conf;
	r->maps = generation_open(inst->maps, MAPS, why);
	if (r->maps == NULL)
		return -1;
	learn_own_addresses(r);
	return 0;
}

void
router_refresh(struct router *r)
{
	/* A generation that cannot be opened leaves the one we have. */
	(void)generation_refresh(&r->maps);
}

void
router_close(struct router *r)
{
	generation_close(r->maps);
	free(r->own);
	memset(r, 0, sizeof(*r));
}

/* --- text ---------------------------------------------------------------- */

struct span
in_arena(struct arena *mem, const struct buf *b)
{
	return (struct span){ arena_dupn(mem, buf_str(b), b->len), b->len };
}

struct span
key_domain(struct span key)
{
	size_t i = key.len;

	while (i > 0 && key.s[i - 1] != '@')
		i--;
	return (struct span){ key.s + i, i == 0 ? 0 : key.len - i };
}

struct span
key_local(struct span key)
{
	struct span domain = key_domain(key);

	if (domain.len == 0)
		return key;
	return (struct span){ key.s, key.len - domain.len - 1 };
}

int
address_key(struct span text, struct span home, struct arena *mem,
    struct path *p, struct span *key)
{
	struct buf b = BUF_INIT(2 * LIMIT_ADDRESS);
	char *copy = arena_dupn(mem, text.s, text.len);

	if (path_parse_address(copy, text.len, p) == -1)
		return -1;
	if (p->domain.len == 0 && home.len == 0)
		return -1;
	if (p->domain.len == 0)
		p->domain = home;
	path_key(p, &b);
	*key = in_arena(mem, &b);
	buf_free(&b);
	return 0;
}

struct span
rehome(struct span key, struct span home, struct arena *mem)
{
	struct span local = key_local(key);
	char *s = arena_alloc(mem, local.len + 1 + home.len + 1);

	memcpy(s, local.s, local.len);
	s[local.len] = '@';
	memcpy(s + local.len + 1, home.s, home.len);
	return (struct span){ s, local.len + 1 + home.len };
}

void
explain_step(struct buf *explain, const char *map, unsigned line,
    const char *text, ...)
{
	va_list ap;

	if (explain == NULL)
		return;
	buf_adds(explain, map);
	if (line > 0)
		buf_addf(explain, ":%u", line);
	buf_addc(explain, ' ');
	va_start(ap, text);
	buf_addv(explain, text, ap);
	va_end(ap);
	buf_addc(explain, '\n');
}

/* --- entries ------------------------------------------------------------- */

/* What compile let through parses; what does not is a broken map. */
static int
parsed(int rv, struct buf *why)
{
	buf_free(why);
	return rv == -1 ? -1 : 1;
}

int
find_domain(const struct router *r, struct span key, struct arena *mem,
    struct domain_entry *out, unsigned *line)
{
	struct buf why = BUF_INIT(500);
	struct map_entry e;
	int found = map_find(r->maps, MAP_DOMAINS, key, &e);

	if (found != 1)
		return found;
	*line = e.line;
	return parsed(entry_domain(e.value, mem, out, &why), &why);
}

int
find_user(const struct router *r, struct span key, struct arena *mem,
    struct user_entry *out, unsigned *line)
{
	struct buf why = BUF_INIT(500);
	struct map_entry e;
	int found = map_find(r->maps, MAP_USERS, key, &e);

	if (found != 1)
		return found;
	*line = e.line;
	return parsed(entry_user(e.value, mem, out, &why), &why);
}

static struct span
note(const struct router *r, const char *key)
{
	struct map_entry e;

	if (map_find(r->maps, MAP_DOMAINS, span_of(key), &e) != 1)
		return SPAN("");
	return e.value;
}

struct span
router_default_domain(const struct router *r, struct arena *mem)
{
	struct buf b = BUF_INIT(2 * LIMIT_DOMAIN);
	struct span domain;

	if (r->conf->default_domain[0] == '\0')
		return note(r, NOTE_DEFAULT);
	domain_key(span_of(r->conf->default_domain), &b);
	domain = in_arena(mem, &b);
	buf_free(&b);
	return domain;
}

struct span
router_postmaster(const struct router *r)
{
	return note(r, NOTE_POSTMASTER);
}

/* Is this one of the names of this host itself, so that its mailboxes are those of the default domain? */
static bool
is_this_host(const struct router *r, struct span key)
{
	struct ip ip;
	size_t i;

	if (key.len > 0 && key.s[0] == '[') {
		if (ip_literal_parse(key, &ip) == -1)
			return false;
		for (i = 0; i < r->own_count; i++)
			if (ip_eq(&ip, &r->own[i]))
				return true;
		return ip_loopback(&ip);
	}
	return span_case_is(key, "localhost") ||
	    span_case_is(key, r->conf->hostname);
}

int
find_home(const struct router *r, struct span key, struct arena *mem,
    struct span *home, struct domain_entry *out, unsigned *line,
    struct buf *explain)
{
	struct buf b = BUF_INIT(2 * LIMIT_DOMAIN);
	int found = find_domain(r, key, mem, out, line);

	*home = key;
	if (found == 0 && is_this_host(r, key)) {
		*home = router_default_domain(r, mem);
		explain_step(explain, "host", 0, "%.*s is this host, %s%.*s",
		    (int)key.len, key.s, home->len == 0 ?
		    "and there is no default domain" : "", (int)home->len,
		    home->s);
		found = home->len == 0 ? 0 :
		    find_domain(r, *home, mem, out, line);
	}
	if (found == 1 && out->kind == DOMAIN_ALIAS) {
		domain_key(out->alias_of, &b);
		*home = in_arena(mem, &b);
		buf_free(&b);
		explain_step(explain, "domains", *line, "%.*s is %.*s",
		    (int)key.len, key.s, (int)home->len, home->s);
		found = find_domain(r, *home, mem, out, line);
		/* compile lets no alias of an alias through */
		if (found == 1 && out->kind != DOMAIN_LOCAL)
			return -1;
	}
	return found == 1 && out->kind != DOMAIN_LOCAL ? 0 : found;
}

/* --- mailboxes ----------------------------------------------------------- */

static const char *
text_in(struct arena *mem, struct span s)
{
	return arena_dupn(mem, s.s == NULL ? "" : s.s, s.len);
}

/* DOMAIN/USER. What a local-part holds that a name of a directory may not is
 * encoded. */
static const char *
default_maildir(struct arena *mem, struct span key)
{
	struct buf b = BUF_INIT(4 * LIMIT_ADDRESS);
	struct span local = key_local(key);
	const char *path;

	buf_addspan(&b, key_domain(key));
	buf_addc(&b, '/');
	word_encode(&b, local.s, local.len, "/");
	path = in_arena(mem, &b).s;
	buf_free(&b);
	return path;
}

static void
fill_mailbox(const struct router *r, struct span key,
    const struct domain_entry *domain, const struct user_entry *user,
    unsigned line, struct arena *mem, struct mailbox *out)
{
	out->address = text_in(mem, key);
	out->maildir = user->maildir.len > 0 ? text_in(mem, user->maildir) :
	    default_maildir(mem, key);
	out->root = domain->mail_root.len > 0 ?
	    text_in(mem, domain->mail_root) : r->conf->mail_root;
	out->name = text_in(mem, user->name);
	out->disabled = user->disabled;
	out->quota = user->quota;
	out->may = user->may;
	out->line = line;
}

bool
router_is_ours(const struct router *r, const struct path *sender, bool account, struct arena *mem)
{
	const struct access ours = { .trusted = true };
	struct domain_entry domain;
	struct route route;
	struct span key, home;
	struct path p = *sender;
	struct buf b = BUF_INIT(2 * LIMIT_ADDRESS);
	unsigned line;

	path_key(&p, &b);
	key = in_arena(mem, &b);
	buf_free(&b);
	if (find_home(r, key_domain(key), mem, &home, &domain, &line, NULL) != 1)
		return false;
	if (!account)
		return true;
	router_rcpt(r, sender, &ours, false, true, mem, &route, NULL);
	return route.outcome == SENT;
}

int
router_mailbox(const struct router *r, const char *address, struct arena *mem,
    struct mailbox *out)
{
	struct domain_entry domain;
	struct user_entry user;
	struct span key, home;
	struct path p;
	unsigned line;
	int found;

	if (address_key(span_of(address), router_default_domain(r, mem), mem,
	    &p, &key) == -1)
		return 0;
	found = find_home(r, key_domain(key), mem, &home, &domain, &line, NULL);
	if (found != 1)
		return found;
	key = rehome(key, home, mem);
	found = find_user(r, key, mem, &user, &line);
	if (found == 1)
		fill_mailbox(r, key, &domain, &user, line, mem, out);
	return found;
}
