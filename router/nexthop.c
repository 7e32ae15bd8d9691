/*
 * nexthop: which way an address goes, by the map `routes`.
 *
 * What says most about the recipient wins: its domain, a domain above it, the
 * sender, everything ("*"), the MX of the domain. Knows no hosts' addresses:
 * that is for those who connect.
 */
#include <string.h>

#include "lib/base/limits.h"
#include "lib/mail/domain.h"
#include "router/lookup.h"

struct search {
	const struct router *r;
	struct arena *mem;
	struct buf *explain, *why;
	struct span domain; /* of the recipient, as a key */
	struct nexthop *out;
};

static int
broken(struct search *s, const char *what)
{
	buf_adds(s->why, what);
	return -1;
}

static void
set_mx(struct search *s, unsigned line)
{
	struct buf b = BUF_INIT(2 * LIMIT_ADDRESS);

	buf_adds(&b, "mx:");
	buf_addspan(&b, s->domain);
	*s->out = (struct nexthop){ NEXTHOP_MX, in_arena(s->mem, &b).s, false, line };
	buf_free(&b);
}

static int
set_smarthost(struct search *s, struct span hosts, unsigned line)
{
	struct buf b = BUF_INIT(LIMIT_MAP_LINE);
	int rv;

	buf_adds(&b, "smarthost:");
	while ((rv = entry_next_host(&hosts, s->r->conf->remote_port, &b,
	    s->why)) == 1)
		if (hosts.s != NULL)
			buf_addc(&b, ',');
	*s->out = (struct nexthop){ NEXTHOP_SMARTHOST,
		in_arena(s->mem, &b).s, false, line };
	buf_free(&b);
	return rv;
}

/* 1: there is a route under this key, 0: none, -1: broken. */
static int
try_key(struct search *s, const char *prefix, struct span rest)
{
	struct buf key = BUF_INIT(2 * LIMIT_ADDRESS);
	struct route_entry route;
	struct map_entry e;
	int found;

	buf_adds(&key, prefix);
	buf_addspan(&key, rest);
	found = map_find(s->r->maps, MAP_ROUTES, buf_span(&key), &e);
	if (found == 1)
		explain_step(s->explain, "routes", e.line, "%s → %.*s",
		    buf_str(&key), (int)e.value.len, e.value.s);
	buf_free(&key);
	if (found == -1)
		return broken(s, "the map routes is broken");
	if (found == 0)
		return 0;
	if (entry_route(e.value, s->mem, &route, s->why) == -1)
		return -1;
	if (route.kind == ROUTE_MX)
		set_mx(s, e.line);
	else if (set_smarthost(s, route.hosts, e.line) == -1)
		return -1;
	s->out->on_link = route.on_link;
	return 1;
}

static int
by_domain(struct search *s)
{
	struct span above = s->domain;
	int found = try_key(s, "", s->domain);

	while (found == 0 && above.len > 0 && above.s[0] != '[') {
		span_cut(&above, '.');
		if (above.s == NULL)
			break;
		found = try_key(s, ".", above);
	}
	return found;
}

static int
by_sender(struct search *s, const char *sender)
{
	struct span key;
	struct path p;
	int found;

	if (sender[0] == '\0')
		return try_key(s, "from:", SPAN("<>"));
	if (address_key(span_of(sender), SPAN(""), s->mem, &p, &key) == -1)
		return 0;
	found = try_key(s, "from:", key);
	return found != 0 ? found : try_key(s, "from:@", key_domain(key));
}

/* A recipient that was relayed when it came may be at home here by now. */
static int
at_home_now(struct search *s, struct span key) /* a C string too */
{
	struct domain_entry domain;
	struct mailbox box;
	struct span home;
	unsigned line;
	int found = find_home(s->r, s->domain, s->mem, &home, &domain, &line,
	    NULL);

	if (found == -1)
		return broken(s, "the map domains is broken");
	if (found == 0 && home.len == 0)
		return broken(s, "the domain is a name of this host, and there "
		    "is no default domain");
	if (found == 0)
		return 0;
	found = router_mailbox(s->r, key.s, s->mem, &box);
	if (found == 1) {
		explain_step(s->explain, "users", box.line, "%s is at home "
		    "here now", box.address);
		*s->out = (struct nexthop){ NEXTHOP_LOCAL, "local", false, box.line };
		return 1;
	}
	buf_addf(s->why, "%.*s is a local domain now (domains:%u) and has no "
	    "mailbox %.*s: add one, or delete the message",
	    (int)s->domain.len, s->domain.s, line, (int)key.len, key.s);
	return -1;
}

int
router_nexthop(const struct router *r, const char *sender, const char *address,
    enum rcpt_action action, struct arena *mem, struct nexthop *out,
    struct buf *explain, struct buf *why)
{
	struct search s = { .r = r, .mem = mem, .explain = explain,
		.why = why, .out = out };
	struct span key;
	struct path p;
	int found;

	if (action == RCPT_LOCAL) {
		*out = (struct nexthop){ NEXTHOP_LOCAL, "local", false, 0 };
		return 0;
	}
	if (address_key(span_of(address), SPAN(""), mem, &p, &key) == -1)
		return broken(&s, "not an address with a domain");
	s.domain = key_domain(key);
	found = at_home_now(&s, key);
	if (found == 0)
		found = by_domain(&s);
	if (found == 0)
		found = by_sender(&s, sender);
	if (found == 0)
		found = try_key(&s, "", SPAN("*"));
	if (found == 0) {
		set_mx(&s, 0);
		explain_step(explain, "routes", 0, "no entry: the MX of %.*s",
		    (int)s.domain.len, s.domain.s);
	}
	return found == -1 ? -1 : 0;
}
