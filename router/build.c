/*
 * build: one text map after another becomes a table.
 *
 * Knows the keys and values of each map by itself; what only several maps
 * together can tell is for check.c. Streams: what is kept of an entry is 8
 * octets (map.c), so that a million users compile in little memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "lib/base/num.h"
#include "lib/mail/domain.h"
#include "lib/mail/path.h"
#include "lib/mail/uni.h"
#include "lib/store/passwd.h"
#include "lib/store/provider.h"
#include "lib/store/regex.h"
#include "lib/store/upstream.h"
#include "lib/store/words.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"
#include "router/compile.h"
#include "router/lookup.h"
#include "router/maptext.h"
#include "router/prefixes.h"

struct build {
	struct compile *c;
	enum map_name map;
	struct maptext *text;
	struct map_writer *out;
	struct arena *mem;   /* of one entry */
	struct buf key, why; /* of one entry */
	bool full;           /* the table cannot be written: said once */
	/* domains */
	unsigned long local_domains;
	char *first_local;
	/* access */
	bool bits4[33], bits6[129];
	bool has_rcpt, has_at;
	bool without_scram; /* somebody has a hash and no verifier */
};

/* --- entries ------------------------------------------------------------- */

static void
cannot_write(struct build *b)
{
	b->full = true;
	report_error(b->c->report, b->c->files[b->map], 0, "cannot write the table: %s", strerror(errno));
}

static void
put(struct build *b, struct span key, const struct map_entry_text *e)
{
	unsigned first;
	int rv;

	if (b->full)
		return;
	rv = map_put(b->out, key, e->line, e->value, &first);
	if (rv == 1)
		maptext_error(b->text, "%.*s is in line %u already: keep one "
		    "of them", (int)key.len, key.s, first);
	else if (rv == -1 && errno == EMSGSIZE)
		maptext_error(b->text, "the entry is too long");
	else if (rv == -1)
		cannot_write(b);
	else
		b->c->counts[b->map]++;
}

/* What a checker of a value said, if it said no. */
static bool
fine(struct build *b, int rv)
{
	if (rv == 0)
		return true;
	maptext_error(b->text, "%s", buf_str(&b->why));
	return false;
}

/* NAME as the key of a domain, behind prefix. */
static bool
domain_into_key(struct build *b, const char *prefix, struct span name)
{
	struct buf address = BUF_INIT(2 * LIMIT_DOMAIN);
	struct path p;
	bool ok;

	buf_adds(&address, "x@");
	buf_addspan(&address, name);
	ok = !buf_over(&address) && name.len > 0 && name.s[0] != '[' &&
	    path_parse_address(address.s, address.len, &p) == 0 &&
	    p.domain.len > 0;
	if (ok) {
		buf_adds(&b->key, prefix);
		domain_key(p.domain, &b->key);
	} else
		maptext_error(b->text, "\"%.*s\" is no domain name",
		    (int)name.len, name.s);
	buf_free(&address);
	return ok;
}

/* An address as key; a bare name is one of the default domain. */
static bool
address_into_key(struct build *b, const char *prefix, struct span text,
    bool may_be_bare)
{
	struct path p;

	if (path_parse_address(text.s, text.len, &p) == -1) {
		maptext_error(b->text, "\"%.*s\" is no address: write "
		    "NAME@DOMAIN", (int)text.len, text.s);
		return false;
	}
	if (p.domain.len == 0 && !may_be_bare) {
		maptext_error(b->text, "\"%.*s\" has no domain: write "
		    "NAME@DOMAIN", (int)text.len, text.s);
		return false;
	}
	if (p.domain.len == 0 && b->c->default_domain[0] == '\0') {
		maptext_error(b->text, "\"%.*s\" has no domain and there is no "
		    "default domain: write NAME@DOMAIN, or set default_domain "
		    "in posthouse.conf", (int)text.len, text.s);
		return false;
	}
	if (p.domain.len == 0)
		p.domain = span_of(b->c->default_domain);
	buf_adds(&b->key, prefix);
	path_key(&p, &b->key);
	return true;
}

/* Every address of a list in a value must be one. */
static void
check_addresses(struct build *b, const char *word, struct span list)
{
	struct span address;
	struct path p;

	while (entry_next_address(&list, &address))
		if (address.len == 0 || path_parse_address(address.s,
		    address.len, &p) == -1)
			maptext_error(b->text, "%s\"%.*s\" is no address",
			    word, (int)address.len, address.s);
}

