/*
 * probe: one question to the servers of a next hop.
 *
 * Knows which answers count: yes and no to RCPT. A server that refuses us, or the null sender, has said nothing about
 * the recipient.
 */
#include "deliver/probe.h"

#include <string.h>

#define ADDRESSES_MAX 4 /* of one host */
#define CONNECTIONS_MAX 4

struct question {
	const struct probe *p;
	const char *address;
	deadline_ms until;
	int connections;
	struct probe_result *result;
};

static void
unknown(struct question *q, const char *host, const char *why)
{
	struct buf text = BUF_INIT(sizeof(q->result->text) - 1);

	q->result->answer = CALLOUT_UNKNOWN;
	buf_addf(&text, "%s: %s", host, why);
	(void)strlcpy(q->result->text, buf_str(&text), sizeof(q->result->text));
	buf_free(&text);
}

/* True: there is an answer. */
static bool
ask_address(struct question *q, const struct hop *hop, const struct ip *ip)
{
	struct probe_result *r = q->result;
	struct smtp s;
	enum outcome said = RETRY;
	bool asked;

	q->connections++;
	smtp_init(&s, &q->p->reach->limits);
	asked = smtp_open(&s, ip, hop->port, hop->host, false) == SMTP_OK && smtp_probe(&s, q->address, &said) == SMTP_OK;
	if (asked && said == SENT) {
		r->answer = CALLOUT_YES;
	} else if (asked && said == FAILED) {
		r->answer = CALLOUT_NO;
		r->code = s.code;
		(void)strlcpy(r->enhanced, s.enhanced, sizeof(r->enhanced));
		(void)strlcpy(r->text, buf_str(&s.why), sizeof(r->text));
	} else {
		unknown(q, hop->host, buf_str(&s.why));
	}
	smtp_quit(&s);
	smtp_free(&s);
	return r->answer != CALLOUT_UNKNOWN;
}

static bool
ask_host(struct question *q, const struct hop *hop)
{
	struct ip ips[ADDRESSES_MAX];
	int n;

	if (hop_addresses(hop, q->p->dns, ips, ADDRESSES_MAX, &n, q->until) != DNS_OK) {
		unknown(q, hop->host, dns_reason(q->p->dns));
		return false;
	}
	for (int i = 0; i < n && q->connections < CONNECTIONS_MAX && !deadline_over(q->until); i++)
		if (ask_address(q, hop, &ips[i]))
			return true;
	return false;
}

void
probe_ask(const struct probe *p, const char *nexthop, const char *address, deadline_ms until, struct probe_result *out)
{
	struct question q = { .p = p, .address = address, .until = until, .result = out };
	struct hops hops;

	*out = (struct probe_result){ .answer = CALLOUT_UNKNOWN };
	if (hops_find(&hops, nexthop, p->dns, &p->reach->self, until) != SENT) {
		unknown(&q, nexthop, hops.reason);
		return;
	}
	for (int i = 0; i < hops.n && q.connections < CONNECTIONS_MAX && !deadline_over(until); i++)
		if (ask_host(&q, &hops.hop[i]))
			return;
}
