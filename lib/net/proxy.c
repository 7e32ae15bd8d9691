/*
 * proxy: the header in which a balancer says whom it speaks for (HAProxy's PROXY protocol, versions 1 and 2).
 *
 * Pure functions on octets. Whether the one who sends it may be believed is for those who read it. What version 2
 * carries behind the addresses (TLVs) is skipped.
 */
#include "lib/net/proxy.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/num.h"

#define V1_MAX 107 /* CRLF included: section 2.1 */
#define V2_HEAD 16

static const char v1_start[] = "PROXY ";
static const char v2_start[] = "\r\n\r\n\0\r\nQUIT\n";

static ssize_t
wrong(int error)
{
	errno = error;
	return -1;
}

static bool
agrees(struct span s, const char *start, size_t len)
{
	return memcmp(s.s, start, s.len < len ? s.len : len) == 0;
}

/* --- version 1: a line of text --------------------------------------------- */

/* As ip_parse, but of the family that was announced. */
static bool
address(struct span t, bool v6, struct ip *out)
{
	return t.s != NULL && (t.len > 0 && memchr(t.s, ':', t.len) != NULL) == v6 && ip_parse(t, out) == 0;
}

/* Decimal, no leading zeros (section 2.1). */
static bool
port(struct span t, uint16_t *out)
{
	uint64_t n;

	if (t.s == NULL || (t.len > 1 && t.s[0] == '0') || num_parse(t, 65535, &n) == -1)
		return false;
	*out = (uint16_t)n;
	return true;
}

/* What stands between "PROXY " and CRLF. */
static bool
v1_words(struct span line, struct proxy *out)
{
	struct span family = span_cut(&line, ' '), peer, local, peer_port;
	bool v6 = span_is(family, "TCP6");

	if (span_is(family, "UNKNOWN")) /* whatever follows is not to be looked at */
		return true;
	if (!v6 && !span_is(family, "TCP4"))
		return false;
	if (line.s == NULL)
		return false;
	peer = span_cut(&line, ' ');
	if (line.s == NULL)
		return false;
	local = span_cut(&line, ' ');
	if (line.s == NULL)
		return false;
	peer_port = span_cut(&line, ' ');
	out->told = address(peer, v6, &out->peer) && address(local, v6, &out->local) &&
	    port(peer_port, &out->peer_port) && port(line, &out->local_port);
	return out->told;
}

static ssize_t
v1_parse(struct span s, struct proxy *out)
{
	size_t max = s.len < V1_MAX ? s.len : V1_MAX, end;
	const char *lf = memchr(s.s, '\n', max);

	if (lf == NULL)
		return max == V1_MAX ? wrong(EMSGSIZE) : 0;
	end = (size_t)(lf - s.s);
	if (end < strlen(v1_start) + 1 || s.s[end - 1] != '\r')
		return wrong(EINVAL);
	if (!v1_words((struct span){ s.s + strlen(v1_start), end - 1 - strlen(v1_start) }, out))
		return wrong(EINVAL);
	return (ssize_t)end + 1;
}

/* --- version 2: octets -------------------------------------------------------- */

static uint16_t
number(const char *s)
{
	return (uint16_t)((unsigned char)s[0] << 8 | (unsigned char)s[1]);
}

static int
addresses(const char *s, bool v6, struct proxy *out)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	size_t len = v6 ? 16 : 4;
	struct ip *to[2] = { &out->peer, &out->local };
	uint16_t *ports[2] = { &out->peer_port, &out->local_port };

	for (size_t i = 0; i < 2; i++) {
		const struct sockaddr *sa = v6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in;

		memcpy(v6 ? (void *)&in6.sin6_addr : (void *)&in.sin_addr, s + i * len, len);
		if (ip_from_sockaddr(sa, to[i], ports[i]) == -1)
			return -1;
		*ports[i] = number(s + 2 * len + 2 * i);
	}
	out->told = true;
	return 0;
}

/* Section 2.2. Families and transports that are no TCP over IP are taken as "not told". */
static int
v2_body(unsigned command, unsigned family, struct span body, struct proxy *out)
{
	if (command == 0x20) /* LOCAL: the balancer itself, to see how we are */
		return 0;
	if (command != 0x21 || family >> 4 > 3 || (family & 0xf) > 2)
		return -1;
	if (family != 0x11 && family != 0x21)
		return 0;
	if (body.len < (family == 0x11 ? 12u : 36u))
		return -1;
	return addresses(body.s, family == 0x21, out);
}

static ssize_t
v2_parse(struct span s, struct proxy *out)
{
	size_t len;

	if (s.len < V2_HEAD)
		return 0;
	len = number(s.s + 14);
	if ((unsigned char)s.s[12] >> 4 != 2)
		return wrong(EINVAL);
	if (len > PROXY_MAX - V2_HEAD)
		return wrong(EMSGSIZE);
	if (s.len - V2_HEAD < len)
		return 0;
	if (v2_body((unsigned char)s.s[12], (unsigned char)s.s[13], (struct span){ s.s + V2_HEAD, len }, out) == -1)
		return wrong(EINVAL);
	return (ssize_t)(V2_HEAD + len);
}

/* --- both ------------------------------------------------------------------------ */

ssize_t
proxy_parse(struct span s, struct proxy *out)
{
	struct proxy p;
	ssize_t n;

	memset(&p, 0, sizeof(p));
	if (s.len == 0)
		return 0;
	if (agrees(s, v1_start, strlen(v1_start)))
		n = v1_parse(s, &p);
	else if (agrees(s, v2_start, sizeof(v2_start) - 1))
		n = v2_parse(s, &p);
	else
		return wrong(EINVAL);
	if (n > 0)
		*out = p;
	return n;
}

bool
proxy_begins(struct span s)
{
	return (s.len >= strlen(v1_start) && agrees(s, v1_start, strlen(v1_start))) ||
	    (s.len >= sizeof(v2_start) - 1 && agrees(s, v2_start, sizeof(v2_start) - 1));
}

bool
proxy_begins_with(struct span line, struct span rest)
{
	const size_t taken = sizeof("\r\n") - 1, left = sizeof(v2_start) - 1 - taken;

	if (line.len > 0)
		return proxy_begins(line);
	return rest.len >= left && agrees(rest, v2_start + taken, left);
}
