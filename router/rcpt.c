/*
 * rcpt: may this client send to this recipient, and who is meant?
 *
 * Expands aliases, groups, forwards, copies and catch-alls into final
 * recipients, each once. Where those go afterwards is nexthop.c's business.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "router/lookup.h"

/* --- what was met already ------------------------------------------------ */

struct met { /* a set of keys with a letter for their kind in front */
	struct span *slots;
	size_t n, room;
};

static size_t
slot_of(const struct met *m, char kind, struct span key)
{
	uint32_t h = 2166136261u ^ (unsigned char)kind;
	size_t i;

	for (i = 0; i < key.len; i++)
		h = (h ^ (unsigned char)key.s[i]) * 16777619u;
	i = h & (m->room - 1);
	while (m->slots[i].s != NULL && (m->slots[i].s[0] != kind ||
	    !span_eq((struct span){ m->slots[i].s + 1, m->slots[i].len - 1 },
	    key)))
		i = (i + 1) & (m->room - 1);
	return i;
}

static void
met_grow(struct met *m, struct arena *mem)
{
	struct met larger = { .room = m->room == 0 ? 16 : 2 * m->room };
	struct span key;
	size_t i;

	larger.slots = arena_alloc(mem, larger.room * sizeof(*larger.slots));
	for (i = 0; i < m->room; i++) {
		key = m->slots[i];
		if (key.s != NULL)
			larger.slots[slot_of(&larger, key.s[0],
			    (struct span){ key.s + 1, key.len - 1 })] = key;
	}
	larger.n = m->n;
	*m = larger;
}

/* Put key in; false if it was there. */
static bool
meet(struct met *m, struct arena *mem, char kind, struct span key)
{
	size_t i;
	char *s;

	if (m->n * 2 >= m->room)
		met_grow(m, mem);
	i = slot_of(m, kind, key);
	if (m->slots[i].s != NULL)
		return false;
	s = arena_alloc(mem, key.len + 1);
	s[0] = kind;
	memcpy(s + 1, key.s, key.len);
	m->slots[i] = (struct span){ s, key.len + 1 };
	m->n++;
	return true;
}

enum { MET_ALIAS = 'a', MET_USER = 'u', MET_RELAY = 'r', MET_POSTMASTER = 'p',
	MET_CATCH_ALL = 'c' };

/* --- the expansion ------------------------------------------------------- */

struct expansion {
	const struct router *r;
	struct arena *mem;
	struct buf *explain;
	struct met met;
	struct route_rcpt *first, **tail;
	size_t count;
	struct reply problem; /* the first recipient that cannot have mail */
	bool discard;         /* somebody said :discard: */
	bool ours;            /* the client is trusted or has logged in */
	size_t remote;        /* members elsewhere, met so far */
	bool closed;          /* a group on the way is not for this client */
	const char *fault;    /* of our own maps: everything is deferred */
};

static void expand(struct expansion *, struct span address, struct span home,
    unsigned depth);

static void
add_rcpt(struct expansion *x, enum rcpt_action action, const char *address, bool limited)
{
	struct route_rcpt *rcpt = arena_alloc(x->mem, sizeof(*rcpt));

	rcpt->action = action;
	rcpt->address = address;
	rcpt->limited = limited;
	*x->tail = rcpt;
	x->tail = &rcpt->next;
	x->count++;
}

static void
problem(struct expansion *x, int code, const char *enhanced, const char *text)
{
	if (x->problem.code != 0)
		return;
	x->problem.code = code;
	(void)strlcpy(x->problem.enhanced, enhanced,
	    sizeof(x->problem.enhanced));
	x->problem.text = text;
}

static void
add_relay(struct expansion *x, const struct path *p, struct span key)
{
	struct buf b = BUF_INIT(2 * LIMIT_ADDRESS);

	x->remote++;
	if (!meet(&x->met, x->mem, MET_RELAY, key))
		return;
	path_canonical(p, &b);
	add_rcpt(x, RCPT_RELAY, in_arena(x->mem, &b).s, false);
	buf_free(&b);
}

static void
expand_list(struct expansion *x, struct span list, struct span home,
    unsigned depth)
{
	struct span address;

	while (x->fault == NULL && entry_next_address(&list, &address))
		if (address.len > 0)
			expand(x, address, home, depth + 1);
}

/* Its members, and who may write to them. */
static void
expand_group(struct expansion *x, const struct alias_entry *alias, unsigned line, struct span home, unsigned depth)
{
	size_t before = x->remote;

	expand_list(x, alias->text, home, depth);
	if (x->ours || (alias->post != POST_AUTH && (alias->post != POST_AUTH_IF_REMOTE || x->remote == before)))
		return;
	explain_step(x->explain, "aliases", line, "the client has not logged in%s",
	    alias->post == POST_AUTH ? "" : ", and there is a member elsewhere");
	x->closed = true;
}

