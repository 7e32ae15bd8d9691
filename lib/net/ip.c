/*
 * ip: addresses and prefixes.
 *
 * Knows how they are written and compared; opens nothing, asks nobody.
 * IPv4 in IPv6 (::ffff:0:0/96) is IPv4 from here on, so that an entry of
 * a map means the same on every kind of socket.
 */
#include "lib/net/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/num.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static unsigned
ip_bits(const struct ip *ip)
{
	return ip->v6 ? 128 : 32;
}

/* From 16 octets on the wire: the mapped ones become IPv4. */
static void
from_v6(struct ip *out, const uint8_t octets[16])
{
	memset(out, 0, sizeof(*out));
	out->v6 = memcmp(octets, mapped, sizeof(mapped)) != 0;
	if (out->v6)
		memcpy(out->octets, octets, 16);
	else
		memcpy(out->octets, octets + 12, 4);
}

/* As written, mapped ones not yet folded. */
static int
parse_text(struct span t, bool *v6, uint8_t octets[16])
{
	char s[INET6_ADDRSTRLEN];

	errno = EINVAL;
	if (t.len == 0 || t.len >= sizeof(s) || memchr(t.s, '\0', t.len) != NULL)
		return -1;
	memcpy(s, t.s, t.len);
	s[t.len] = '\0';
	*v6 = memchr(s, ':', t.len) != NULL;
	return inet_pton(*v6 ? AF_INET6 : AF_INET, s, octets) == 1 ? 0 : -1;
}

int
ip_parse(struct span t, struct ip *out)
{
	uint8_t octets[16] = { 0 };
	bool v6;

	if (parse_text(t, &v6, octets) == -1)
		return -1;
	if (v6) {
		from_v6(out, octets);
	} else {
		memset(out, 0, sizeof(*out));
		memcpy(out->octets, octets, 4);
	}
	return 0;
}

/* The octet of a mask of bits at place i. */
static uint8_t
mask_octet(unsigned bits, unsigned i)
{
	if (bits >= 8 * (i + 1))
		return 0xff;
	if (bits <= 8 * i)
		return 0;
	return (uint8_t)(0xff00u >> (bits - 8 * i));
}

int
ip_prefix_parse(struct span t, struct ip_prefix *out)
{
	struct span rest = t, address = span_cut(&rest, '/');
	struct ip_prefix p;
	uint8_t octets[16];
	uint64_t bits;
	bool v6;

	if (parse_text(address, &v6, octets) == -1 ||
	    ip_parse(address, &p.ip) == -1)
		return -1;
	bits = v6 ? 128 : 32;
	if (rest.s != NULL && num_parse(rest, bits, &bits) == -1) {
		errno = EINVAL;
		return -1;
	}
	errno = EINVAL;
	if (v6 && !p.ip.v6) { /* ::ffff:192.0.2.0/120 is 192.0.2.0/24 */
		if (bits < 96)
			return -1;
		bits -= 96;
	}
	p.bits = (unsigned)bits;
	for (unsigned i = 0; i < ip_bits(&p.ip) / 8; i++)
		if (p.ip.octets[i] & (uint8_t)~mask_octet(p.bits, i))
			return -1; /* 192.0.2.1/24: which of the two is meant? */
	*out = p;
	return 0;
}

bool
ip_in(const struct ip *ip, const struct ip_prefix *p)
{
	uint8_t differ = 0;

	if (ip->v6 != p->ip.v6)
		return false;
	for (unsigned i = 0; i < ip_bits(ip) / 8; i++)
		differ |= (uint8_t)((ip->octets[i] ^ p->ip.octets[i]) &
		    mask_octet(p->bits, i));
	return differ == 0;
}

bool
ip_eq(const struct ip *a, const struct ip *b)
{
	return a->v6 == b->v6 &&
	    memcmp(a->octets, b->octets, ip_bits(a) / 8) == 0;
}

bool
ip_loopback(const struct ip *ip)
{
	static const struct ip v4 = { false, { 127, 0, 0, 1 } };
	static const struct ip v6 = { true, { [15] = 1 } };

	return ip_eq(ip, &v4) || ip_eq(ip, &v6);
}

void
ip_add(struct buf *out, const struct ip *ip)
{
	char s[INET6_ADDRSTRLEN];

	inet_ntop(ip->v6 ? AF_INET6 : AF_INET, ip->octets, s, sizeof(s));
	buf_adds(out, s);
}

void
ip_add_literal(struct buf *out, const struct ip *ip)
{
	buf_adds(out, ip->v6 ? "[IPv6:" : "[");
	ip_add(out, ip);
	buf_addc(out, ']');
}

int
ip_literal_parse(struct span t, struct ip *out)
{
	bool tagged;

	errno = EINVAL;
	if (t.len < 2 || t.s[0] != '[' || t.s[t.len - 1] != ']')
		return -1;
	t = (struct span){ t.s + 1, t.len - 2 };
	tagged = t.len > 5 && ascii_caseeq(t.s, "IPv6:", 5);
	if (tagged)
		t = (struct span){ t.s + 5, t.len - 5 };
	if (t.len == 0 || (memchr(t.s, ':', t.len) != NULL) != tagged)
		return -1;
	return ip_parse(t, out);
}

int
ip_from_sockaddr(const struct sockaddr *sa, struct ip *out, uint16_t *port)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	switch (sa->sa_family) {
	case AF_INET:
		memcpy(&in, sa, sizeof(in));
		memset(out, 0, sizeof(*out));
		memcpy(out->octets, &in.sin_addr, 4);
		*port = ntohs(in.sin_port);
		return 0;
	case AF_INET6:
		memcpy(&in6, sa, sizeof(in6));
		from_v6(out, in6.sin6_addr.s6_addr);
		*port = ntohs(in6.sin6_port);
		return 0;
	default:
		errno = EAFNOSUPPORT;
		return -1;
	}
}

socklen_t
ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	memset(out, 0, sizeof(*out));
	if (ip->v6) {
		in6.sin6_port = htons(port);
		memcpy(&in6.sin6_addr, ip->octets, 16);
		memcpy(out, &in6, sizeof(in6));
		return sizeof(in6);
	}
	in.sin_port = htons(port);
	memcpy(&in.sin_addr, ip->octets, 4);
	memcpy(out, &in, sizeof(in));
	return sizeof(in);
}
