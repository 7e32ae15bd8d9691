/*
 * entry: what the value of an entry says.
 *
 * Knows words and their types, map by map. Refuses to know keys, other entries
 * and other maps: whether an address in a value exists is for compile to ask.
 */
#include "router/entry.h"

#include <stddef.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "lib/base/num.h"
#include "lib/mail/domain.h"
#include "lib/mail/path.h"
#include "lib/store/words.h"

/* --- words in general ---------------------------------------------------- */

enum { PLAIN, VALUE };
struct entry_word {
	int form;      /* PLAIN: at is a bool; VALUE: a span, "name=" */
	size_t offset;
};

struct entry_map {
	const char *const *names;       /* as people write them */
	const struct entry_word *words; /* in the same order */
};

const char *const domain_words[] = { "local", "relay", "alias-of=",
	"postmaster=", "catch-all=", "mail_root=", NULL };
const char *const user_words[] = { "name=", "maildir=", "copy-to=", "forward=",
	"rights=", "quota=", "disabled", NULL };
const char *const route_words[] = { "mx", "smarthost=", "on=", NULL };
const char *const access_words[] = { "trust", "reject", "no-relay", "no-local",
	"proxy", "xclient", "etrn=", "disabled", "text=", "device=", "from=", "default-from=", "to=", "rate=", NULL };

const char *const filter_words[] = { "string=", "regex=", "scope=", "case=", "text=", NULL };
const char *const attachment_words[] = { "reject", "accept", "text=", NULL };

static void fault(struct buf *why, const char *, ...) PRINTF_LIKE(2, 3);

static void
fault(struct buf *why, const char *text, ...)
{
	va_list ap;

	if (why->len > 0)
		buf_adds(why, "; ");
	va_start(ap, text);
	buf_addv(why, text, ap);
	va_end(ap);
}

static bool
names_word(const char *name, const struct word *w)
{
	size_t n = strlen(name);

	if (name[n - 1] != '=')
		return w->name.len == 0 && span_is(w->value, name);
	return span_eq(w->name, (struct span){ name, n - 1 });
}

static void
unknown(const struct entry_map *map, const struct word *w, struct buf *why)
{
	struct buf wrong = BUF_INIT(100);
	const char *near;
	size_t i;

	buf_addspan(&wrong, w->name.len > 0 ? w->name : w->value);
	if (w->name.len > 0)
		buf_addc(&wrong, '=');
	near = words_nearest(buf_span(&wrong), map->names);
	fault(why, "there is no word \"%s\" here", buf_str(&wrong));
	if (near != NULL)
		buf_addf(why, ": did you mean %s?", near);
	buf_adds(why, " (known:");
	for (i = 0; map->names[i] != NULL; i++)
		buf_addf(why, " %s", map->names[i]);
	buf_addc(why, ')');
	buf_free(&wrong);
}

static void
take(const struct entry_map *map, const struct word *w, char *entry,
    struct buf *why)
{
	size_t i;

	for (i = 0; map->names[i] != NULL; i++) {
		struct span *value;

		if (!names_word(map->names[i], w))
			continue;
		if (map->words[i].form == PLAIN) {
			*(bool *)(entry + map->words[i].offset) = true;
			return;
		}
		value = (struct span *)(void *)(entry + map->words[i].offset);
		if (value->s != NULL)
			fault(why, "%s is there twice: keep one",
			    map->names[i]);
		else if (w->value.len == 0)
			fault(why, "%s is empty: give it a value or remove it",
			    map->names[i]);
		*value = w->value;
		return;
	}
	unknown(map, w, why);
}

/* "no-relay,no-local" is two words. */
static void
take_plain(const struct entry_map *map, struct span words, char *entry,
    struct buf *why)
{
	struct word w = { { "", 0 }, { "", 0 } };

	while (words.s != NULL) {
		w.value = span_cut(&words, ',');
		take(map, &w, entry, why);
	}
}

/* entry is zeroed by the caller. */
static int
take_words(const struct entry_map *map, struct span text, struct arena *mem,
    void *entry, struct buf *why)
{
	struct words words;
	size_t i, before = why->len;

	if (words_parse(text, mem, &words, why) == -1)
		return -1;
	for (i = 0; i < words.n; i++)
		if (words.w[i].name.len > 0)
			take(map, &words.w[i], entry, why);
		else
			take_plain(map, words.w[i].value, entry, why);
	return why->len == before ? 0 : -1;
}

