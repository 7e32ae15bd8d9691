/*
 * upstream: the words of the map `upstreams`.
 *
 * Knows which words there are, their types, defaults and what must not stand together. Refuses to know
 * whether users exist (posthouse compile asks) and what sorting does with any of it (collector/).
 */
#include "lib/store/upstream.h"

#include <stddef.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "lib/base/num.h"
#include "lib/store/provider.h"
#include "lib/store/words.h"

#define DAYS_MAX 36500
#define HOPS_MAX 1000
#define FOLDER_MAX 255 /* octets of a name */
#define TIME_LIMIT_MAX_S 86400

enum type {
	TEXT,      /* one string */
	STRINGS,   /* a,b,c; may be repeated */
	WHOLES,    /* one string, commas included; may be repeated */
	PAIR,      /* KEY:one string; may be repeated */
	PAIR_LIST, /* KEY:a,b; may be repeated */
	NUMBER,
	SIZE,
	YES_NO,
	OTHER      /* has a reader of its own */
};

struct parser {
	struct arena *arena;
	struct upstream *up;
	struct buf *why;
	bool failed;
	const bool *seen; /* which of entry_words */
};
struct entry_word {
	const char *name;
	enum type type;
	size_t offset;
	uint64_t max;
	void (*read)(struct parser *, struct span);
};

static void read_kind(struct parser *, struct span);
static void read_tls(struct parser *, struct span);
static void read_protocol(struct parser *, struct span);
static void read_auth(struct parser *, struct span);
static void read_pipelining(struct parser *, struct span);
static void read_keep(struct parser *, struct span);
static void read_mark(struct parser *, struct span);
static void read_envelope(struct parser *, struct span);
static void read_position(struct parser *, struct span);
static void read_subaddress(struct parser *, struct span);
static void read_schedule(struct parser *, struct span);
static void read_time_limit(struct parser *, struct span);
static void read_wake(struct parser *, struct span);

// clang-format off
#define AT(member) offsetof(struct upstream, member)
static const struct entry_word entry_words[] = {
	/* name               type       where             max         reader */
	{ "kind",              OTHER,     0,                0,          read_kind },
	{ "protocol",          OTHER,     0,                0,          read_protocol },
	{ "host",              TEXT,      AT(host),         0,          NULL },
	{ "port",              NUMBER,    AT(port),         65535,      NULL },
	{ "tls",               OTHER,     0,                0,          read_tls },
	{ "ca",                TEXT,      AT(ca),           0,          NULL },
	{ "pin",               STRINGS,   AT(pins),         0,          NULL },
	{ "login",             TEXT,      AT(login),        0,          NULL },
	{ "secret",            TEXT,      AT(secret),       0,          NULL },
	{ "auth",              OTHER,     0,                0,          read_auth },
	{ "provider",          TEXT,      AT(provider),     0,          NULL },
	{ "client_id",         TEXT,      AT(client_id),    0,          NULL },
	{ "tenant",            TEXT,      AT(tenant),       0,          NULL },
	{ "scope",             TEXT,      AT(scope),        0,          NULL },
	{ "pipelining",        OTHER,     0,                0,          read_pipelining },
	{ "domain",            STRINGS,   AT(domains),      0,          NULL },
	{ "mailbox",           STRINGS,   AT(mailboxes),    0,          NULL },
	{ "users",             STRINGS,   AT(users),        0,          NULL },
	{ "alias",             PAIR,      AT(aliases),      0,          NULL },
	{ "name",              PAIR,      AT(names),        0,          NULL },
	{ "cc",                PAIR_LIST, AT(ccs),          0,          NULL },
	{ "list",              PAIR_LIST, AT(lists),        0,          NULL },
	{ "public",            WHOLES,    AT(publics),      0,          NULL },
	{ "fallback",          TEXT,      AT(fallback),     0,          NULL },
	{ "trusted",           STRINGS,   AT(trusted),      0,          NULL },
	{ "envelope",          OTHER,     0,                0,          read_envelope },
	{ "envelope_position", OTHER,     0,                0,          read_position },
	{ "strip_prefix",      TEXT,      AT(strip_prefix), 0,          NULL },
	{ "subaddress",        OTHER,     0,                0,          read_subaddress },
	{ "site",              TEXT,      AT(site),         0,          NULL },
	{ "max_hops",          NUMBER,    AT(max_hops),     HOPS_MAX,   NULL },
	{ "parse_subject",     YES_NO,    AT(parse_subject), 0,        NULL },
	{ "keep",              OTHER,     0,                0,          read_keep },
	{ "max_size",          SIZE,      AT(max_size),     UINT64_MAX, NULL },
	{ "max_messages",      NUMBER,    AT(max_messages), UINT32_MAX, NULL },
	{ "schedule",          OTHER,     0,                0,          read_schedule },
	{ "time_limit",        OTHER,     0,                0,          read_time_limit },
	{ "wake",              OTHER,     0,                0,          read_wake },
	{ "wake_template",     TEXT,      AT(wake_template), 0,         NULL },
	{ "folder",            STRINGS,   AT(folders),      0,          NULL },
	{ "move_to",           TEXT,      AT(move_to),      0,          NULL },
	{ "mark",              OTHER,     0,                0,          read_mark },
	{ "idle",              YES_NO,    AT(idle),         0,          NULL },
};
// clang-format on