/* A person here whose mail goes elsewhere is a member here. */
static void
expand_person(struct expansion *x, struct span list, struct span home, unsigned depth)
{
	size_t before = x->remote;

	expand_list(x, list, home, depth);
	x->remote = before;
}

/* The alias under this key, if there is one that was not met yet. True: it
 * says all there is to say. */
static bool
expand_alias(struct expansion *x, struct span key, struct span home,
    unsigned depth)
{
	struct buf why = BUF_INIT(500);
	struct alias_entry alias;
	struct map_entry e;
	int found = map_find(x->r->maps, MAP_ALIASES, key, &e);

	if (found == 0)
		return false;
	if (found == -1 || entry_alias(e.value, &alias, &why) == -1) {
		x->fault = "the map aliases is broken";
		buf_free(&why);
		return true;
	}
	/* An alias that names itself means the mailbox of that name. */
	if (!meet(&x->met, x->mem, MET_ALIAS, key))
		return false;
	explain_step(x->explain, "aliases", e.line, "%.*s → %.*s",
	    (int)key.len, key.s, (int)e.value.len, e.value.s);
	if (alias.kind == ALIAS_TO)
		expand_group(x, &alias, e.line, home, depth);
	else if (alias.kind == ALIAS_DISCARD)
		x->discard = true;
	else
		problem(x, 550, "5.7.1", alias.text.len > 0 ?
		    arena_dupn(x->mem, alias.text.s, alias.text.len) :
		    "This address takes no mail");
	return true;
}

static bool
expand_user(struct expansion *x, struct span key, struct span home,
    unsigned depth)
{
	struct user_entry user;
	unsigned line;
	int found = find_user(x->r, key, x->mem, &user, &line);

	if (found == 0)
		return false;
	if (found == -1) {
		x->fault = "the map users is broken";
		return true;
	}
	if (!meet(&x->met, x->mem, MET_USER, key))
		return true;
	if (user.disabled) {
		explain_step(x->explain, "users", line, "%.*s is disabled",
		    (int)key.len, key.s);
		problem(x, 550, "5.2.1", "Mailbox disabled");
		return true;
	}
	if (user.forward.len > 0) {
		explain_step(x->explain, "users", line, "%.*s is forwarded to "
		    "%.*s", (int)key.len, key.s, (int)user.forward.len,
		    user.forward.s);
		expand_person(x, user.forward, home, depth);
		return true;
	}
	explain_step(x->explain, "users", line, "%.*s is a mailbox%s%.*s", (int)key.len, key.s,
	    user.quota_text.len > 0 ? " with quota=" : "", (int)user.quota_text.len, user.quota_text.s);
	add_rcpt(x, RCPT_LOCAL, arena_dupn(x->mem, key.s, key.len), quota_given(&user.quota));
	if (user.copy_to.len > 0) {
		explain_step(x->explain, "users", line, "%.*s copies to %.*s",
		    (int)key.len, key.s, (int)user.copy_to.len,
		    user.copy_to.s);
		expand_person(x, user.copy_to, home, depth);
	}
	return true;
}

static struct span
whole_domain(struct arena *mem, struct span domain)
{
	return rehome(SPAN(""), domain, mem);
}

static bool
expand_postmaster(struct expansion *x, struct span key, struct span home,
    const struct domain_entry *domain, unsigned line, unsigned depth)
{
	if (domain->postmaster.len == 0 ||
	    !span_case_is(key_local(key), "postmaster") ||
	    !meet(&x->met, x->mem, MET_POSTMASTER, key))
		return false;
	explain_step(x->explain, "domains", line, "%.*s → %.*s",
	    (int)key.len, key.s, (int)domain->postmaster.len,
	    domain->postmaster.s);
	expand(x, domain->postmaster, home, depth + 1);
	return true;
}

static bool
expand_catch_all(struct expansion *x, struct span key, struct span home,
    const struct domain_entry *domain, unsigned line, unsigned depth)
{
	if (domain->catch_all.len == 0 ||
	    !meet(&x->met, x->mem, MET_CATCH_ALL, home))
		return false;
	explain_step(x->explain, "domains", line, "nobody is called %.*s: "
	    "catch-all → %.*s", (int)key.len, key.s,
	    (int)domain->catch_all.len, domain->catch_all.s);
	expand(x, domain->catch_all, home, depth + 1);
	return true;
}