/* --- domains ------------------------------------------------------------- */

struct domain_read {
	bool local, relay;
	struct domain_entry e;
};
#define IN_DOMAIN(member) offsetof(struct domain_read, member)
static const struct entry_word domain_forms[] = {
	{ PLAIN, IN_DOMAIN(local) }, { PLAIN, IN_DOMAIN(relay) },
	{ VALUE, IN_DOMAIN(e.alias_of) }, { VALUE, IN_DOMAIN(e.postmaster) },
	{ VALUE, IN_DOMAIN(e.catch_all) }, { VALUE, IN_DOMAIN(e.mail_root) },
};

int
entry_domain(struct span text, struct arena *mem, struct domain_entry *out,
    struct buf *why)
{
	static const struct entry_map map = { domain_words, domain_forms };
	struct domain_read d;
	bool alias;

	memset(&d, 0, sizeof(d));
	if (take_words(&map, text, mem, &d, why) == -1)
		return -1;
	*out = d.e;
	alias = d.e.alias_of.s != NULL;
	if (d.local + d.relay + alias != 1) {
		fault(why, "a domain is one of: local, relay, "
		    "alias-of=DOMAIN");
		return -1;
	}
	out->kind = alias ? DOMAIN_ALIAS : d.relay ? DOMAIN_RELAY :
	    DOMAIN_LOCAL;
	if (out->kind != DOMAIN_LOCAL && (d.e.postmaster.s != NULL ||
	    d.e.catch_all.s != NULL || d.e.mail_root.s != NULL)) {
		fault(why, "postmaster=, catch-all= and mail_root= belong to a "
		    "local domain");
		return -1;
	}
	if (d.e.mail_root.s != NULL && d.e.mail_root.s[0] != '/') {
		fault(why, "mail_root= is a path from the root: begin it "
		    "with /");
		return -1;
	}
	return 0;
}

/* --- users --------------------------------------------------------------- */

#define IN_USER(member) offsetof(struct user_entry, member)
static const struct entry_word user_forms[] = {
	{ VALUE, IN_USER(name) }, { VALUE, IN_USER(maildir) },
	{ VALUE, IN_USER(copy_to) }, { VALUE, IN_USER(forward) },
	{ VALUE, IN_USER(rights) }, { VALUE, IN_USER(quota_text) }, { PLAIN, IN_USER(disabled) },
};

/* "smtp,pop3": nothing else, for who mistypes a right has not given it. */
static bool
take_rights(struct span list, unsigned *may)
{
	*may = list.s == NULL ? RIGHT_ALL : 0;
	while (list.s != NULL) {
		struct span word = span_trim(span_cut(&list, ','));

		if (span_is(word, "smtp"))
			*may |= RIGHT_SMTP;
		else if (span_is(word, "pop3"))
			*may |= RIGHT_POP3;
		else
			return false;
	}
	return true;
}

/* A path below the mail root that stays there. */
static bool
stays_inside(struct span path)
{
	struct span part;

	if (path.len == 0 || path.s[0] == '/' ||
	    memchr(path.s, '\0', path.len) != NULL)
		return false;
	while (path.s != NULL) {
		part = span_cut(&path, '/');
		if (span_is(part, "..") || span_is(part, "."))
			return false;
	}
	return true;
}

int
entry_user(struct span text, struct arena *mem, struct user_entry *out,
    struct buf *why)
{
	static const struct entry_map map = { user_words, user_forms };

	memset(out, 0, sizeof(*out));
	if (take_words(&map, text, mem, out, why) == -1)
		return -1;
	if (out->maildir.s != NULL && !stays_inside(out->maildir)) {
		fault(why, "maildir= is a path below the mail root: write it "
		    "without / in front and without ..");
		return -1;
	}
	if (!take_rights(out->rights, &out->may)) {
		fault(why, "rights= is smtp, pop3, or both with a comma between: not %.*s", (int)out->rights.len,
		    out->rights.s);
		return -1;
	}
	if (out->quota_text.s != NULL && quota_parse(out->quota_text, &out->quota) == -1) {
		fault(why, "quota= is octets, messages, or both with a comma between, as in 2G,50000msgs: not %.*s",
		    (int)out->quota_text.len, out->quota_text.s);
		return -1;
	}
	if (out->forward.s != NULL && out->copy_to.s != NULL) {
		fault(why, "copy-to= keeps the mail here and forward= does "
		    "not: use one of them");
		return -1;
	}
	return 0;
}