const char *
upstream_word(size_t i)
{
	return i < COUNT(entry_words) ? entry_words[i].name : NULL;
}

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

static const char *
keep(struct parser *p, struct span s)
{
	return arena_dupn(p->arena, s.s, s.len);
}

/* Arrays grow by copying within the arena, which frees all at once: entries are short. */
static void
strings_add(struct parser *p, struct upstream_strings *list, struct span s)
{
	const char **v = arena_alloc(p->arena, (list->n + 1) * sizeof(*v));

	if (list->n > 0)
		memcpy(v, list->v, list->n * sizeof(*v));
	v[list->n++] = keep(p, s);
	list->v = v;
}

static void
strings_split(struct parser *p, const char *name, struct upstream_strings *list, struct span s)
{
	struct span rest = s;
	size_t before = list->n;

	while (rest.s != NULL) {
		struct span one = span_trim(span_cut(&rest, ','));

		if (one.len > 0)
			strings_add(p, list, one);
	}
	if (list->n == before)
		fault(p, "%s= is empty", name);
}

static void
pair_add(struct parser *p, const struct entry_word *w, struct upstream_pairs *pairs, struct span s)
{
	struct span value = s, key = span_trim(span_cut(&value, ':'));
	struct upstream_pair *v;

	if (value.s == NULL || key.len == 0 || span_trim(value).len == 0) {
		fault(p, "%s=%.*s: write it %s=%s", w->name, (int)s.len, s.s, w->name,
		    strcmp(w->name, "list") == 0 ? "KEY:USER,USER" : "USER:WORD");
		return;
	}
	v = arena_alloc(p->arena, (pairs->n + 1) * sizeof(*v));
	if (pairs->n > 0)
		memcpy(v, pairs->v, pairs->n * sizeof(*v));
	v[pairs->n].key = keep(p, key);
	if (w->type == PAIR_LIST)
		strings_split(p, w->name, &v[pairs->n].values, value);
	else
		strings_add(p, &v[pairs->n].values, span_trim(value));
	pairs->v = v;
	pairs->n++;
}

static void
read_number(struct parser *p, const struct entry_word *w, struct span s, uint64_t *out)
{
	if ((w->type == SIZE ? num_size : num_parse)(s, w->max, out) == -1)
		fault(p, "%s=%.*s: a number%s up to %llu is meant", w->name, (int)s.len, s.s,
		    w->type == SIZE ? " (with k, M or G)" : "", (unsigned long long)w->max);
}

static void
read_kind(struct parser *p, struct span s)
{
	if (span_is(s, "domain"))
		p->up->kind = UPSTREAM_DOMAIN;
	else if (span_is(s, "shared"))
		p->up->kind = UPSTREAM_SHARED;
	else if (span_is(s, "single"))
		p->up->kind = UPSTREAM_SINGLE;
	else
		fault(p, "kind=%.*s: domain, shared or single is meant", (int)s.len, s.s);
}