/* key as it was written, in one of the names of the local domain home. */
static void
expand_local(struct expansion *x, struct span key, struct span home,
    const struct domain_entry *domain, unsigned line, unsigned depth)
{
	struct span given = key_domain(key), own = key;
	bool alias = !span_eq(given, home);

	if (alias)
		own = rehome(key, home, x->mem);
	if ((alias && expand_alias(x, key, home, depth)) ||
	    expand_alias(x, own, home, depth) ||
	    expand_user(x, own, home, depth))
		return;
	if (expand_postmaster(x, own, home, domain, line, depth) ||
	    (alias && expand_alias(x, whole_domain(x->mem, given), home,
	    depth)) ||
	    expand_alias(x, whole_domain(x->mem, home), home, depth) ||
	    expand_catch_all(x, own, home, domain, line, depth))
		return;
	explain_step(x->explain, "users", 0, "nobody is called %.*s",
	    (int)own.len, own.s);
	problem(x, 550, "5.1.1", "No such user here");
}

static void
expand(struct expansion *x, struct span address, struct span home,
    unsigned depth)
{
	struct domain_entry domain;
	struct span key, base;
	struct path p;
	unsigned line;
	int found;

	if (x->fault != NULL)
		return;
	if (depth > LIMIT_ALIAS_DEPTH) {
		x->fault = "aliases of aliases go too deep";
		return;
	}
	if (x->count > LIMIT_EXPANSION) {
		x->fault = "the recipient expands to too many";
		return;
	}
	if (address_key(address, home, x->mem, &p, &key) == -1) {
		x->fault = "a map holds what is no address";
		return;
	}
	found = find_home(x->r, key_domain(key), x->mem, &base, &domain, &line,
	    x->explain);
	if (found == -1)
		x->fault = "the map domains is broken";
	else if (found == 0 && base.len == 0)
		problem(x, 550, "5.1.1", "No such user here");
	else if (found == 0)
		add_relay(x, &p, key);
	else
		expand_local(x, key, base, &domain, line, depth);
}

/* --- the answer ---------------------------------------------------------- */

static void
answer(struct route *out, enum outcome outcome, int code, const char *enhanced,
    const char *text)
{
	out->outcome = outcome;
	out->reply.code = code;
	(void)strlcpy(out->reply.enhanced, enhanced,
	    sizeof(out->reply.enhanced));
	out->reply.text = text;
}

static void
reject(struct route *out, const char *enhanced, const char *text)
{
	answer(out, FAILED, 550, enhanced, text);
}

static void
defer(struct route *out, struct buf *explain, const char *fault)
{
	explain_step(explain, "maps", 0, "%s", fault);
	answer(out, RETRY, 451, "4.3.5", "Our configuration is at fault; "
	    "try again later");
}

static void
conclude(struct expansion *x, struct route *out)
{
	out->rcpts = NULL;
	out->count = 0;
	if (x->fault == NULL && x->count > LIMIT_EXPANSION)
		x->fault = "the recipient expands to too many";
	if (x->fault != NULL) {
		defer(out, x->explain, x->fault);
		return;
	}
	if (x->closed) {
		reject(out, "5.7.1", "Authentication required to post to this list");
		return;
	}
	if (x->count > 0) {
		out->rcpts = x->first;
		out->count = x->count;
		answer(out, SENT, 250, "2.1.5", "Recipient ok");
		return;
	}
	if (x->problem.code != 0) {
		out->outcome = FAILED;
		out->reply = x->problem;
	} else if (x->discard)
		answer(out, SENT, 250, "2.1.5", "Recipient ok");
	else
		defer(out, x->explain, "the forwards only lead back to "
		    "themselves");
}

static void
expand_all(const struct router *r, struct span address, struct span home, bool ours,
    struct arena *mem, struct route *out, struct buf *explain)
{
	struct expansion x = { .r = r, .mem = mem, .explain = explain, .ours = ours };

	x.tail = &x.first;
	expand(&x, address, home, 0);
	conclude(&x, out);
}

/* A recipient elsewhere. */
static void
relay(const struct router *r, const struct path *p, struct span key,
    const struct access *client, bool may_relay, bool relay_domain,
    struct arena *mem, struct route *out, struct buf *explain)
{
	struct expansion x = { .r = r, .mem = mem, .explain = explain };

