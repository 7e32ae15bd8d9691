/*
 * sort_zone: the part of a header that only the upstream can have written.
 *
 * Every system puts its trace above what it received, so the zone starts at the top and ends where mail
 * came in from outside. What a host says it is (HELO) never opens it.
 */
#include <string.h>

#include "collector/sort_parts.h"
#include "lib/base/ascii.h"
#include "lib/mail/trace.h"

bool
sort_is_received(const struct sort_field *f)
{
	return span_case_is(f->name, "Received");
}

static bool
address_listed(const struct sort_account *a, const struct ip *ip)
{
	for (size_t i = 0; i < a->trusted_count; i++)
		if (a->trusted[i].kind == TRUST_PREFIX && ip_in(ip, &a->trusted[i].prefix))
			return true;
	return false;
}

static bool
name_listed(const struct sort_account *a, struct span name)
{
	while (name.len > 0 && name.s[name.len - 1] == '.')
		name.len--;
	for (size_t i = 0; i < a->trusted_count; i++) {
		const struct sort_trust *t = &a->trusted[i];

		if (t->kind == TRUST_HOST && name.len == t->name.len && ascii_caseeq(name.s, t->name.s, name.len))
			return true;
		if (t->kind == TRUST_BELOW && name.len > t->name.len &&
		    ascii_caseeq(name.s + name.len - t->name.len, t->name.s, t->name.len))
			return true;
	}
	return false;
}

bool
sort_trusts(const struct sort_account *a, struct span word)
{
	struct span inner = word;
	struct ip ip;

	if (word.len == 0)
		return false;
	if (word.s[0] == '[') {
		span_cut(&inner, '[');
		inner = span_cut(&inner, ']');
		if (inner.len > 5 && ascii_caseeq(inner.s, "IPv6:", 5))
			inner = (struct span){ inner.s + 5, inner.len - 5 };
	}
	if (ip_parse(inner, &ip) == 0)
		return address_listed(a, &ip);
	return name_listed(a, word);
}

static bool
is_private(const struct ip *ip)
{
	static const char *const inside[] = { "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
		"169.254.0.0/16", "::1", "fc00::/7", "fe80::/10" };
	struct ip_prefix prefix;

	for (size_t i = 0; i < COUNT(inside); i++)
		if (ip_prefix_parse(span_of(inside[i]), &prefix) == 0 && ip_in(ip, &prefix))
			return true;
	return false;
}

/* Did this hop go from one host of the upstream to the other? */
static bool
is_internal(const struct sort_account *a, const struct trace *t)
{
	static const char *const local[] = { "LMTP", "LMTPS", "LMTPA", "LMTPSA", "local" };
	struct trace_host host;
	struct ip ip;

	for (size_t i = 0; i < COUNT(local); i++)
		if (t->with.s != NULL && span_case_is(trace_word(t->with), local[i]))
			return true;
	trace_host(t->from, &host);
	if (host.address.len > 0 && ip_parse(host.address, &ip) == 0 && (is_private(&ip) || address_listed(a, &ip)))
		return true;
	return host.name.len > 0 && name_listed(a, host.name);
}

enum hop { HOP_INSIDE, HOP_BORDER, HOP_OUTSIDE };

static enum hop
judge(const struct sort_account *a, const struct trace *t)
{
	bool trusted;

	if (a->trusted_count == 0)
		return t->from.s == NULL ? HOP_INSIDE : HOP_BORDER;
	trusted = t->by.s != NULL && sort_trusts(a, trace_word(t->by));
	if (t->from.s == NULL)
		return trusted ? HOP_BORDER : HOP_INSIDE;
	if (!trusted)
		return HOP_OUTSIDE;
	return is_internal(a, t) ? HOP_INSIDE : HOP_BORDER;
}

static bool
is_senders(const struct sort_field *f)
{
	static const char *const names[] = { "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Date", "Message-ID",
		"In-Reply-To", "References", "Subject", "MIME-Version" };

	for (size_t i = 0; i < COUNT(names); i++)
		if (span_case_is(f->name, names[i]))
			return true;
	return (f->name.len >= 8 && ascii_caseeq(f->name.s, "Content-", 8)) ||
	    (f->name.len >= 7 && ascii_caseeq(f->name.s, "Resent-", 7));
}

/* Without any Received: what stands above the first field that a sender writes. */
static size_t
zone_untraced(const struct sort_header *h, struct buf *explain)
{
	size_t i = 0;

	while (i < h->n && !is_senders(&h->v[i]))
		i++;
	sort_explain(explain, "zone: no Received field; the %zu fields above what a sender writes", i);
	return i;
}

size_t
sort_zone(const struct sort_account *a, const struct sort_header *h, struct buf *explain)
{
	size_t end = 0, hops = 0;

	for (size_t i = 0; i < h->n; i++) {
		struct trace t;
		enum hop hop;
		struct span by;

		if (!sort_is_received(&h->v[i]))
			continue;
		trace_parse(h->v[i].value, &t);
		hop = judge(a, &t);
		by = t.by.s != NULL ? trace_word(t.by) : SPAN("(nobody)");
		if (hop == HOP_OUTSIDE) {
			sort_explain(explain, "zone: Received %zu, by %.*s, is not the upstream's (in no trusted=), not "
			    "believed: the zone ends above it", hops + 1, (int)by.len, by.s);
			return hops > 0 ? end : i;
		}
		end = i + 1;
		hops++;
		if (hop == HOP_BORDER) {
			sort_explain(explain, "zone: Received %zu, by %.*s, took the message from outside: the zone "
			    "ends with it", hops, (int)by.len, by.s);
			return end;
		}
		sort_explain(explain, "zone: Received %zu, by %.*s, is inside the upstream", hops, (int)by.len, by.s);
	}
	return hops > 0 ? end : zone_untraced(h, explain);
}