/* --- aliases ------------------------------------------------------------- */

bool
entry_next_address(struct span *rest, struct span *address)
{
	bool inside = false;
	size_t i;

	if (rest->s == NULL || rest->len == 0)
		return false;
	for (i = 0; i < rest->len && (inside || rest->s[i] != ','); i++) {
		if (rest->s[i] == '"')
			inside = !inside;
		else if (inside && rest->s[i] == '\\' && i + 1 < rest->len)
			i++;
	}
	*address = span_trim((struct span){ rest->s, i });
	if (i == rest->len)
		*rest = (struct span){ NULL, 0 };
	else
		*rest = (struct span){ rest->s + i + 1, rest->len - i - 1 };
	return true;
}

/* "post=POLICY" in front of the addresses. */
static int
take_post(struct span *text, enum alias_post *post, struct buf *why)
{
	static const char *const policies[] = { "anybody", "auth", "auth-if-remote-members" };
	struct span rest, word;
	size_t i = 0;

	*post = POST_ANYBODY;
	if (!span_begins(*text, "post=", &rest))
		return 0;
	rest = span_trim(rest);
	word = span_cut(&rest, ' ');
	while (i < COUNT(policies) && !span_is(word, policies[i]))
		i++;
	if (i == COUNT(policies)) {
		fault(why, "post=%.*s: anybody, auth or auth-if-remote-members is meant", (int)word.len, word.s);
		return -1;
	}
	*post = (enum alias_post)i;
	*text = span_trim(rest.s == NULL ? SPAN("") : rest);
	return 0;
}

int
entry_alias(struct span text, struct alias_entry *out, struct buf *why)
{
	size_t i;

	text = span_trim(text);
	if (take_post(&text, &out->post, why) == -1)
		return -1;
	out->kind = ALIAS_TO;
	out->text = text;
	if (span_begins(text, ":reject:", &out->text))
		out->kind = ALIAS_REJECT;
	else if (span_begins(text, ":discard:", &out->text))
		out->kind = ALIAS_DISCARD;
	out->text = span_trim(out->text);
	if (text.len == 0)
		fault(why, "an alias needs addresses, :reject: or :discard:");
	else if (out->kind != ALIAS_TO && out->post != POST_ANYBODY)
		fault(why, "post= belongs to addresses");
	else if (out->kind == ALIAS_TO && text.s[0] == ':')
		fault(why, "no special alias is called \"%.*s\": there are "
		    ":reject: and :discard:", (int)text.len, text.s);
	else if (out->kind == ALIAS_TO && text.s[0] == '|')
		fault(why, "this release does not deliver to commands yet");
	else if (out->kind == ALIAS_DISCARD && out->text.len > 0)
		fault(why, "nothing follows :discard:");
	else if (out->kind == ALIAS_REJECT && out->text.len > 400)
		fault(why, "the text is longer than 400 octets");
	else {
		for (i = 0; i < out->text.len; i++)
			if (out->kind == ALIAS_REJECT &&
			    !ascii_print((unsigned char)out->text.s[i])) {
				fault(why, "the text may hold printable ASCII "
				    "only: it becomes an SMTP reply");
				return -1;
			}
		return 0;
	}
	return -1;
}

/* --- routes -------------------------------------------------------------- */

struct route_read {
	bool mx;
	struct span smarthost, on;
};
#define IN_ROUTE(member) offsetof(struct route_read, member)
static const struct entry_word route_forms[] = {
	{ PLAIN, IN_ROUTE(mx) }, { VALUE, IN_ROUTE(smarthost) }, { VALUE, IN_ROUTE(on) },
};

static bool
host_name(struct span s)
{
	size_t i;

	if (s.len == 0 || s.len > LIMIT_DOMAIN || s.s[0] == '.' ||
	    s.s[0] == '-' || domain_check(s) == -1)
		return false;
	for (i = 0; i < s.len; i++)
		if (!ascii_alnum((unsigned char)s.s[i]) && s.s[i] != '-' &&
		    s.s[i] != '.' && s.s[i] != '_')
			return false;
	return true;
}

