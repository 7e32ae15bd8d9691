/*
 * account: from an entry of `upstreams` to people with mailboxes.
 *
 * Asks the router once, when the account is opened: what the maps say then holds for the whole run.
 */
#include "collector/account.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/log.h"
#include "lib/mail/domain.h"
#include "lib/sys/file.h"
#include "lib/sys/sandbox.h"

#define LISTS_ROOM 16384 /* octets of mailing lists noted in one run */

void
house_open(struct house *h, const char *dir)
{
	struct buf why = BUF_INIT(4096);

	instance_open(&h->instance, dir);
	conf_load(&h->conf, &h->instance);
	h->maps = generation_open(h->instance.maps, 1u << MAP_UPSTREAMS | 1u << MAP_USERS, &why);
	if (h->maps == NULL || router_open(&h->router, &h->instance, &h->conf, &why) == -1)
		fatal(EX_CONFIG, "cannot open the maps: %s", buf_str(&why));
	h->state_dir = instance_path(h->instance.state, "collect");
	h->submit_path = instance_path(h->instance.run, "submit");
	h->token_path = instance_path(h->instance.run, "token");
	buf_free(&why);
}

struct each {
	int (*fn)(void *, const char *, struct span);
	void *arg;
};

static int
each_entry(void *arg, struct span key, const struct map_entry *e)
{
	struct each *each = arg;
	char *name = mem_dupn(key.s, key.len);
	int rv = each->fn(each->arg, name, e->value);

	free(name);
	return rv;
}

int
house_each_account(const struct house *h, int (*fn)(void *, const char *, struct span), void *arg)
{
	struct each each = { fn, arg };

	return map_each(h->maps, MAP_UPSTREAMS, each_entry, &each);
}

/* --- users= left out: everybody of the domains ---------------------------- */

struct everybody {
	struct account *a;
	struct span default_domain;
	size_t room;
};

static bool
in_domains(const struct account *a, struct span domain)
{
	for (size_t i = 0; i < a->up.domains.n; i++)
		if (span_case_is(domain, a->up.domains.v[i]))
			return true;
	return false;
}

static int
add_if_ours(void *arg, struct span key, const struct map_entry *e)
{
	struct everybody *all = arg;
	struct upstream_strings *users = &all->a->up.users;
	struct span domain = key;

	(void)e;
	span_cut(&domain, '@');
	if (!in_domains(all->a, domain.s != NULL ? domain : all->default_domain))
		return 0;
	if (users->n == all->room) {
		const char **more;

		all->room = all->room == 0 ? 64 : all->room * 2;
		more = arena_alloc(all->a->arena, all->room * sizeof(*more));
		if (users->n > 0)
			memcpy(more, users->v, users->n * sizeof(*more));
		users->v = more;
	}
	users->v[users->n++] = arena_dupn(all->a->arena, key.s, key.len);
	return 0;
}

/* --- people -------------------------------------------------------------- */

static bool
route(struct house *h, struct account *a, const char *address, struct person *p)
{
	const struct access ours = { .trusted = true };
	struct route found = { 0 };
	struct path path;
	size_t i = 0;

	if (path_parse_address(address, strlen(address), &path) == -1)
		return false;
	router_rcpt(&h->router, &path, &ours, true, true, a->arena, &found, NULL);
	p->address = address;
	p->rcpt_count = 0;
	if (found.outcome != SENT)
		return false;
	p->rcpts = arena_alloc(a->arena, (found.count + 1) * sizeof(*p->rcpts));
	for (const struct route_rcpt *r = found.rcpts; r != NULL && i < found.count; r = r->next)
		p->rcpts[i++] = (struct env_rcpt){ .status = RCPT_TODO, .action = r->action, .address = r->address,
			.orcpt = "", .last = "" };
	p->rcpt_count = i;
	return i > 0;
}

/* A user as written: an address, or a name in the account's domain or in the default one. */
static bool
find_mailbox(struct house *h, struct account *a, const char *user, struct mailbox *out)
{
	if (strchr(user, '@') == NULL)
		for (size_t i = 0; i < a->up.domains.n; i++) {
			struct buf b = BUF_INIT(LIMIT_ADDRESS);
			bool found;

			buf_addf(&b, "%s@%s", user, a->up.domains.v[i]);
			found = router_mailbox(&h->router, buf_str(&b), a->arena, out) == 1;
			buf_free(&b);
			if (found)
				return true;
		}
	return router_mailbox(&h->router, user, a->arena, out) == 1;
}

/* "ann", or "ann=other.example" where that is not the default domain: in our own marks a user is one of
 * the whole house. */