	x.tail = &x.first;
	if (!r->conf->relay) {
		explain_step(explain, "posthouse.conf", 0, "relay = none");
		reject(out, "5.7.1", "Relaying to other domains is switched "
		    "off here");
	} else if (client != NULL && client->no_relay) {
		explain_step(explain, "access", client->line, "no-relay");
		reject(out, "5.7.1", "Relaying denied");
	} else if (!may_relay && !relay_domain) {
		explain_step(explain, "access", client == NULL ? 0 :
		    client->line, "the client may not relay");
		reject(out, "5.7.1", "Relaying denied");
	} else {
		add_relay(&x, p, key);
		if (x.first != NULL)
			x.first->relayed = relay_domain;
		conclude(&x, out);
	}
}

/* <postmaster>, or the postmaster of a name of this host. */
static bool
plain_postmaster(const struct router *r, const struct path *p,
    struct arena *mem)
{
	struct domain_entry domain;
	struct span key, home;
	struct path again;
	unsigned line;

	if (!span_case_is(p->local, "postmaster"))
		return false;
	if (p->domain.len == 0)
		return true;
	return address_key(rehome(p->local, p->domain, mem), SPAN(""), mem,
	    &again, &key) == 0 && find_home(r, key_domain(key), mem, &home,
	    &domain, &line, NULL) == 0 && home.len == 0;
}

/* A recipient without a domain. False: out is the answer. */
static bool
complete_bare(const struct router *r, struct path *p, bool complete,
    struct arena *mem, struct route *out, struct buf *explain)
{
	struct span domain = router_default_domain(r, mem);

	if (!complete) {
		explain_step(explain, "smtp", 0, "a bare name from a stranger");
		reject(out, "5.1.3", "The address needs a domain");
		return false;
	}
	if (domain.len == 0) {
		explain_step(explain, "posthouse.conf", 0, "default_domain is "
		    "not set and there is not exactly one local domain");
		reject(out, "5.1.3", "The address needs a domain: no default "
		    "domain is set here");
		return false;
	}
	p->domain = domain;
	explain_step(explain, r->conf->default_domain[0] != '\0' ?
	    "posthouse.conf" : "domains", 0, "%.*s → %.*s@%.*s",
	    (int)p->local.len, p->local.s, (int)p->local.len, p->local.s,
	    (int)domain.len, domain.s);
	return true;
}

/* RFC 5321, 4.5.1: always somebody, even where no domain is local. */
static void
route_postmaster(const struct router *r, struct arena *mem, struct route *out,
    struct buf *explain)
{
	struct span to = router_postmaster(r);

	if (to.len == 0) {
		defer(out, explain, "no domain is local, so nobody is "
		    "postmaster");
		return;
	}
	explain_step(explain, "domains", 0, "postmaster → %.*s", (int)to.len,
	    to.s);
	expand_all(r, to, SPAN(""), true, mem, out, explain);
}

void
router_rcpt(const struct router *r, const struct path *rcpt,
    const struct access *client, bool may_relay, bool complete,
    struct arena *mem, struct route *out, struct buf *explain)
{
	struct buf b = BUF_INIT(2 * LIMIT_ADDRESS);
	struct domain_entry domain;
	struct path p = *rcpt;
	struct span key, home;
	unsigned line;
	int found;

	memset(out, 0, sizeof(*out));
	if (plain_postmaster(r, &p, mem)) {
		route_postmaster(r, mem, out, explain);
		return;
	}
	if (p.domain.len == 0 &&
	    !complete_bare(r, &p, complete, mem, out, explain))
		return;
	path_key(&p, &b);
	key = in_arena(mem, &b);
	buf_free(&b);
	found = find_home(r, key_domain(key), mem, &home, &domain, &line, NULL);
	if (found == -1)
		defer(out, explain, "the map domains is broken");
	else if (found == 0 && home.len == 0) {
		explain_step(explain, "domains", 0, "%.*s is this host, and "
		    "there is no default domain", (int)key_domain(key).len,
		    key_domain(key).s);
		reject(out, "5.1.1", "No such user here");
	} else if (found == 0) {
		bool ours = find_domain(r, key_domain(key), mem, &domain,
		    &line) == 1 && domain.kind == DOMAIN_RELAY;

		explain_step(explain, "domains", ours ? line : 0, "%.*s is %s",
		    (int)key_domain(key).len, key_domain(key).s,
		    ours ? "relayed for" : "not ours");
		relay(r, &p, key, client, may_relay, ours, mem, out, explain);
	} else if (client != NULL && client->no_local) {
		explain_step(explain, "access", client->line, "no-local");
		reject(out, "5.7.1", "Local recipients take no mail from your "
		    "address");
	} else {
		explain_step(explain, "domains", line, "%.*s is local",
		    (int)home.len, home.s);
		expand_all(r, key, home, client != NULL && client->trusted, mem, out, explain);
	}
}