static void
read_protocol(struct parser *p, struct span s)
{
	if (span_is(s, "pop3"))
		p->up->protocol = UPSTREAM_POP3;
	else if (span_is(s, "imap"))
		p->up->protocol = UPSTREAM_IMAP;
	else if (span_is(s, "etrn"))
		p->up->protocol = UPSTREAM_ETRN;
	else if (span_is(s, "atrn"))
		p->up->protocol = UPSTREAM_ATRN;
	else if (span_is(s, "wake"))
		p->up->protocol = UPSTREAM_WAKE;
	else
		fault(p, "protocol=%.*s: pop3, imap, etrn, atrn or wake is meant", (int)s.len, s.s);
}

static void
read_tls(struct parser *p, struct span s)
{
	if (span_is(s, "implicit"))
		p->up->tls = UPSTREAM_TLS_IMPLICIT;
	else if (span_is(s, "starttls"))
		p->up->tls = UPSTREAM_TLS_STARTTLS;
	else if (span_is(s, "none"))
		p->up->tls = UPSTREAM_TLS_NONE;
	else if (span_is(s, "none!"))
		p->up->tls = UPSTREAM_TLS_NONE_FORCED;
	else
		fault(p, "tls=%.*s: implicit, starttls or none is meant", (int)s.len, s.s);
}

// clang-format off
static const struct auth_word {
	const char *name;
	enum upstream_auth auth;
	const char *mechanism;
} auth_words[] = {
	{ "auto",          UPSTREAM_AUTH_ANY,   NULL },
	{ "user",          UPSTREAM_AUTH_USER,  NULL },
	{ "apop",          UPSTREAM_AUTH_APOP,  NULL },
	{ "plain",         UPSTREAM_AUTH_SASL,  "PLAIN" },
	{ "login",         UPSTREAM_AUTH_SASL,  "LOGIN" },
	{ "cram-md5",      UPSTREAM_AUTH_SASL,  "CRAM-MD5" },
	{ "scram",         UPSTREAM_AUTH_SASL,  "SCRAM" },
	{ "scram-sha-1",   UPSTREAM_AUTH_SASL,  "SCRAM-SHA-1" },
	{ "scram-sha-256", UPSTREAM_AUTH_SASL,  "SCRAM-SHA-256" },
	{ "oauth",         UPSTREAM_AUTH_OAUTH, NULL },
	{ "oauthbearer",   UPSTREAM_AUTH_OAUTH, "OAUTHBEARER" },
	{ "xoauth2",       UPSTREAM_AUTH_OAUTH, "XOAUTH2" },
};
// clang-format on

static void
read_auth(struct parser *p, struct span s)
{
	for (size_t i = 0; i < COUNT(auth_words); i++)
		if (span_is(s, auth_words[i].name)) {
			p->up->auth = auth_words[i].auth;
			p->up->mechanism = auth_words[i].mechanism;
			return;
		}
	fault(p, "auth=%.*s: auto, user, apop, plain, login, cram-md5, scram, scram-sha-1, scram-sha-256, oauth, "
	    "oauthbearer or xoauth2 is meant", (int)s.len, s.s);
}

static void
read_pipelining(struct parser *p, struct span s)
{
	if (span_is(s, "auto"))
		p->up->pipelining = UPSTREAM_PIPELINING_AUTO;
	else if (span_is(s, "yes"))
		p->up->pipelining = UPSTREAM_PIPELINING_YES;
	else if (span_is(s, "no"))
		p->up->pipelining = UPSTREAM_PIPELINING_NO;
	else
		fault(p, "pipelining=%.*s: auto, yes or no is meant", (int)s.len, s.s);
}

static void
read_keep(struct parser *p, struct span s)
{
	uint64_t seconds;

	if (span_is(s, "delete")) {
		p->up->keep = UPSTREAM_KEEP_NONE;
	} else if (span_is(s, "all")) {
		p->up->keep = UPSTREAM_KEEP_ALL;
	} else if (num_parse(s, DAYS_MAX, &p->up->keep_days) == 0) {
		p->up->keep = UPSTREAM_KEEP_DAYS;
	} else if (s.len > 1 && s.s[s.len - 1] == 'd' && num_duration(s, DAYS_MAX * 86400ULL, &seconds) == 0) {
		p->up->keep = UPSTREAM_KEEP_DAYS;
		p->up->keep_days = seconds / 86400;
	} else {
		fault(p, "keep=%.*s: delete, all or a number of days is meant", (int)s.len, s.s);
	}
}

