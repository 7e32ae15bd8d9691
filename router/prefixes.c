/*
 * prefixes: networks as people write them, cut into prefixes.
 *
 * Knows arithmetic on addresses; what a network may do is for access.c.
 */
#include "router/prefixes.h"

#include <string.h>

#include "lib/base/num.h"

static unsigned
bits_of(const struct ip *ip)
{
	return ip->v6 ? 128 : 32;
}

static int
compare(const struct ip *a, const struct ip *b)
{
	return memcmp(a->octets, b->octets, bits_of(a) / 8);
}

static bool
bit(const struct ip *ip, unsigned i)
{
	return (ip->octets[i / 8] >> (7 - i % 8) & 1) != 0;
}

/* The last address of the prefix that starts at ip. */
static struct ip
last_of(struct ip ip, unsigned bits)
{
	unsigned i;

	for (i = bits; i < bits_of(&ip); i++)
		ip.octets[i / 8] |= (uint8_t)(1u << (7 - i % 8));
	return ip;
}

/* The address behind ip; false behind the very last. */
static bool
next(struct ip *ip)
{
	unsigned i = bits_of(ip) / 8;

	while (i-- > 0)
		if (++ip->octets[i] != 0)
			return true;
	return false;
}

/* From first to last, in the fewest prefixes. */
static void
cut(struct ip first, const struct ip *last,
    void (*add)(void *, const struct ip_prefix *), void *arg)
{
	struct ip_prefix p;
	struct ip end;

	do {
		p = (struct ip_prefix){ first, bits_of(&first) };
		end = first;
		/* Longer while it starts here and ends in the range. */
		while (p.bits > 0 && !bit(&first, p.bits - 1)) {
			struct ip larger = last_of(first, p.bits - 1);

			if (compare(&larger, last) > 0)
				break;
			end = larger;
			p.bits--;
		}
		add(arg, &p);
		first = end;
	} while (next(&first) && compare(&first, last) <= 0);
}

static int
parse_range(struct span from, struct span to,
    void (*add)(void *, const struct ip_prefix *), void *arg, struct buf *why)
{
	struct ip first, last;

	if (ip_parse(span_trim(from), &first) == -1 ||
	    ip_parse(span_trim(to), &last) == -1 || first.v6 != last.v6) {
		buf_adds(why, "a range has the form ADDRESS-ADDRESS, both "
		    "IPv4 or both IPv6");
		return -1;
	}
	if (compare(&first, &last) > 0) {
		buf_adds(why, "the range ends before it begins");
		return -1;
	}
	cut(first, &last, add, arg);
	return 0;
}

/* 255.255.0.0 is 16; -1: it is no mask. */
static int
mask_bits(const struct ip *mask)
{
	unsigned i, n = 0;

	while (n < bits_of(mask) && bit(mask, n))
		n++;
	for (i = n; i < bits_of(mask); i++)
		if (bit(mask, i))
			return -1;
	return (int)n;
}

/* The network that somebody meant who wrote its prefix with host bits. */
static void
suggest(struct ip ip, unsigned bits, struct buf *why)
{
	unsigned i;

	for (i = bits; i < bits_of(&ip); i++)
		ip.octets[i / 8] &= (uint8_t)~(1u << (7 - i % 8));
	buf_adds(why, "the address has bits behind the prefix: is ");
	ip_add(why, &ip);
	buf_addf(why, "/%u meant?", bits);
}

/* The bits that stand behind the "/": a number, or a mask. */
static int
parse_bits(struct span text, const struct ip *ip, struct buf *why)
{
	struct ip mask;
	uint64_t n;
	int bits;

	if (num_parse(text, bits_of(ip), &n) == 0)
		return (int)n;
	if (ip_parse(text, &mask) == 0 && mask.v6 == ip->v6 &&
	    (bits = mask_bits(&mask)) != -1)
		return bits;
	buf_addf(why, "\"%.*s\" is no prefix length and no mask",
	    (int)text.len, text.s);
	return -1;
}

static int
parse_masked(struct span text, void (*add)(void *, const struct ip_prefix *),
    void *arg, struct buf *why)
{
	struct span tail = text, head = span_cut(&tail, '/');
	struct ip_prefix p;
	int bits;
	unsigned i;

	if (ip_parse(head, &p.ip) == -1) {
		buf_addf(why, "\"%.*s\" is no address, network or range, and "
		    "begins with none of sender:, rcpt:, helo:, at:, cert: and cert-name:", (int)text.len,
		    text.s);
		return -1;
	}
	bits = tail.s == NULL ? (int)bits_of(&p.ip) :
	    parse_bits(tail, &p.ip, why);
	if (bits == -1)
		return -1;
	p.bits = (unsigned)bits;
	for (i = p.bits; i < bits_of(&p.ip); i++)
		if (bit(&p.ip, i)) {
			suggest(p.ip, p.bits, why);
			return -1;
		}
	add(arg, &p);
	return 0;
}

int
prefixes_parse(struct span text, void (*add)(void *, const struct ip_prefix *),
    void *arg, struct buf *why)
{
	struct span to = text, from = span_cut(&to, '-');

	if (to.s != NULL)
		return parse_range(from, to, add, arg, why);
	return parse_masked(text, add, arg, why);
}
