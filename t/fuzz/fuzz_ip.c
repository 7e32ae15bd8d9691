/* Promises of lib/net/ip.c: what is read is written and read again the same. */
#include "lib/net/ip.h"
#include "t/fuzz/fuzz.h"

static void
check_ip(const struct ip *ip)
{
	struct buf out = BUF_INIT(256);
	struct sockaddr_storage ss;
	struct ip again;
	uint16_t port;

	ip_add(&out, ip);
	PROMISE(ip_parse(buf_span(&out), &again) == 0 && ip_eq(ip, &again));
	buf_reset(&out);
	ip_add_literal(&out, ip);
	PROMISE(ip_literal_parse(buf_span(&out), &again) == 0 && ip_eq(ip, &again));
	ip_to_sockaddr(ip, 25, &ss);
	PROMISE(ip_from_sockaddr((struct sockaddr *)&ss, &again, &port) == 0 &&
	    ip_eq(ip, &again));
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct span s = { (const char *)octets, n };
	struct ip_prefix p;
	struct ip ip;

	if (ip_parse(s, &ip) == 0)
		check_ip(&ip);
	if (ip_literal_parse(s, &ip) == 0)
		check_ip(&ip);
	if (ip_prefix_parse(s, &p) == 0) {
		check_ip(&p.ip);
		PROMISE(p.bits <= (p.ip.v6 ? 128u : 32u));
		PROMISE(ip_in(&p.ip, &p));
	}
	return 0;
}