static void
read_mark(struct parser *p, struct span s)
{
	p->up->mark_seen = span_is(s, "seen");
	if (!p->up->mark_seen && !span_is(s, "no"))
		fault(p, "mark=%.*s: seen or no is meant", (int)s.len, s.s);
}

static bool
field_name_ok(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_print(s.s[i]) || s.s[i] == ' ' || s.s[i] == ':')
			return false;
	return s.len > 0;
}

static void
read_envelope(struct parser *p, struct span s)
{
	struct span nth = s, name = span_cut(&nth, ':');

	if (span_case_is(s, "auto")) {
		p->up->envelope = UPSTREAM_ENVELOPE_AUTO;
	} else if (span_case_is(s, "none")) {
		p->up->envelope = UPSTREAM_ENVELOPE_NONE;
	} else if (!field_name_ok(name) ||
	    (nth.s != NULL && (num_parse(nth, 1000, &p->up->envelope_nth) == -1 || p->up->envelope_nth == 0))) {
		fault(p, "envelope=%.*s: auto, none, a header's name or NAME:N is meant", (int)s.len, s.s);
	} else {
		p->up->envelope = UPSTREAM_ENVELOPE_FIELD;
		p->up->envelope_field = keep(p, name);
	}
}

static void
read_position(struct parser *p, struct span s)
{
	if (!span_is(s, "zone") && !span_is(s, "any"))
		fault(p, "envelope_position=%.*s: zone or any is meant", (int)s.len, s.s);
	p->up->envelope_any = span_is(s, "any");
}

static void
read_subaddress(struct parser *p, struct span s)
{
	if (span_is(s, "none"))
		p->up->subaddress = 0;
	else if (s.len == 1 && ascii_print(s.s[0]) && !ascii_alnum(s.s[0]) && s.s[0] != '@' && s.s[0] != ' ')
		p->up->subaddress = s.s[0];
	else
		fault(p, "subaddress=%.*s: one sign such as + or -, or none, is meant", (int)s.len, s.s);
}

static void
read_schedule(struct parser *p, struct span s)
{
	struct buf why = BUF_INIT(512);

	if (schedule_parse(s, &p->up->schedule, &why) == -1)
		fault(p, "%s", buf_str(&why));
	buf_free(&why);
}

static void
read_time_limit(struct parser *p, struct span s)
{
	if (num_duration(s, TIME_LIMIT_MAX_S, &p->up->time_limit_s) == -1 || p->up->time_limit_s == 0)
		fault(p, "time_limit=%.*s: a time such as 90s, 10m or 1h is meant, up to 1d", (int)s.len, s.s);
}

bool
upstream_finger_parse(struct span s, struct arena *arena, struct upstream_finger *out)
{
	struct span host = s, port = { NULL, 0 };
	const char *colon;

	for (size_t i = 0; i < s.len; i++)
		if (!ascii_print((unsigned char)s.s[i]) || s.s[i] == ' ')
			return false;
	while (memchr(host.s, '@', host.len) != NULL) /* the last: the host in front of it is the other's business */
		span_cut(&host, '@');
	if (host.s == s.s)
		return false;
	*out = (struct upstream_finger){ .user = arena_dupn(arena, s.s, (size_t)(host.s - s.s) - 1) };
	colon = memrchr(host.s, ':', host.len);
	if (colon != NULL && memchr(colon, ']', (size_t)(host.s + host.len - colon)) == NULL) {
		port = (struct span){ colon + 1, (size_t)(host.s + host.len - colon) - 1 };
		host.len = (size_t)(colon - host.s);
		if (num_parse(port, 65535, &out->port) == -1 || out->port == 0)
			return false;
	}
	if (host.len > 2 && host.s[0] == '[' && host.s[host.len - 1] == ']')
		host = (struct span){ host.s + 1, host.len - 2 };
	out->host = arena_dupn(arena, host.s, host.len);
	return host.len > 0;
}