static void
set_mark(struct house *h, struct account *a, size_t i, const char *address)
{
	const char *at = strrchr(address, '@');
	char *mark;

	if (at == NULL)
		return;
	if (span_case_is(router_default_domain(&h->router, a->arena), at + 1))
		mark = mem_dupn(address, (size_t)(at - address));
	else
		mark = mem_fmt("%.*s=%s", (int)(at - address), address, at + 1);
	sort_account_mark(a->sort, i, mark);
	free(mark);
}

static void
add_people(struct house *h, struct account *a)
{
	while (sort_account_user(a->sort, a->people_count) != NULL)
		a->people_count++;
	a->people = arena_alloc(a->arena, a->people_count * sizeof(*a->people));
	for (size_t i = 0; i < a->people_count; i++) {
		const char *user = sort_account_user(a->sort, i);
		struct mailbox m = { 0 };

		if (find_mailbox(h, a, user, &m)) {
			route(h, a, m.address, &a->people[i]);
			set_mark(h, a, i, m.address);
			if (m.name != NULL && *m.name != '\0')
				sort_account_name(a->sort, i, m.name);
		} else {
			route(h, a, user, &a->people[i]); /* an alias serves as well */
		}
		if (a->people[i].address == NULL)
			a->people[i].address = user;
		if (strcasecmp(user, a->up.fallback) == 0)
			a->fallback = i;
	}
}

int
account_open(struct account *a, struct house *h, const char *name, struct span value, struct buf *why)
{
	*a = (struct account){ .arena = arena_new(), .smtpd_fd = -1, .secret = BUF_INIT(LIMIT_SASL),
		.lists = BUF_INIT(LISTS_ROOM) };
	a->name = arena_dupn(a->arena, name, strlen(name));
	if (upstream_parse(value, a->arena, &a->up, why) == -1)
		goto fail;
	if (!upstream_has_mailbox(&a->up))
		return 0; /* nothing to sort */
	if (a->up.users.n == 0) {
		struct everybody all = { .a = a, .default_domain = router_default_domain(&h->router, a->arena) };

		if (map_each(h->maps, MAP_USERS, add_if_ours, &all) == -1) {
			buf_adds(why, "cannot read the map users");
			goto fail;
		}
	}
	if (a->up.fallback == NULL)
		a->up.fallback = a->up.users.n > 0 ? a->up.users.v[0] : "postmaster";
	a->sort = sort_account_new(&a->up, h->conf.hostname, why);
	if (a->sort == NULL)
		goto fail;
	add_people(h, a);
	if (a->people[a->fallback].rcpt_count > 0)
		return 0;
	buf_addf(why, "fallback=%s: nobody takes mail there", a->up.fallback);
fail:
	account_close(a);
	return -1;
}

/* Those whose mailbox takes nothing do not count; their mail is the fallback's. */
static void
leave_out_disabled(const struct account *a, struct sort_result *r, struct buf *explain)
{
	size_t out = 0;

	for (size_t i = 0; i < a->people_count; i++)
		if (r->gets[i] && a->people[i].rcpt_count == 0) {
			if (explain != NULL)
				buf_addf(explain, "%s: takes no mail (disabled, or no such mailbox)\n",
				    sort_account_user(a->sort, i));
			r->gets[i] = false;
			out++;
		}
	r->count -= out;
	if (out == 0 || r->count > 0)
		return;
	if (explain != NULL)
		buf_addf(explain, "fallback: %s (disabled-user)\n", sort_account_user(a->sort, a->fallback));
	r->gets[a->fallback] = true;
	r->count = 1;
	r->class = SORT_FALLBACK;
	r->reason = "disabled-user";
}

void
account_sort(const struct account *a, const struct sort_header *h, struct arena *arena, struct sort_result *out,
    struct buf *explain)
{
	sort_message(a->sort, h, arena, out, explain);
	leave_out_disabled(a, out, explain);
}

void
account_close(struct account *a)
{
	sort_account_free(a->sort);
	buf_wipe(&a->secret);
	buf_free(&a->secret);
	buf_free(&a->lists);
	arena_free(a->arena);
	file_close(a->smtpd_fd);
	*a = (struct account){ .smtpd_fd = -1 };
}

void
account_sandbox(const struct account *a, const struct house *h)
{
	struct sandbox box = { .mode = h->conf.sandbox, .calls = CALL_INET | CALL_UNIX };
	static const char *const system[] = { "/etc", "/usr/lib", "/usr/share", "/proc", "/dev", "/run" };

	sandbox_may(&box, h->state_dir, MAY_READ | MAY_WRITE);
	sandbox_may(&box, h->instance.run, MAY_READ | MAY_WRITE);
	sandbox_may(&box, h->instance.maps, MAY_READ);
	for (size_t i = 0; i < COUNT(system); i++)
		sandbox_may(&box, system[i], MAY_READ);
	sandbox_may(&box, a->up.ca, MAY_READ);
	sandbox_enter(&box);
}
