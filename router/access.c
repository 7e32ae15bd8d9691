/*
 * access: who may talk to us, by the map `access`.
 *
 * Knows addresses of clients and of ours, senders, recipients and HELO names as
 * keys. Ranges were cut into prefixes by compile; of several prefixes that hold
 * an address the longest counts, and only that one.
 */
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "lib/base/num.h"
#include "lib/mail/domain.h"
#include "router/lookup.h"

void
access_key(struct buf *out, const struct ip_prefix *prefix)
{
	ip_add(out, &prefix->ip);
	buf_addf(out, "/%u", prefix->bits);
}

void
access_at_key(struct buf *out, const struct ip *ip, uint16_t port)
{
	buf_adds(out, "at:");
	if (ip == NULL)
		buf_addc(out, '*');
	else
		ip_add(out, ip);
	if (port != 0)
		buf_addf(out, "/%u", (unsigned)port);
}

static const char *
text_of(struct span s, struct arena *mem)
{
	return s.s == NULL ? NULL : arena_dupn(mem, s.s, s.len);
}

/* 1: *out is set; 0: no entry, -1: broken. */
static int
find_access(const struct router *r, struct span key, struct arena *mem,
    struct access *out)
{
	struct buf why = BUF_INIT(500);
	struct access_entry a;
	struct map_entry e;
	int found = map_find(r->maps, MAP_ACCESS, key, &e);

	if (found != 1)
		return found;
	if (entry_access(e.value, mem, &a, &why) == -1) {
		buf_free(&why);
		return -1;
	}
	out->trusted = a.trust;
	out->no_relay = a.no_relay;
	out->no_local = a.no_local;
	out->proxy = a.proxy;
	out->xclient = a.xclient;
	out->device = (struct device){ text_of(a.device, mem), text_of(a.from, mem), text_of(a.default_from, mem),
		text_of(a.to, mem), a.per_hour };
	if (a.reject && a.text.len > 0)
		out->reject = arena_dupn(mem, a.text.s, a.text.len);
	else if (a.reject)
		out->reject = "Access denied";
	if (a.etrn.s != NULL)
		out->etrn = arena_dupn(mem, a.etrn.s, a.etrn.len);
	out->line = e.line;
	return 1;
}

/* ip without the bits behind the first n. */
static void
mask(struct ip *ip, uint64_t n)
{
	size_t i, octets = ip->v6 ? 16 : 4;

	for (i = 0; i < octets; i++)
		if (n <= 8 * i)
			ip->octets[i] = 0;
		else if (n < 8 * (i + 1))
			ip->octets[i] &= (uint8_t)(0xff << (8 * (i + 1) - n));
}

void
router_client(const struct router *r, const struct ip *ip, struct access *out,
    struct arena *mem)
{
	struct buf key = BUF_INIT(100);
	struct ip_prefix prefix = { *ip, 0 };
	struct map_entry e;
	struct span bits;
	uint64_t n;

	memset(out, 0, sizeof(*out));
	if (map_find(r->maps, MAP_ACCESS, span_of(ip->v6 ? NOTE_BITS6 :
	    NOTE_BITS4), &e) != 1)
		return;
	/* The longest come first, so what is masked away stays away. */
	for (bits = e.value; bits.s != NULL;) {
		if (num_parse(span_cut(&bits, ','), 128, &n) == -1)
			break;
		mask(&prefix.ip, n);
		prefix.bits = (unsigned)n;
		buf_reset(&key);
		access_key(&key, &prefix);
		if (find_access(r, buf_span(&key), mem, out) != 0)
			break;
	}
	buf_free(&key);
}

/* ADDRESS, NAME, @DOMAIN or *, as key of the maps. */
static bool
pattern_fits(const struct router *r, struct span pattern, struct span key, struct arena *mem)
{
	struct buf domain = BUF_INIT(2 * LIMIT_DOMAIN);
	struct span wanted;
	struct path p;
	bool fits;

	if (span_is(pattern, "*"))
		return true;
	if (pattern.len == 0 || pattern.s[0] != '@')
		return address_key(pattern, router_default_domain(r, mem), mem, &p, &wanted) == 0 && span_eq(wanted, key);
	domain_key((struct span){ pattern.s + 1, pattern.len - 1 }, &domain);
	fits = span_eq(buf_span(&domain), key_domain(key));
	buf_free(&domain);
	return fits;
}

bool
router_device_may(const struct router *r, const struct device *device, const struct path *rcpt, struct arena *mem)
{
	struct buf b = BUF_INIT(2 * LIMIT_ADDRESS);
	struct path p = *rcpt;
	struct span to = span_of(device->to == NULL ? "" : device->to), one;
	bool may = device->to == NULL;

	if (p.domain.len == 0)
		p.domain = router_default_domain(r, mem);
	path_key(&p, &b);
	while (!may && entry_next_address(&to, &one))
		may = pattern_fits(r, one, buf_span(&b), mem);
	buf_free(&b);
	return may;
}

static bool
has_note(const struct router *r, const char *note)
{
	struct map_entry e;

	return map_find(r->maps, MAP_ACCESS, span_of(note), &e) == 1;
}