static void
read_wake(struct parser *p, struct span s)
{
	struct upstream_finger finger;
	struct span rest = s, how = span_cut(&rest, ':');
	struct words words;

	if (s.len > 1 && s.s[0] == '!') {
		p->up->wake_how = UPSTREAM_WAKE_COMMAND;
		p->up->wake = keep(p, (struct span){ s.s + 1, s.len - 1 });
		if (words_parse(span_of(p->up->wake), p->arena, &words, p->why) == -1 || words.n == 0)
			fault(p, "wake=!: which command?");
	} else if (span_is(how, "finger") && rest.s != NULL && upstream_finger_parse(rest, p->arena, &finger)) {
		p->up->wake_how = UPSTREAM_WAKE_FINGER;
		p->up->wake = keep(p, rest);
	} else if (span_is(how, "mail") && rest.s != NULL && rest.len > 0) {
		p->up->wake_how = UPSTREAM_WAKE_MAIL;
		p->up->wake = keep(p, rest);
	} else {
		fault(p, "wake=%.*s: finger:user@host, mail:address or !command is meant", (int)s.len, s.s);
	}
}

static void
read_yes_no(struct parser *p, const char *name, struct span s, bool *out)
{
	*out = span_is(s, "yes");
	if (!*out && !span_is(s, "no"))
		fault(p, "%s=%.*s: yes or no is meant", name, (int)s.len, s.s);
}

static const struct entry_word *
find_word(struct span name)
{
	for (size_t i = 0; i < COUNT(entry_words); i++)
		if (span_is(name, entry_words[i].name))
			return &entry_words[i];
	return NULL;
}

static bool
repeatable(enum type t)
{
	return t == STRINGS || t == WHOLES || t == PAIR || t == PAIR_LIST;
}

static void
read_word(struct parser *p, const struct entry_word *w, struct span value)
{
	void *at = (char *)p->up + w->offset;

	switch (w->type) {
	case TEXT:
		*(const char **)at = keep(p, value);
		break;
	case STRINGS:
		strings_split(p, w->name, at, value);
		break;
	case WHOLES:
		strings_add(p, at, value);
		break;
	case PAIR:
	case PAIR_LIST:
		pair_add(p, w, at, value);
		break;
	case NUMBER:
	case SIZE:
		read_number(p, w, value, at);
		break;
	case YES_NO:
		read_yes_no(p, w->name, value, at);
		break;
	case OTHER:
		w->read(p, value);
		break;
	}
}

static bool
loopback_name(const char *host)
{
	return strcasecmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0 || strcmp(host, "::1") == 0 ||
	    strcmp(host, "[::1]") == 0;
}

static bool
is_user(const struct upstream *up, const char *name)
{
	size_t n = strcspn(name, "@");

	/* users= may be left out in a domain account: then compile and collect know them, not the entry. */
	if (up->users.n == 0)
		return true;
	for (size_t i = 0; i < up->users.n; i++) {
		const char *user = up->users.v[i];

		if (strcasecmp(user, name) == 0)
			return true;
		if (name[n] == '\0' && strcspn(user, "@") == n && strncasecmp(user, name, n) == 0)
			return true;
	}
	return false;
}

static void
check_users(struct parser *p, const char *word, const struct upstream_pairs *pairs, bool keys, bool values)
{
	for (size_t i = 0; i < pairs->n; i++) {
		const struct upstream_pair *pair = &pairs->v[i];

		if (keys && !is_user(p->up, pair->key))
			fault(p, "%s=%s:...: %s is not among users=", word, pair->key, pair->key);
		for (size_t k = 0; values && k < pair->values.n; k++)
			if (!is_user(p->up, pair->values.v[k]))
				fault(p, "%s=%s:...: %s is not among users=", word, pair->key, pair->values.v[k]);
	}
}

/* Sorting knows people by their local part, so it must be one person's. */
static void
check_names(struct parser *p)
{
	const struct upstream_strings *users = &p->up->users;

	for (size_t i = 0; i < users->n; i++)
		for (size_t k = 0; k < i; k++) {
			size_t n = strcspn(users->v[i], "@");

			if (strcspn(users->v[k], "@") == n && strncasecmp(users->v[i], users->v[k], n) == 0)
				fault(p, "users=: %s and %s have the same name: collect for them with two accounts",
				    users->v[k], users->v[i]);
		}
}