/* --- the maps ------------------------------------------------------------ */

/* An entry whose value is wrong is put too: nothing will be published, and
 * check.c shall not say that it is missing. */

static void
take_domain(struct build *b, const struct map_entry_text *e)
{
	struct domain_entry d;

	if (!domain_into_key(b, "", e->key))
		return;
	put(b, buf_span(&b->key), e);
	if (!fine(b, entry_domain(e->value, b->mem, &d, &b->why)))
		return;
	if (d.postmaster.len > 0)
		check_addresses(b, "postmaster=", d.postmaster);
	if (d.catch_all.len > 0)
		check_addresses(b, "catch-all=", d.catch_all);
	if (d.kind == DOMAIN_LOCAL && ++b->local_domains == 1)
		b->first_local = mem_dupn(b->key.s, b->key.len);
}

static void
take_user(struct build *b, const struct map_entry_text *e)
{
	struct user_entry u;

	if (!address_into_key(b, "", e->key, true))
		return;
	put(b, buf_span(&b->key), e);
	if (!fine(b, entry_user(e->value, b->mem, &u, &b->why)))
		return;
	check_addresses(b, "copy-to=", u.copy_to);
	check_addresses(b, "forward=", u.forward);
}

static void
take_alias(struct build *b, const struct map_entry_text *e)
{
	struct alias_entry a;
	bool whole = e->key.len > 0 && e->key.s[0] == '@';

	if (whole ? !domain_into_key(b, "@", (struct span){ e->key.s + 1,
	    e->key.len - 1 }) : !address_into_key(b, "", e->key, true))
		return;
	put(b, buf_span(&b->key), e);
	if (fine(b, entry_alias(e->value, &a, &b->why)) && a.kind == ALIAS_TO)
		check_addresses(b, "", a.text);
}

/* Cut "from:" off a key, in any case. */
static bool
cut_prefix(struct span *key, const char *prefix)
{
	size_t n = strlen(prefix);

	if (key->len < n || !ascii_caseeq(key->s, prefix, n))
		return false;
	*key = (struct span){ key->s + n, key->len - n };
	return true;
}

/* An address, @DOMAIN or <> behind a prefix: a sender. */
static bool
sender_into_key(struct build *b, const char *prefix, struct span sender)
{
	if (span_is(sender, "<>")) {
		buf_adds(&b->key, prefix);
		buf_adds(&b->key, "<>");
		return true;
	}
	if (sender.len > 0 && sender.s[0] == '@') {
		buf_adds(&b->key, prefix);
		return domain_into_key(b, "@", (struct span){ sender.s + 1,
			sender.len - 1 });
	}
	return address_into_key(b, prefix, sender, false);
}

static bool
route_key(struct build *b, struct span key)
{
	if (span_is(key, "*")) {
		buf_addc(&b->key, '*');
		return true;
	}
	if (cut_prefix(&key, "from:"))
		return sender_into_key(b, "from:", key);
	if (key.len > 0 && key.s[0] == '.')
		return domain_into_key(b, ".", (struct span){ key.s + 1,
			key.len - 1 });
	if (key.len > 0 && memchr(key.s, '@', key.len) != NULL) {
		maptext_error(b->text, "routes go by domain: write DOMAIN, "
		    ".DOMAIN, *, from:ADDRESS or from:@DOMAIN");
		return false;
	}
	return domain_into_key(b, "", key);
}

static void
take_route(struct build *b, const struct map_entry_text *e)
{
	struct route_entry r;

	if (route_key(b, e->key) &&
	    fine(b, entry_route(e->value, b->mem, &r, &b->why)))
		put(b, buf_span(&b->key), e);
}

struct network {
	struct build *b;
	const struct map_entry_text *e;
};

static void
put_prefix(void *arg, const struct ip_prefix *p)
{
	struct network *n = arg;
	struct build *b = n->b;

	buf_reset(&b->key);
	access_key(&b->key, p);
	(p->ip.v6 ? b->bits6 : b->bits4)[p->bits] = true;
	put(b, buf_span(&b->key), n->e);
}

/* Of a disabled entry only the key is checked. */
static void
no_prefix(void *arg, const struct ip_prefix *p)
{
	(void)arg;
	(void)p;
}

/* ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT, *:PORT */
static bool
place_parse(struct span text, struct ip *ip, bool *any, uint64_t *port)
{
	struct span number, host;
	size_t i;

	*port = 0;
	*any = false;
	if (ip_parse(text, ip) == 0)
		return true;
	for (i = text.len; i > 0 && text.s[i - 1] != ':';)
		i--;
	if (i == 0)
		return false;
	host = (struct span){ text.s, i - 1 };
	number = (struct span){ text.s + i, text.len - i };
	if (num_parse(number, 65535, port) == -1 || *port == 0)
		return false;
	if (span_is(host, "*"))
		return *any = true;
	if (host.len > 2 && host.s[0] == '[' && host.s[host.len - 1] == ']')
		host = (struct span){ host.s + 1, host.len - 2 };
	return ip_parse(host, ip) == 0;
}

static bool
at_key(struct build *b, struct span key)
{
	uint64_t port;
	struct ip ip;
	bool any;

	if (!place_parse(key, &ip, &any, &port)) {
		maptext_error(b->text, "at:%.*s: write at:ADDRESS, at:ADDRESS:PORT, at:[IPV6]:PORT or at:*:PORT", (int)key.len,
		    key.s);
		return false;
	}
	access_at_key(&b->key, any ? NULL : &ip, (uint16_t)port);
	return true;
}

static bool
rcpt_key(struct build *b, const struct access_entry *a, struct span key)
{
	if (!a->reject) {
		maptext_error(b->text, "recipients can only be refused: rcpt: goes with reject");
		return false;
	}
	if (key.len > 0 && key.s[0] == '@') {
		buf_adds(&b->key, "rcpt:");
		return domain_into_key(b, "@", (struct span){ key.s + 1, key.len - 1 });
	}
	return address_into_key(b, "rcpt:", key, true);
}

static void
helo_key(struct build *b, struct span key)
{
	buf_adds(&b->key, "helo:");
	buf_addspan(&b->key, key);
	ascii_lowern(b->key.s, b->key.len);
}

/* What a client says of itself can be refused, never trusted. */
static bool
claim_is_fine(struct build *b, const struct access_entry *a)
{
	if (!a->trust && !a->proxy && !a->xclient && a->etrn.s == NULL && a->device.s == NULL)
		return true;
	maptext_error(b->text, "a sender and a HELO name are what a "
	    "stranger claims: %s goes with addresses only",
	    a->trust ? "trust" : a->proxy ? "proxy" : a->xclient ? "xclient" : a->etrn.s != NULL ? "etrn" : "device=");
	return false;
}

/* What a downloaded list holds: ADDRESS, DOMAIN, @DOMAIN or *@DOMAIN, on a line. Twice is once. */
static void
take_listed(struct build *b, const struct map_entry_text *item, const struct map_entry_text *e)
{
	struct span key = item->key;
	unsigned first;
	bool good;

	if (key.len > 1 && key.s[0] == '*' && key.s[1] == '@')
		key = (struct span){ key.s + 1, key.len - 1 };
	if (item->value.len > 0) {
		maptext_error(b->text, "one address or domain stands on a line of a list, and nothing else");
		return;
	}
	buf_reset(&b->key);
	if (memchr(key.s, '@', key.len) == NULL)
		good = domain_into_key(b, "sender:@", key);
	else
		good = sender_into_key(b, "sender:", key);
	if (!good || b->full)
		return;
	switch (map_put(b->out, buf_span(&b->key), e->line, e->value, &first)) {
	case 0:
		b->c->counts[b->map]++;
		break;
	case -1:
		cannot_write(b);
		break;
	default:
		break;
	}
}

/* sender:file:PATH: all that stand there. The file may come from anywhere, so it runs no commands. */
static void
take_list(struct build *b, struct span path, const struct map_entry_text *e)
{
	char *file = path.len > 0 && path.s[0] == '/' ? mem_dupn(path.s, path.len)
	                                              : mem_fmt("%s/%.*s", b->c->inst->etc, (int)path.len, path.s);
	struct maptext *outer = b->text, *list = NULL;
	struct map_entry_text item;

	if (access(file, R_OK) == -1)
		maptext_error(outer, "cannot read the list %s: %s", file, strerror(errno));
	else
		list = maptext_open(file, b->c->dir_fd, b->c->report);
	if (list != NULL) {
		maptext_only_lines(list);
		b->text = list;
		while (maptext_next(list, &item)) {
			buf_reset(&b->key);
			take_listed(b, &item, e);
		}
		b->text = outer;
		maptext_close(list);
	}
	free(file);
}

