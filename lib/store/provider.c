/*
 * provider: the words of the map `providers`.
 *
 * Knows which words there are and what a safe URL is: https, or http to this host itself. Refuses to know what is
 * sent there (auth/).
 */
#include "lib/store/provider.h"

#include <stddef.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/num.h"
#include "lib/store/words.h"

#define TENANT "{tenant}"
#define URL_MAX 1024
#define YOUNG_MAX_S (365 * 86400)

struct parser {
	struct arena *arena;
	struct provider *out;
	struct buf *why;
	bool failed;
};

static void fault(struct parser *, const char *, ...) PRINTF_LIKE(2, 3);

static void
fault(struct parser *p, const char *text, ...)
{
	va_list ap;

	if (p->failed)
		buf_adds(p->why, "; ");
	p->failed = true;
	va_start(ap, text);
	buf_addv(p->why, text, ap);
	va_end(ap);
}

enum type { TEXT, URL, REDIRECT, OTHER };
static void read_client_auth(struct parser *, struct span);
static void read_young(struct parser *, struct span);

// clang-format off
#define AT(member) offsetof(struct provider, member)
static const struct entry_word {
	const char *name;
	enum type type;
	size_t offset;
	void (*read)(struct parser *, struct span);
} entry_words[] = {
	{ "token",       URL,      AT(token),      NULL },
	{ "device",      URL,      AT(device),     NULL },
	{ "authorize",   URL,      AT(authorize),  NULL },
	{ "extra",       TEXT,     AT(extra),      NULL },
	{ "redirect",    REDIRECT, AT(redirect),   NULL },
	{ "scope",       TEXT,     AT(scope),      NULL },
	{ "app_scope",   TEXT,     AT(app_scope),  NULL },
	{ "tenant",      TEXT,     AT(tenant),     NULL },
	{ "ca",          TEXT,     AT(ca),         NULL },
	{ "client_auth", OTHER,    0,              read_client_auth },
	{ "young",       OTHER,    0,              read_young },
	{ "young_hint",  TEXT,     AT(young_hint), NULL },
};
// clang-format on

const char *
provider_word(size_t i)
{
	return i < COUNT(entry_words) ? entry_words[i].name : NULL;
}

bool
provider_tenant_ok(const char *s)
{
	for (size_t i = 0; s[i] != '\0'; i++)
		if (!ascii_alnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '.')
			return false;
	return *s != '\0' && *s != '.';
}

/* "host", "host:port", "[::1]:port" in front of the path: is it this host? */
static bool
is_loopback(struct span host)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };

	for (size_t i = 0; i < COUNT(names); i++) {
		struct span rest;

		if (span_begins(host, names[i], &rest) && (rest.len == 0 || rest.s[0] == ':'))
			return true;
	}
	return false;
}

/* Nothing that would end or change a request line; no user info. */
static bool
host_ok(struct span host)
{
	if (host.len == 0)
		return false;
	for (size_t i = 0; i < host.len; i++)
		if (!ascii_alnum((unsigned char)host.s[i]) && strchr(".-:[]", host.s[i]) == NULL)
			return false;
	return true;
}

static bool
path_ok(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_print((unsigned char)s.s[i]) || strchr(" \"<>\\^`|#", s.s[i]) != NULL)
			return false;
	return true;
}

static bool
url_ok(struct span url)
{
	struct span host, path;
	bool secure = span_begins(url, "https://", &host);

	if (url.len > URL_MAX || (!secure && !span_begins(url, "http://", &host)))
		return false;
	path = host;
	host.len = 0;
	while (host.len < path.len && path.s[host.len] != '/' && path.s[host.len] != '?')
		host.len++;
	return host_ok(host) && path_ok(path) && (secure || is_loopback(host));
}

static void
read_client_auth(struct parser *p, struct span s)
{
	p->out->basic = span_is(s, "basic");
	if (!p->out->basic && !span_is(s, "post"))
		fault(p, "client_auth=%.*s: post or basic is meant", (int)s.len, s.s);
}

static void
read_young(struct parser *p, struct span s)
{
	if (num_duration(s, YOUNG_MAX_S, &p->out->young_s) == -1)
		fault(p, "young=%.*s: a time such as 8d is meant", (int)s.len, s.s);
}

static const struct entry_word *
find_word(struct span name)
{
	for (size_t i = 0; i < COUNT(entry_words); i++)
		if (span_is(name, entry_words[i].name))
			return &entry_words[i];
	return NULL;
}

static void
read_word(struct parser *p, const struct entry_word *w, struct span value)
{
	const char **at = (const char **)(void *)((char *)p->out + w->offset);

	if (w->type == OTHER) {
		w->read(p, value);
		return;
	}
	if (w->type == URL && !url_ok(value))
		fault(p, "%s=%.*s: a https:// address is meant (http:// for this host alone)", w->name, (int)value.len,
		    value.s);
	if (w->type == REDIRECT && !path_ok(value))
		fault(p, "%s=%.*s: an address is meant", w->name, (int)value.len, value.s);
	*at = arena_dupn(p->arena, value.s, value.len);
}

static void
check(struct parser *p)
{
	const struct provider *o = p->out;

	if (o->token == NULL)
		fault(p, "token= is missing: where are tokens to be had?");
	if ((o->device != NULL || o->authorize != NULL) && o->scope == NULL)
		fault(p, "scope= is missing: what may be done with the token?");
	if (o->device == NULL && o->authorize == NULL && o->app_scope == NULL)
		fault(p, "device=, authorize= or app_scope= is missing: how does one log in?");
	if (o->tenant != NULL && !provider_tenant_ok(o->tenant))
		fault(p, "tenant=%s: letters, digits, \"-\" and \".\" only", o->tenant);
	if ((o->young_s > 0) != (o->young_hint != NULL))
		fault(p, "young= and young_hint= belong together");
}

int
provider_parse(struct span value, struct arena *arena, struct provider *out, struct buf *why)
{
	struct parser p = { .arena = arena, .out = out, .why = why };
	bool seen[COUNT(entry_words)] = { false };
	struct words words;

	*out = (struct provider){ 0 };
	if (words_parse(value, arena, &words, why) == -1)
		return -1;
	for (size_t i = 0; i < words.n; i++) {
		const struct word *word = &words.w[i];
		const struct entry_word *known = find_word(word->name);

		if (known == NULL) {
			fault(&p, "unknown word \"%.*s\"", (int)(word->name.len > 0 ? word->name.len : word->value.len),
			    word->name.len > 0 ? word->name.s : word->value.s);
			continue;
		}
		if (seen[known - entry_words])
			fault(&p, "%s= stands twice", known->name);
		seen[known - entry_words] = true;
		read_word(&p, known, word->value);
	}
	check(&p);
	return p.failed ? -1 : 0;
}

const char *
provider_url(const char *endpoint, const char *tenant, struct arena *arena, struct buf *why)
{
	struct buf url = BUF_INIT(2 * URL_MAX);
	const char *at = strstr(endpoint, TENANT), *out;

	if (at == NULL)
		return endpoint;
	if (tenant == NULL) {
		buf_addf(why, "tenant= is missing: %s needs it", endpoint);
		return NULL;
	}
	buf_add(&url, endpoint, (size_t)(at - endpoint));
	buf_adds(&url, tenant);
	buf_adds(&url, at + strlen(TENANT));
	out = arena_dupn(arena, buf_str(&url), url.len);
	buf_free(&url);
	return out;
}