static void
check_kind(struct parser *p)
{
	const struct upstream *up = p->up;

	switch (up->kind) {
	case UPSTREAM_DOMAIN:
		if (up->domains.n == 0)
			fault(p, "domain= is missing: which domain's mail does this mailbox hold?");
		break;
	case UPSTREAM_SHARED:
		if (up->mailboxes.n == 0)
			fault(p, "mailbox= is missing: which address do the users share?");
		if (up->users.n == 0)
			fault(p, "users= is missing: who shares this address?");
		break;
	case UPSTREAM_SINGLE:
		if (up->users.n != 1)
			fault(p, "users= must name the one person who gets this mail");
		break;
	default:
		fault(p, "kind= is missing: domain, shared or single");
	}
	if (up->fallback == NULL && up->kind != UPSTREAM_SINGLE)
		fault(p, "fallback= is missing: who gets what is nobody else's?");
}

static uint64_t
default_port(const struct upstream *up)
{
	bool tls = up->tls == UPSTREAM_TLS_IMPLICIT;

	switch (up->protocol) {
	case UPSTREAM_IMAP:
		return tls ? 993 : 143;
	case UPSTREAM_ETRN:
		return tls ? 465 : 25;
	case UPSTREAM_ATRN:
		return 366;
	default:
		return tls ? 995 : 110;
	}
}

bool
upstream_has_mailbox(const struct upstream *up)
{
	return up->protocol == UPSTREAM_POP3 || up->protocol == UPSTREAM_IMAP;
}

bool
upstream_secret_command(const struct upstream *up, struct span *command)
{
	if (up->secret == NULL || up->secret[0] != '!')
		return false;
	*command = span_of(up->secret + 1);
	return true;
}

/* A token comes from tokend, which needs to know whom to ask, or, like a password, from secret=. */
static void
check_provider(struct parser *p)
{
	const struct upstream *up = p->up;

	if (up->provider == NULL) {
		if (up->client_id != NULL || up->tenant != NULL || up->scope != NULL)
			fault(p, "client_id=, tenant= and scope= go with provider=");
		return;
	}
	if (up->auth != UPSTREAM_AUTH_OAUTH)
		fault(p, "provider= goes with auth=oauth");
	if (up->secret != NULL)
		fault(p, "provider= and secret=: the token can come from one of them only");
	if (up->client_id == NULL || *up->client_id == '\0')
		fault(p, "client_id= is missing: the name that the provider gave to your application");
	if (up->tenant != NULL && !provider_tenant_ok(up->tenant))
		fault(p, "tenant=%s: letters, digits, \"-\" and \".\" only", up->tenant);
}

static void
check_folder(struct parser *p, const char *word, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			n = 0;
	if (n == 0 || n > FOLDER_MAX || !utf8_valid(name, n))
		fault(p, "%s=%s: the name of a folder is meant, in UTF-8, at most %d octets", word, name, FOLDER_MAX);
}

/* Words that only an IMAP account can have. */
static void
check_folders(struct parser *p)
{
	const struct upstream *up = p->up;

	if (up->protocol != UPSTREAM_IMAP) {
		if (up->folders.n > 0 || up->move_to != NULL || up->mark_seen || up->idle)
			fault(p, "folder=, move_to=, mark=seen and idle=yes go with protocol=imap");
		return;
	}
	for (size_t i = 0; i < up->folders.n; i++) {
		check_folder(p, "folder", up->folders.v[i]);
		if (up->move_to != NULL && strcmp(up->folders.v[i], up->move_to) == 0)
			fault(p, "move_to=%s is a folder that is collected from", up->move_to);
	}
	if (up->move_to != NULL)
		check_folder(p, "move_to", up->move_to);
	if (up->move_to != NULL && up->keep == UPSTREAM_KEEP_ALL)
		fault(p, "move_to= says where mail goes when it is not kept: keep=all contradicts");
	if (up->folders.n == 0)
		strings_add(p, &p->up->folders, SPAN("INBOX"));
}

static void
check_auth(struct parser *p)
{
	const struct upstream *up = p->up;
	struct span command;
	struct words words;

	if (upstream_secret_command(up, &command) &&
	    (words_parse(command, p->arena, &words, p->why) == -1 || words.n == 0))
		fault(p, "secret=!: which command?");
	if (up->auth == UPSTREAM_AUTH_APOP && up->protocol != UPSTREAM_POP3)
		fault(p, "auth=apop is for POP3 only");
	check_provider(p);
}