void
router_listener(const struct router *r, const struct ip *local, uint16_t port, struct access *out, struct arena *mem)
{
	const struct {
		const struct ip *ip;
		uint16_t port;
	} ways[] = { { local, port }, { local, 0 }, { NULL, port } };
	struct buf key = BUF_INIT(100);
	int found = 0;

	if (out->line != 0 || !has_note(r, NOTE_AT))
		return;
	for (size_t i = 0; i < COUNT(ways) && found == 0; i++) {
		buf_reset(&key);
		access_at_key(&key, ways[i].ip, ways[i].port);
		found = find_access(r, buf_span(&key), mem, out);
	}
	buf_free(&key);
}

/* PREFIX:ADDRESS, else PREFIX:@DOMAIN: one look into the table each. */
static int
find_address(const struct router *r, const char *prefix, struct span key, struct arena *mem, struct access *out)
{
	struct buf b = BUF_INIT(2 * LIMIT_ADDRESS);
	int found;

	buf_adds(&b, prefix);
	buf_addspan(&b, key);
	found = find_access(r, buf_span(&b), mem, out);
	if (found == 0) {
		buf_reset(&b);
		buf_addf(&b, "%s@", prefix);
		buf_addspan(&b, key_domain(key));
		found = find_access(r, buf_span(&b), mem, out);
	}
	if (found == -1)
		memset(out, 0, sizeof(*out));
	buf_free(&b);
	return found;
}

void
router_sender(const struct router *r, const char *sender, struct access *out,
    struct arena *mem)
{
	struct span key;
	struct path p;

	memset(out, 0, sizeof(*out));
	if (sender[0] == '\0' && find_access(r, SPAN("sender:<>"), mem, out) == -1)
		memset(out, 0, sizeof(*out));
	if (sender[0] != '\0' && address_key(span_of(sender), SPAN(""), mem, &p, &key) == 0)
		(void)find_address(r, "sender:", key, mem, out);
}

void
router_recipient(const struct router *r, const struct path *rcpt, struct access *out, struct arena *mem)
{
	struct buf b = BUF_INIT(2 * LIMIT_ADDRESS);
	struct domain_entry domain;
	struct path p = *rcpt;
	struct span key, home;
	unsigned line;

	memset(out, 0, sizeof(*out));
	if (!has_note(r, NOTE_RCPT))
		return;
	if (p.domain.len == 0)
		p.domain = router_default_domain(r, mem);
	path_key(&p, &b);
	key = in_arena(mem, &b);
	buf_free(&b);
	if (find_address(r, "rcpt:", key, mem, out) == 0 &&
	    find_home(r, key_domain(key), mem, &home, &domain, &line, NULL) == 1 && !span_eq(home, key_domain(key)))
		(void)find_address(r, "rcpt:", rehome(key, home, mem), mem, out);
}

void
router_helo(const struct router *r, const char *helo, struct access *out,
    struct arena *mem)
{
	struct buf b = BUF_INIT(2 * LIMIT_SMTP_COMMAND);

	memset(out, 0, sizeof(*out));
	buf_adds(&b, "helo:");
	for (; *helo != '\0'; helo++)
		buf_addc(&b, (char)ascii_lower((unsigned char)*helo));
	if (find_access(r, buf_span(&b), mem, out) == -1)
		memset(out, 0, sizeof(*out));
	buf_free(&b);
}

bool
router_certificate(const struct router *r, const char *digest, const char *name, struct access *out, struct arena *mem)
{
	const char *const keys[][2] = { { "cert:", digest }, { "cert-name:", name } };
	struct buf b = BUF_INIT(500);
	int found = 0;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < COUNT(keys) && found == 0; i++) {
		buf_reset(&b);
		buf_addf(&b, "%s%s", keys[i][0], keys[i][1]);
		if (keys[i][1][0] != '\0')
			found = find_access(r, buf_span(&b), mem, out);
	}
	buf_free(&b);
	return found == 1;
}

static bool
is_below(struct span domain, struct span above)
{
	return domain.len > above.len + 1 && domain.s[domain.len - above.len - 1] == '.' &&
	    memcmp(domain.s + domain.len - above.len, above.s, above.len) == 0;
}

/* ".example.net" names all below example.net, and not itself. */
static bool
is_named(const char *list, struct span domain, bool all_below)
{
	struct buf key = BUF_INIT(2 * LIMIT_DOMAIN);
	struct span rest = span_of(list);
	bool found = false;

	while (rest.s != NULL && rest.len > 0 && !found) {
		struct span one = span_trim(span_cut(&rest, ','));
		bool dot = one.len > 0 && one.s[0] == '.';

		buf_reset(&key);
		domain_key(dot ? (struct span){ one.s + 1, one.len - 1 } : one, &key);
		found = (dot == all_below && span_eq(domain, buf_span(&key))) || (dot && is_below(domain, buf_span(&key)));
	}
	buf_free(&key);
	return found;
}

bool
router_etrn(const struct access *a, struct span domain, bool below)
{
	return a->etrn != NULL && is_named(a->etrn, domain, false) && (!below || is_named(a->etrn, domain, true));
}
