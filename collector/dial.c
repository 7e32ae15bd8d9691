/*
 * dial: a host's name, and a connection to it.
 */
#include "collector/dial.h"

#include "lib/net/dns.h"

#define ADDRESSES_MAX 16

int
dial(const struct house *h, struct dialogue *d, const char *host, uint16_t port, int64_t wait_ms, int (*then)(void *),
    void *arg, struct buf *why)
{
	struct dns *dns = dns_open(h->conf.resolver, (int)h->conf.dns_timeout * 1000, why);
	struct ip addresses[ADDRESSES_MAX];
	int n = 0, rv = -1;
	enum dns_result found;

	if (dns == NULL)
		return -1;
	found = dns_addresses(dns, host, addresses, ADDRESSES_MAX, &n, deadline_in(wait_ms));
	if (found != DNS_OK)
		buf_addf(why, "no address of %s: %s", host, dns_reason(dns));
	for (int i = 0; found == DNS_OK && rv == -1 && i < n; i++) {
		buf_reset(why);
		rv = dialogue_connect(d, &addresses[i], port, host, NULL, deadline_in(wait_ms), why);
		if (rv == 0 && then != NULL)
			rv = then(arg);
	}
	dns_close(dns);
	return rv;
}
