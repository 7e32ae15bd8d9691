/*
 * hops: a next hop becomes hosts in the order in which they are tried.
 *
 * Knows MX records (RFC 5321, 5.1; null MX, RFC 7505) and the text the router
 * writes; opens no connection.
 */
#include "deliver/hops.h"

#include <ifaddrs.h>
#include <string.h>
#include <strings.h>

#include "lib/base/num.h"

#define SMARTHOST_PORT 25

static enum outcome
none(struct hops *h, enum outcome what, int code, const char *enhanced,
    const char *middle, const char *first, const char *more)
{
	struct buf reason = BUF_INIT(sizeof(h->reason) - 1);

	h->n = 0;
	h->code = code;
	h->enhanced = enhanced;
	buf_adds(&reason, first);
	buf_adds(&reason, middle);
	buf_adds(&reason, more);
	strlcpy(h->reason, buf_str(&reason), sizeof(h->reason));
	buf_free(&reason);
	return what;
}

/* A name, "[192.0.2.1]", "[IPv6:2001:db8::1]" or "[2001:db8::1]". */
static bool
hop_set(struct hop *hop, struct span host, uint16_t port)
{
	struct span inside = host;

	memset(hop, 0, sizeof(*hop));
	hop->port = port;
	if (host.len == 0 || host.len >= sizeof(hop->host))
		return false;
	memcpy(hop->host, host.s, host.len);
	if (host.s[0] != '[')
		return true;
	hop->is_address = true;
	inside.s++;
	inside.len = host.len > 2 ? host.len - 2 : 0;
	return ip_literal_parse(host, &hop->ip) == 0 ||
	    (host.s[host.len - 1] == ']' && ip_parse(inside, &hop->ip) == 0);
}

/* --- smarthosts ------------------------------------------------------------- */

static bool
add_smarthost(struct hops *h, struct span one)
{
	struct span host = one, port;
	const char *bracket, *colon;
	uint64_t n = SMARTHOST_PORT;

	bracket = one.len > 0 ? memrchr(one.s, ']', one.len) : NULL;
	colon = one.len > 0 ? memrchr(one.s, ':', one.len) : NULL;
	if (colon != NULL && (bracket == NULL || colon > bracket)) {
		host.len = (size_t)(colon - one.s);
		port = (struct span){ colon + 1, one.len - host.len - 1 };
		if (num_parse(port, UINT16_MAX, &n) == -1 || n == 0)
			return false;
	}
	return h->n < HOPS_MAX && hop_set(&h->hop[h->n++], host, (uint16_t)n);
}

static enum outcome
find_smarthosts(struct hops *h, struct span list)
{
	while (list.s != NULL)
		if (!add_smarthost(h, span_cut(&list, ',')))
			return none(h, RETRY, 451, "4.3.5",
			    "the smarthost is written wrongly in routes", "", "");
	return SENT;
}

/* --- MX ----------------------------------------------------------------------- */

static bool
same_name(const char *a, const char *b)
{
	size_t n = strlen(a);

	if (n > 0 && a[n - 1] == '.')
		n--;
	return strlen(b) == n && strncasecmp(a, b, n) == 0;
}

bool
hops_own_address(const struct ip *ip)
{
	struct ifaddrs *list, *i;
	bool own = false;
	struct ip here;
	uint16_t port;

	if (getifaddrs(&list) == -1)
		return ip_loopback(ip);
	for (i = list; i != NULL && !own; i = i->ifa_next)
		own = i->ifa_addr != NULL &&
		    ip_from_sockaddr(i->ifa_addr, &here, &port) == 0 &&
		    ip_eq(&here, ip);
	freeifaddrs(list);
	return own || ip_loopback(ip);
}

/* The first MX that is ourselves, by name; n if none is. */
static int
own_place(const struct dns_mx *mx, int n, const struct hops_self *self)
{
	int i;

	for (i = 0; i < n; i++)
		if (same_name(mx[i].host, self->hostname) ||
		    same_name(mx[i].host, self->helo))
			return i;
	return n;
}