static void
take_sender(struct build *b, const struct access_entry *a, struct span key, const struct map_entry_text *e)
{
	if (!claim_is_fine(b, a))
		return;
	if (!cut_prefix(&key, "file:")) {
		if (sender_into_key(b, "sender:", key) && !a->disabled)
			put(b, buf_span(&b->key), e);
	} else if (!a->disabled)
		take_list(b, key, e);
}

#define DIGEST_HEX 64 /* SHA-256 */

/* As openssl x509 -fingerprint prints it, colons or not, or as the log says it. */
static bool
digest_into_key(struct build *b, struct span digest)
{
	buf_adds(&b->key, "cert:");
	for (size_t i = 0; i < digest.len; i++)
		if (digest.s[i] != ':')
			buf_addc(&b->key, (char)ascii_lower((unsigned char)digest.s[i]));
	if (b->key.len == 5 + DIGEST_HEX && strspn(buf_str(&b->key) + 5, "0123456789abcdef") == DIGEST_HEX)
		return true;
	maptext_error(b->text, "cert: wants the SHA-256 fingerprint, 64 hexadecimal digits: "
	    "openssl x509 -noout -fingerprint -sha256 -in FILE");
	return false;
}

/* Of a client with this certificate, or of this name in one that tls_client_ca vouches for. */
static void
take_certificate(struct build *b, const struct map_entry_text *e, const struct access_entry *a)
{
	struct span key = e->key;

	if (cut_prefix(&key, "cert:")) {
		if (!digest_into_key(b, key))
			return;
	} else {
		buf_addspan(&b->key, key);
		ascii_lowern(b->key.s, b->key.len);
	}
	if (a->reject || a->proxy || a->device.s != NULL)
		maptext_error(b->text, "a certificate gives, it does not take away, and is shown late: %s goes with addresses",
		    a->reject ? "reject" : a->proxy ? "proxy" : "device=");
	else if (!a->disabled)
		put(b, buf_span(&b->key), e);
}

static void
take_access(struct build *b, const struct map_entry_text *e)
{
	struct network n = { b, e };
	struct access_entry a;
	struct span key = e->key;

	if (!fine(b, entry_access(e->value, b->mem, &a, &b->why)))
		return;
	if (cut_prefix(&key, "cert:") || cut_prefix(&key, "cert-name:")) {
		take_certificate(b, e, &a);
		return;
	}
	if (cut_prefix(&key, "sender:")) {
		take_sender(b, &a, key, e);
		return;
	}
	if (cut_prefix(&key, "helo:")) {
		helo_key(b, key);
		if (!claim_is_fine(b, &a) || a.disabled)
			return;
	} else if (cut_prefix(&key, "rcpt:")) {
		if (!rcpt_key(b, &a, key) || a.disabled)
			return;
		b->has_rcpt = true;
	} else if (cut_prefix(&key, "at:")) {
		if (!at_key(b, key) || a.disabled)
			return;
		b->has_at = true;
	} else {
		(void)fine(b, prefixes_parse(key, a.disabled ? no_prefix : put_prefix, &n, &b->why));
		return;
	}
	put(b, buf_span(&b->key), e);
}

static void
take_upstream(struct build *b, const struct map_entry_text *e)
{
	struct upstream u;

	buf_addspan(&b->key, e->key);
	put(b, buf_span(&b->key), e);
	(void)fine(b, upstream_parse(e->value, b->mem, &u, &b->why));
}

static void
take_provider(struct build *b, const struct map_entry_text *e)
{
	struct provider p;

	buf_addspan(&b->key, e->key);
	put(b, buf_span(&b->key), e);
	(void)fine(b, provider_parse(e->value, b->mem, &p, &b->why));
}

/* An address, or @DOMAIN for all of a domain whose passwords somebody else knows. */
static bool
passwd_key(struct build *b, const struct map_entry_text *e, bool outside)
{
	bool whole = e->key.len > 0 && e->key.s[0] == '@';

	if (!whole)
		return address_into_key(b, "", e->key, true);
	if (outside)
		return domain_into_key(b, "@", (struct span){ e->key.s + 1, e->key.len - 1 });
	maptext_error(b->text, "a whole domain has no password of its own: {CHECKPASSWORD} or {PAM} may stand here");
	return false;
}

