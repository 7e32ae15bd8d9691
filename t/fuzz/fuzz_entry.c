/* Promises of router/entry.c and router/prefixes.c: a value is taken or it is said why not; what is
 * taken lies within the text or the arena, and ranges come out in order, without overlap. */
#include <string.h>

#include "router/entry.h"
#include "router/prefixes.h"
#include "t/fuzz/fuzz.h"

static void
promise_said(int rv, struct buf *why)
{
	PROMISE((rv == 0) == (why->len == 0));
	buf_reset(why);
}

static void
addresses(struct span list, size_t n)
{
	struct span address;
	size_t octets = 0;

	while (entry_next_address(&list, &address))
		octets += address.len + 1;
	PROMISE(octets <= n + 1);
}

static void
hosts(struct span list)
{
	struct buf host = BUF_INIT(4096), why = BUF_INIT(1 << 20);
	int rv;

	while ((rv = entry_next_host(&list, 25, &host, &why)) == 1) {
		PROMISE(host.len >= 3 && strrchr(host.s, ':') != NULL);
		buf_reset(&host);
	}
	PROMISE((rv == -1) == (why.len > 0));
	buf_free(&host);
	buf_free(&why);
}

struct seen {
	struct ip_prefix last;
	bool any;
};

static void
prefix(void *arg, const struct ip_prefix *p)
{
	struct seen *s = arg;

	PROMISE(p->bits <= (p->ip.v6 ? 128 : 32));
	if (s->any) {
		PROMISE(memcmp(s->last.ip.octets, p->ip.octets, 16) < 0);
		PROMISE(!ip_in(&p->ip, &s->last) && !ip_in(&s->last.ip, p));
	}
	s->last = *p;
	s->any = true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct span text = { (const char *)octets, n };
	struct buf why = BUF_INIT(1 << 20);
	struct arena *mem = arena_new();
	struct domain_entry domain;
	struct user_entry user;
	struct alias_entry alias;
	struct route_entry route;
	struct access_entry access;
	struct seen seen = { .any = false };

	promise_said(entry_domain(text, mem, &domain, &why), &why);
	promise_said(entry_user(text, mem, &user, &why), &why);
	promise_said(entry_alias(text, &alias, &why), &why);
	promise_said(entry_route(text, mem, &route, &why), &why);
	promise_said(entry_access(text, mem, &access, &why), &why);
	addresses(text, n);
	hosts(text);
	promise_said(prefixes_parse(text, prefix, &seen, &why), &why);
	arena_free(mem);
	buf_free(&why);
	return 0;
}