/* [192.0.2.1], [2001:db8::1], [IPv6:2001:db8::1] or a plain IPv4 address. */
static bool
host_address(struct span s, struct ip *ip)
{
	if (s.len > 2 && s.s[0] == '[' && s.s[s.len - 1] == ']')
		return ip_literal_parse(s, ip) == 0 ||
		    ip_parse((struct span){ s.s + 1, s.len - 2 }, ip) == 0;
	return ip_parse(s, ip) == 0;
}

int
entry_next_host(struct span *rest, uint64_t port, struct buf *host,
    struct buf *why)
{
	struct span one, name, number;
	struct ip ip;
	size_t i;

	if (rest->s == NULL)
		return 0;
	one = name = span_trim(span_cut(rest, ','));
	for (i = one.len; i > 0 && ascii_digit(one.s[i - 1]); i--)
		continue;
	if (i > 1 && one.s[i - 1] == ':' && (one.s[0] != '[' ||
	    one.s[i - 2] == ']')) {
		name.len = i - 1;
		number = (struct span){ one.s + i, one.len - i };
		if (num_parse(number, 65535, &port) == -1 || port == 0) {
			fault(why, "\"%.*s\" has no port from 1 to 65535",
			    (int)one.len, one.s);
			return -1;
		}
	}
	if (host_address(name, &ip))
		ip_add_literal(host, &ip);
	else if (host_name(name))
		domain_key(name, host);
	else {
		fault(why, "\"%.*s\" is no host: write NAME, NAME:PORT, "
		    "[ADDRESS] or [ADDRESS]:PORT", (int)one.len, one.s);
		return -1;
	}
	buf_addf(host, ":%llu", (unsigned long long)port);
	return 1;
}

int
entry_route(struct span text, struct arena *mem, struct route_entry *out,
    struct buf *why)
{
	static const struct entry_map map = { route_words, route_forms };
	struct buf host = BUF_INIT(2 * LIMIT_DOMAIN);
	struct route_read r;
	struct span rest;
	int rv;

	memset(&r, 0, sizeof(r));
	if (take_words(&map, text, mem, &r, why) == -1)
		return -1;
	if (r.mx == (r.smarthost.s != NULL)) {
		fault(why, "a route is one of: mx, smarthost=HOST");
		return -1;
	}
	if (r.on.s != NULL && !span_is(r.on, "link")) {
		fault(why, "on=%.*s: link is meant", (int)r.on.len, r.on.s);
		return -1;
	}
	out->on_link = r.on.s != NULL;
	out->kind = r.mx ? ROUTE_MX : ROUTE_SMARTHOST;
	out->hosts = rest = r.smarthost;
	while ((rv = entry_next_host(&rest, 25, &host, why)) == 1)
		buf_reset(&host);
	buf_free(&host);
	return rv;
}

/* --- access -------------------------------------------------------------- */

static int
check_text(struct span text, struct buf *why)
{
	for (size_t i = 0; text.s != NULL && i < text.len; i++)
		if (!ascii_print((unsigned char)text.s[i]) || i >= 400) {
			fault(why, "text= may hold up to 400 octets of "
			    "printable ASCII: it becomes an SMTP reply");
			return -1;
		}
	return 0;
}

#define IN_ACCESS(member) offsetof(struct access_entry, member)
static const struct entry_word access_forms[] = {
	{ PLAIN, IN_ACCESS(trust) }, { PLAIN, IN_ACCESS(reject) },
	{ PLAIN, IN_ACCESS(no_relay) }, { PLAIN, IN_ACCESS(no_local) },
	{ PLAIN, IN_ACCESS(proxy) }, { PLAIN, IN_ACCESS(xclient) },
	{ VALUE, IN_ACCESS(etrn) },
	{ PLAIN, IN_ACCESS(disabled) },
	{ VALUE, IN_ACCESS(text) },
	{ VALUE, IN_ACCESS(device) }, { VALUE, IN_ACCESS(from) },
	{ VALUE, IN_ACCESS(default_from) }, { VALUE, IN_ACCESS(to) },
	{ VALUE, IN_ACCESS(rate) },
};

/* "example.net,.example.net": with a dot in front the domains below. */
static int
check_etrn(struct span list, struct buf *why)
{
	while (list.s != NULL) {
		struct span one = span_trim(span_cut(&list, ','));
		struct buf address = BUF_INIT(2 * LIMIT_DOMAIN);
		struct path p;
		bool fine;

		buf_adds(&address, "x@");
		if (one.len > 0 && one.s[0] == '.')
			one = (struct span){ one.s + 1, one.len - 1 };
		buf_addspan(&address, one);
		fine = !buf_over(&address) && one.len > 0 && one.s[0] != '[' &&
		    path_parse_address(address.s, address.len, &p) == 0 && p.domain.len > 0;
		buf_free(&address);
		if (!fine) {
			fault(why, "etrn=: \"%.*s\" is no domain name; write etrn=DOMAIN,.DOMAIN", (int)one.len, one.s);
			return -1;
		}
	}
	return 0;
}