static enum outcome
use_mx(struct hops *h, const char *domain, const struct dns_mx *mx, int n,
    const struct hops_self *self)
{
	int own = own_place(mx, n, self), i;

	if (n == 1 && mx[0].host[0] == '\0')
		return none(h, FAILED, 556, "5.1.10",
		    " takes no mail (null MX)", domain, "");
	for (i = 0; i < n && h->n < HOPS_MAX; i++) {
		if (own < n && mx[i].preference >= mx[own].preference)
			break;
		if (mx[i].host[0] != '\0' &&
		    hop_set(&h->hop[h->n], span_of(mx[i].host), self->port))
			h->n++;
	}
	if (h->n > 0)
		return SENT;
	if (own < n)
		return none(h, RETRY, 451, "4.4.6",
		    " has us as its best mail server, but is not in our "
		    "domains map", domain, "");
	return none(h, RETRY, 451, "4.4.4", " has no usable MX", domain, "");
}

/* Strangers believe in EHLO only an FQDN or an address literal (RFC 5321, 2.3.5, 4.1.3). */
static bool
qualified(const char *helo)
{
	return helo[0] == '[' || memchr(helo, '.', strlen(helo)) != NULL;
}

static enum outcome
find_mx(struct hops *h, const char *domain, struct dns *dns,
    const struct hops_self *self, deadline_ms until)
{
	struct dns_mx mx[HOPS_MAX];
	struct ip ip;
	int n;

	if (!qualified(self->helo))
		return none(h, RETRY, 451, "4.3.5",
		    " is no full host name: set helo_name in posthouse.conf, "
		    "or send by a smarthost", self->helo, "");
	if (domain[0] == '[') {
		if (!hop_set(&h->hop[h->n++], span_of(domain), self->port))
			return none(h, FAILED, 550, "5.1.2",
			    " is no address", domain, "");
		return SENT;
	}
	switch (dns_mx(dns, domain, mx, HOPS_MAX, &n, until)) {
	case DNS_OK:
		return use_mx(h, domain, mx, n, self);
	case DNS_NONE:
		break;
	default:
		return none(h, RETRY, 451, "4.4.3",
		    ": MX look-up failed: ", domain, dns_reason(dns));
	}
	/* The implicit MX: the domain itself (RFC 5321, 5.1). */
	switch (dns_addresses(dns, domain, &ip, 1, &n, until)) {
	case DNS_OK:
		mx[0].preference = 0;
		strlcpy(mx[0].host, domain, sizeof(mx[0].host));
		return use_mx(h, domain, mx, 1, self);
	case DNS_NONE:
		return none(h, FAILED, 550, "5.1.2",
		    " has neither MX nor address: ", domain, dns_reason(dns));
	default:
		return none(h, RETRY, 451, "4.4.3",
		    ": address look-up failed: ", domain, dns_reason(dns));
	}
}

enum outcome
hops_find(struct hops *h, const char *text, struct dns *dns,
    const struct hops_self *self, deadline_ms until)
{
	struct span rest = span_of(text), kind = span_cut(&rest, ':');

	memset(h, 0, sizeof(*h));
	if (span_is(kind, "mx") && rest.len > 0)
		return find_mx(h, rest.s, dns, self, until);
	if (span_is(kind, "smarthost") && rest.len > 0)
		return find_smarthosts(h, rest);
	return none(h, RETRY, 451, "4.3.5", " is no next hop", text, "");
}

enum dns_result
hop_addresses(const struct hop *hop, struct dns *dns, struct ip *ips, int max, int *n, deadline_ms until)
{
	if (!hop->is_address)
		return dns_addresses(dns, hop->host, ips, max, n, until);
	ips[0] = hop->ip;
	*n = 1;
	return DNS_OK;
}