static void
take_passwd(struct build *b, const struct map_entry_text *e)
{
	struct passwd_entry entry;
	int rv = passwd_parse(e->value, &entry, &b->why);
	bool outside = passwd_outside(&entry);

	if (rv == 0 && !entry.scram && entry.kind != PASSWD_LOCKED)
		b->without_scram = true;
	explicit_bzero(&entry, sizeof(entry));
	if (!passwd_key(b, e, outside))
		return;
	if (rv == 0)
		put(b, buf_span(&b->key), e);
	else if (outside)
		maptext_error(b->text, "%s", buf_str(&b->why));
	else
		maptext_error(b->text, "%s: set the password with posthouse user passwd %.*s", buf_str(&b->why),
		    (int)e->key.len, e->key.s);
}

static void
take_secret(struct build *b, const struct map_entry_text *e)
{
	const struct span *password;
	struct words words;

	buf_addspan(&b->key, e->key);
	put(b, buf_span(&b->key), e);
	if (!fine(b, words_parse(e->value, b->mem, &words, &b->why)))
		return;
	password = words_get(&words, "password");
	if (password == NULL || words.n != 1)
		maptext_error(b->text, "a secret has the form NAME "
		    "password=\"...\"");
	else if (password->len > LIMIT_PASSWORD)
		maptext_error(b->text, "the password is longer than %d octets",
		    LIMIT_PASSWORD);
}

/* Each costs something with every message. */
static bool
too_many(struct build *b)
{
	if (b->c->counts[b->map] < CONTENT_RULES)
		return false;
	if (b->c->counts[b->map]++ == CONTENT_RULES)
		maptext_error(b->text, "there are more than %d rules", CONTENT_RULES);
	return true;
}

static bool
regex_fine(struct build *b, const struct filter_entry *f)
{
	struct buf why = BUF_INIT(1000);
	struct regex *r = regex_new(f->regex, f->fold, &why);

	if (r == NULL)
		maptext_error(b->text, "regex=%.*s: %s", (int)f->regex.len, f->regex.s, buf_str(&why));
	regex_free(r);
	buf_free(&why);
	return r != NULL;
}

/* The key is the rule's name. */
static void
take_filter(struct build *b, const struct map_entry_text *e)
{
	struct filter_entry f;

	buf_addspan(&b->key, e->key);
	if (too_many(b) || !fine(b, entry_filter(e->value, b->mem, &f, &b->why)))
		return;
	if (f.regex.s == NULL || regex_fine(b, &f))
		put(b, buf_span(&b->key), e);
}

/* A mask, in quotes if there are blanks in it. */
static void
take_attachment(struct build *b, const struct map_entry_text *e)
{
	struct attachment_entry a;
	struct words words;

	if (too_many(b) || !fine(b, words_parse(e->key, b->mem, &words, &b->why)))
		return;
	if (words.n != 1 || words.w[0].name.len > 0 || words.w[0].value.len == 0 || words.w[0].value.s[0] == ' ') {
		maptext_error(b->text, "the entry begins with a mask of names: *.exe reject");
		return;
	}
	uni_lower(words.w[0].value, &b->key);
	if (fine(b, entry_attachment(e->value, b->mem, &a, &b->why)))
		put(b, buf_span(&b->key), e);
}

/* A map that this release knows by name only. */
static void
take_nothing(struct build *b, const struct map_entry_text *e)
{
	(void)e;
	maptext_error(b->text, "this release has no use for %s yet: remove the "
	    "entry", map_names[b->map]);
}

/* In an order in which each finds what it needs of those before. */
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order people read
static const struct {
	enum map_name map;
	void (*take)(struct build *, const struct map_entry_text *);
	mode_t mode;
	const char *owner; /* NULL: readable for all our programs */
} maps[] = {
	{ MAP_DOMAINS, take_domain, 0644, NULL },
	{ MAP_USERS, take_user, 0644, NULL },
	{ MAP_ALIASES, take_alias, 0644, NULL },
	{ MAP_ROUTES, take_route, 0644, NULL },
	{ MAP_ACCESS, take_access, 0644, NULL },
	{ MAP_UPSTREAMS, take_upstream, 0644, NULL },
	{ MAP_PROVIDERS, take_provider, 0644, NULL },
	{ MAP_SECRETS, take_secret, 0400, USER_COLLECT },
	{ MAP_PASSWD, take_passwd, 0400, USER_AUTH },
	{ MAP_LISTS, take_nothing, 0644, NULL },
	{ MAP_FILTERS, take_filter, 0644, NULL },
	{ MAP_ATTACHMENTS, take_attachment, 0644, NULL },
};

/* --- notes --------------------------------------------------------------- */

static void
put_note(struct build *b, const char *key, struct span value)
{
	unsigned first;

	if (!b->full && map_put(b->out, span_of(key), 0, value, &first) == -1)
		b->full = true; /* map_finish will say why */
}