/* The account is a mailbox: whose mail is in it? */
static void
check_mailbox(struct parser *p)
{
	struct upstream *up = p->up;

	check_kind(p);
	check_names(p);
	if (up->login == NULL && up->mailboxes.n > 0)
		up->login = up->mailboxes.v[0];
	check_folders(p);
	check_users(p, "alias", &up->aliases, true, false);
	check_users(p, "name", &up->names, true, false);
	check_users(p, "cc", &up->ccs, false, true);
	check_users(p, "list", &up->lists, false, true);
	if (up->fallback == NULL && up->users.n > 0)
		up->fallback = up->users.v[0];
}

/* Nothing but these words, NULL behind them. */
static void
check_only(struct parser *p, const char *const *words, const char *where)
{
	for (size_t i = 0; i < COUNT(entry_words); i++) {
		bool known = !p->seen[i];

		for (size_t k = 0; words[k] != NULL && !known; k++)
			known = strcmp(words[k], entry_words[i].name) == 0;
		if (!known)
			fault(p, "%s= goes with %s", entry_words[i].name, where);
	}
}

/* The account is a queue: its mail comes by SMTP, with recipients. */
static void
check_queue(struct parser *p)
{
	static const char *const words[] = { "protocol", "host", "port", "tls", "ca", "pin", "login", "secret", "auth",
		"provider", "client_id", "tenant", "scope", "domain", "schedule", "time_limit", "wake", "wake_template",
		NULL };

	check_only(p, words, "protocol=pop3 and imap");
	if (p->up->domains.n == 0)
		fault(p, "domain= is missing: which domains' mail waits there?");
	if (p->up->auth == UPSTREAM_AUTH_USER)
		fault(p, "auth=user is for POP3 and IMAP only");
}

/* Nothing is fetched: the provider is woken, and connects to us. */
static void
check_woken(struct parser *p)
{
	static const char *const words[] = { "protocol", "wake", "wake_template", "schedule", "time_limit", NULL };

	check_only(p, words, "the other protocols");
	if (p->up->wake_how == UPSTREAM_WAKE_NONE)
		fault(p, "wake= is missing: how?");
}

static void
check_entry(struct parser *p)
{
	struct upstream *up = p->up;
	bool mailbox = upstream_has_mailbox(up);

	if (up->wake_template != NULL && up->wake_how != UPSTREAM_WAKE_MAIL)
		fault(p, "wake_template= goes with wake=mail:...");
	if (up->protocol == UPSTREAM_WAKE) {
		check_woken(p);
		return;
	}
	if (up->tls == UPSTREAM_TLS_DEFAULT)
		up->tls = mailbox ? UPSTREAM_TLS_IMPLICIT : UPSTREAM_TLS_STARTTLS;
	(mailbox ? check_mailbox : check_queue)(p);
	check_auth(p);
	if (up->host == NULL || *up->host == '\0')
		fault(p, "host= is missing");
	else if (up->tls == UPSTREAM_TLS_NONE && !loopback_name(up->host) &&
	    (up->protocol != UPSTREAM_ETRN || up->login != NULL))
		fault(p, "tls=none would send the password in the clear to %s: use implicit or starttls "
		    "(or, if you must, tls=none!)", up->host);
	if ((up->login == NULL && up->protocol != UPSTREAM_ETRN) || (up->login != NULL && *up->login == '\0'))
		fault(p, "login= is missing");
	if (up->port == 0)
		up->port = default_port(up);
}

int
upstream_parse(struct span value, struct arena *arena, struct upstream *out, struct buf *why)
{
	bool seen[COUNT(entry_words)] = { false };
	struct parser p = { .arena = arena, .up = out, .why = why, .seen = seen };
	struct words words;

	*out = (struct upstream){ .subaddress = '+', .strip_prefix = "",
	    .max_hops = 50 };
	read_schedule(&p, SPAN(SCHEDULE_DEFAULT));
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
		if (seen[known - entry_words] && !repeatable(known->type))
			fault(&p, "%s= stands twice", known->name);
		seen[known - entry_words] = true;
		read_word(&p, known, word->value);
	}
	check_entry(&p);
	return p.failed ? -1 : 0;
}
