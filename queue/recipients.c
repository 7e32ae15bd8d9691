/*
 * recipients: whom a message of sendmail is for, by the router.
 *
 * A refused recipient does not end the search: all refusals are told at once.
 */
#include "queue/recipients.h"

#include <errno.h>
#include <search.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"

#define REFUSALS_MAX 65536 /* octets */

void
recipients_init(struct recipients *l, const struct router *router, struct arena *mem)
{
	*l = (struct recipients){ .router = router, .mem = mem,
		.access = { .trusted = true } };
	buf_init(&l->refusals, REFUSALS_MAX);
}

static int
exit_code(const struct reply *r)
{
	if (reply_outcome(r->code) == RETRY)
		return EX_TEMPFAIL;
	if (strncmp(r->enhanced, "5.1.", 4) == 0)
		return EX_NOUSER;
	if (strncmp(r->enhanced, "5.7.", 4) == 0)
		return EX_NOPERM;
	return EX_UNAVAILABLE;
}

static int
refuse(struct recipients *l, struct span address, int code, const char *text)
{
	if (l->exit_code == 0 || l->exit_code == EX_TEMPFAIL)
		l->exit_code = code; /* what is for good counts */
	for (size_t i = 0; i < address.len; i++)
		buf_addc(&l->refusals, ascii_print((unsigned char)address.s[i]) ?
		    address.s[i] : '?');
	buf_addf(&l->refusals, ": %s\n", text);
	return -1;
}

static int
by_key(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* "L address" or "R address" was met before. */
static bool
met(struct recipients *l, enum rcpt_action action, const char *address)
{
	size_t n = strlen(address);
	char *key = arena_alloc(l->mem, n + 2);
	char *const *found;

	key[0] = action == RCPT_LOCAL ? 'L' : 'R';
	memcpy(key + 1, address, n + 1);
	found = tsearch(key, &l->seen, by_key);
	return found != NULL && *found != key;
}

static void
keep(struct recipients *l, enum rcpt_action action, const char *address,
    const char *orcpt)
{
	if (met(l, action, address))
		return;
	if (l->n == l->room) {
		l->room = l->room == 0 ? 16 : 2 * l->room;
		l->r = mem_grow(l->r, l->room, sizeof(*l->r));
	}
	l->r[l->n++] = (struct env_rcpt){ .status = RCPT_TODO, .action = action,
		.notify = l->notify, .address = address, .orcpt = orcpt,
		.last = "" };
}

/* The address as it was meant: canonical, with the domain that a bare one belongs to. */
static const char *
meant(struct recipients *l, const struct path *written, const char **orcpt)
{
	struct buf b = BUF_INIT(2 * LIMIT_ADDRESS);
	struct path p = *written;
	char *s;

	if (p.bare)
		p.domain = router_default_domain(l->router, l->mem);
	buf_adds(&b, p.utf8 ? "utf-8;" : "rfc822;"); /* RFC 6533, 3 */
	path_canonical(&p, &b);
	s = arena_dupn(l->mem, buf_str(&b), b.len);
	buf_free(&b);
	*orcpt = s;
	return strchr(s, ';') + 1;
}

int
recipients_add(struct recipients *l, struct span address)
{
	struct route route = { 0 };
	const char *orcpt, *original;
	struct path p;

	if (path_parse_address(address.s, address.len, &p) == -1)
		return refuse(l, address, EX_DATAERR, errno == EMSGSIZE ?
		    "this address is too long" : "this is no address");
	router_rcpt(l->router, &p, &l->access, !l->access.no_relay, true, l->mem,
	    &route, NULL);
	if (route.outcome != SENT)
		return refuse(l, address, exit_code(&route.reply),
		    route.reply.text);
	if (route.count > LIMIT_EXPANSION - l->n)
		return refuse(l, address, EX_UNAVAILABLE,
		    "too many recipients for one message");
	original = meant(l, &p, &orcpt);
	for (const struct route_rcpt *r = route.rcpts; r != NULL; r = r->next)
		keep(l, r->action, r->address, orcpt);
	l->utf8 = l->utf8 || p.utf8;
	if (l->named++ == 0)
		l->original = original;
	return 0;
}