/* The default domain is what the settings say, else the only local one. */
static void
note_domains(struct build *b)
{
	struct compile *c = b->c;
	struct buf key = BUF_INIT(2 * LIMIT_DOMAIN);
	const char *home = b->first_local == NULL ? "" : b->first_local;

	if (c->conf.default_domain[0] != '\0')
		domain_key(span_of(c->conf.default_domain), &key);
	else if (b->local_domains == 1)
		buf_adds(&key, home);
	c->default_domain = mem_dup(buf_str(&key));
	c->postmaster_domain = mem_dup(key.len > 0 ? buf_str(&key) : home);
	if (key.len > 0)
		put_note(b, NOTE_DEFAULT, buf_span(&key));
	buf_reset(&key);
	buf_addf(&key, "postmaster@%s", c->postmaster_domain);
	if (c->postmaster_domain[0] != '\0')
		put_note(b, NOTE_POSTMASTER, buf_span(&key));
	buf_free(&key);
	free(b->first_local);
}

static void
note_bits(struct build *b, const char *key, const bool *there, size_t n)
{
	struct buf list = BUF_INIT(600);

	while (n-- > 0)
		if (there[n])
			buf_addf(&list, "%s%zu", list.len > 0 ? "," : "", n);
	if (list.len > 0)
		put_note(b, key, buf_span(&list));
	buf_free(&list);
}

/* --- all of it ----------------------------------------------------------- */

static void
take_entries(struct build *b,
    void (*take)(struct build *, const struct map_entry_text *))
{
	struct map_entry_text e;

	while (maptext_next(b->text, &e)) {
		buf_reset(&b->key);
		buf_reset(&b->why);
		take(b, &e);
		arena_reset(b->mem);
	}
	if (b->map == MAP_DOMAINS)
		note_domains(b);
	if (b->map == MAP_PASSWD && b->without_scram)
		put_note(b, NOTE_NO_SCRAM, SPAN("yes"));
	if (b->map == MAP_ACCESS) {
		note_bits(b, NOTE_BITS4, b->bits4, COUNT(b->bits4));
		note_bits(b, NOTE_BITS6, b->bits6, COUNT(b->bits6));
		if (b->has_rcpt)
			put_note(b, NOTE_RCPT, SPAN("yes"));
		if (b->has_at)
			put_note(b, NOTE_AT, SPAN("yes"));
	}
}

static void
build_map(struct compile *c, size_t i)
{
	struct build b = { .c = c, .map = maps[i].map };
	const char *file = c->files[b.map];
	uid_t owner = (uid_t)-1;

	buf_init(&b.key, LIMIT_MAP_LINE);
	buf_init(&b.why, 4000);
	if (maps[i].owner != NULL && proc_privileged())
		owner = proc_uid(maps[i].owner);
	b.text = maptext_open(file, c->dir_fd, c->report);
	b.out = map_create(c->dir_fd, b.map, maps[i].mode, &b.why);
	if (b.out == NULL)
		report_error(c->report, file, 0, "%s", buf_str(&b.why));
	b.mem = arena_new();
	b.full = b.out == NULL;
	if (b.text != NULL)
		take_entries(&b, maps[i].take);
	buf_reset(&b.why);
	if (b.out != NULL && map_finish(b.out, owner, &b.why) == -1)
		report_error(c->report, file, 0, "%s", buf_str(&b.why));
	arena_free(b.mem);
	maptext_close(b.text);
	buf_wipe(&b.key);
	buf_free(&b.key);
	buf_free(&b.why);
}

void
build_maps(struct compile *c)
{
	size_t i;

	for (i = 0; i < COUNT(maps); i++)
		build_map(c, i);
}

void
build_conf(struct compile *c)
{
	struct buf why = BUF_INIT(1 << 20), text = BUF_INIT(1 << 20);

	if (conf_read(&c->conf, c->conf_file, &why) == -1)
		report_lines(c->report, buf_span(&why));
	else if (file_slurp_at(AT_FDCWD, c->conf_file, &text) == -1 &&
	    errno != ENOENT)
		report_error(c->report, c->conf_file, 0, "cannot read: %s",
		    strerror(errno));
	else if (file_replace_at(c->dir_fd, "posthouse.conf", buf_str(&text),
	    text.len, 0644) == -1)
		report_error(c->report, c->conf_file, 0, "cannot copy: %s",
		    strerror(errno));
	buf_free(&why);
	buf_free(&text);
}