#define RATE_MAX 1000000 /* an hour */
#define DEVICE_NAME 63   /* octets */

static bool
address_with_domain(struct span text)
{
	struct path p;

	return path_parse_address(text.s, text.len, &p) == 0 && p.domain.len > 0;
}

/* ADDRESS, NAME, @DOMAIN or * */
static bool
rcpt_pattern(struct span text)
{
	struct path p;

	if (span_is(text, "*"))
		return true;
	if (text.len > 1 && text.s[0] == '@')
		return domain_check((struct span){ text.s + 1, text.len - 1 }) == 0;
	return path_parse_address(text.s, text.len, &p) == 0;
}

static bool
check_device_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_alnum((unsigned char)name.s[i]) && strchr(".-_", name.s[i]) == NULL)
			return false;
	return name.len <= DEVICE_NAME;
}

static int
check_device(struct access_entry *a, struct buf *why)
{
	size_t before = why->len;
	struct span to = a->to, one, number, unit = a->rate;

	if (!check_device_name(a->device))
		fault(why, "device= is a short name for the log: letters, digits, \".\", \"-\" and \"_\"");
	if (a->from.s != NULL && a->default_from.s != NULL)
		fault(why, "from= is every message's sender, so default-from= never counts: use one of them");
	if (a->from.s != NULL && !address_with_domain(a->from))
		fault(why, "from=%.*s is no address: write NAME@DOMAIN", (int)a->from.len, a->from.s);
	if (a->default_from.s != NULL && !address_with_domain(a->default_from))
		fault(why, "default-from=%.*s is no address: write NAME@DOMAIN", (int)a->default_from.len, a->default_from.s);
	while (entry_next_address(&to, &one))
		if (!rcpt_pattern(one))
			fault(why, "to=%.*s: write addresses, @DOMAIN, or * for everybody, with commas between", (int)a->to.len,
			    a->to.s);
	if (a->rate.s != NULL) {
		number = span_cut(&unit, '/');
		if (!span_is(unit, "h") || num_parse(number, RATE_MAX, &a->per_hour) == -1 || a->per_hour == 0)
			fault(why, "rate=%.*s: messages an hour are meant, as in rate=60/h", (int)a->rate.len, a->rate.s);
	}
	return why->len == before ? 0 : -1;
}

/* A device is all that it is: what it may is said by its own words. */
static int
check_alone(const struct access_entry *a, struct buf *why)
{
	if (a->trust || a->reject || a->no_relay || a->no_local || a->proxy || a->xclient || a->etrn.s != NULL) {
		fault(why, "device= excludes trust, reject, no-relay, no-local, proxy, xclient and etrn=: to= says whom it may "
		    "write to");
		return -1;
	}
	return 0;
}

/* Of a network, a name or an address that is no device. NULL: they fit each other. */
static const char *
access_clash(const struct access_entry *a)
{
	bool speaks = a->proxy || a->xclient || a->etrn.s != NULL;

	if (a->from.s != NULL || a->default_from.s != NULL || a->to.s != NULL || a->rate.s != NULL)
		return "from=, default-from=, to= and rate= belong to device=NAME";
	if (!a->trust && !a->reject && !a->no_relay && !a->no_local && !speaks)
		return "say what to do: trust, reject, no-relay, no-local, proxy, xclient, etrn=DOMAIN or device=NAME";
	if (a->trust + a->reject + (a->no_relay || a->no_local) > 1)
		return "trust, reject and no-relay/no-local exclude each other";
	if (a->reject && speaks)
		return "who is rejected can say nothing: reject excludes proxy, xclient and etrn";
	return a->text.len > 0 && !a->reject ? "text= belongs to reject" : NULL;
}

int
entry_access(struct span text, struct arena *mem, struct access_entry *out,
    struct buf *why)
{
	static const struct entry_map map = { access_words, access_forms };
	const char *clash;

	memset(out, 0, sizeof(*out));
	if (take_words(&map, text, mem, out, why) == -1)
		return -1;
	if (out->device.s != NULL)
		return check_alone(out, why) == 0 ? check_device(out, why) : -1;
	clash = access_clash(out);
	if (clash != NULL) {
		fault(why, "%s", clash);
		return -1;
	}
	if (out->etrn.len > 0)
		return check_etrn(out->etrn, why);
	return check_text(out->text, why);
}

/* --- filters, attachments ------------------------------------------------ */

struct filter_read {
	struct span string, regex, scope, cases, text;
};
#define IN_FILTER(member) offsetof(struct filter_read, member)
static const struct entry_word filter_forms[] = {
	{ VALUE, IN_FILTER(string) }, { VALUE, IN_FILTER(regex) },
	{ VALUE, IN_FILTER(scope) }, { VALUE, IN_FILTER(cases) }, { VALUE, IN_FILTER(text) },
};

static bool
filter_scopes(struct span list, unsigned *out, struct buf *why)
{
	static const struct { const char *name; unsigned scope; } scopes[] = {
		{ "header", FILTER_HEADER }, { "body", FILTER_BODY }, { "envelope", FILTER_ENVELOPE },
		{ "any", FILTER_HEADER | FILTER_BODY },
	};

	while (list.s != NULL) {
		struct span word = span_cut(&list, ',');
		size_t i = 0;

		while (i < COUNT(scopes) && !span_is(word, scopes[i].name))
			i++;
		if (i == COUNT(scopes)) {
			fault(why, "scope=%.*s: header, body, envelope or any (header and body) is meant, or several with commas between",
			    (int)word.len, word.s);
			return false;
		}
		*out |= scopes[i].scope;
	}
	return true;
}

/* Something must be looked for, not only '*' and blanks. */
static bool
filter_string(struct span s, struct buf *why)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += s.s[i] != '*' && !ascii_space((unsigned char)s.s[i]);
	if (n < 2)
		fault(why, "string=%.*s would match almost everything: two characters at least", (int)s.len, s.s);
	else if (s.len > FILTER_STRING)
		fault(why, "the string is longer than %d octets", FILTER_STRING);
	else
		return true;
	return false;
}

static bool
filter_sought(const struct filter_read *f, struct buf *why)
{
	if ((f->string.s == NULL) == (f->regex.s == NULL)) {
		fault(why, f->string.s == NULL ? "string=\"...\" or regex=\"...\" is missing: what shall be looked for?" :
		    "string= and regex= do not go together: make two rules of it");
		return false;
	}
	return f->regex.s != NULL || filter_string(f->string, why);
}

int
entry_filter(struct span text, struct arena *mem, struct filter_entry *out, struct buf *why)
{
	static const struct entry_map map = { filter_words, filter_forms };
	struct filter_read f;

	memset(out, 0, sizeof(*out));
	memset(&f, 0, sizeof(f));
	if (take_words(&map, text, mem, &f, why) == -1 || !filter_sought(&f, why))
		return -1;
	if (!filter_scopes(f.scope.s == NULL ? SPAN("header") : f.scope, &out->scopes, why))
		return -1;
	if (f.cases.s != NULL && !span_is(f.cases, "yes") && !span_is(f.cases, "no")) {
		fault(why, "case=%.*s: yes or no is meant", (int)f.cases.len, f.cases.s);
		return -1;
	}
	out->fold = f.cases.s == NULL || span_is(f.cases, "no");
	out->string = f.string;
	out->regex = f.regex;
	out->text = f.text;
	return check_text(f.text, why);
}

#define IN_ATTACHMENT(member) offsetof(struct attachment_entry, member)
static const struct entry_word attachment_forms[] = {
	{ PLAIN, IN_ATTACHMENT(reject) }, { PLAIN, IN_ATTACHMENT(accept) }, { VALUE, IN_ATTACHMENT(text) },
};

int
entry_attachment(struct span text, struct arena *mem, struct attachment_entry *out, struct buf *why)
{
	static const struct entry_map map = { attachment_words, attachment_forms };

	memset(out, 0, sizeof(*out));
	if (take_words(&map, text, mem, out, why) == -1)
		return -1;
	if (out->accept + out->reject != 1) {
		fault(why, "say what to do: reject or accept");
		return -1;
	}
	if (out->accept && out->text.s != NULL) {
		fault(why, "text= belongs to reject");
		return -1;
	}
	return check_text(out->text, why);
}
