/*
 * dnsbl_rules: which DNS lists (RFC 5782) are asked about clients, and what their answers count.
 */
#ifndef LIB_NET_DNSBL_RULES_H
#define LIB_NET_DNSBL_RULES_H

#include "lib/net/ip.h"

#define DNSBL_MAX 16

struct dnsbl_rule {
	char *name, *url; /* url: where a person may look */
	int weight;
	uint32_t counts[4][8]; /* the octets of answers that count, a bit each */
};
struct dnsbl_rules {
	struct dnsbl_rule list[DNSBL_MAX];
	size_t n;
	int threshold; /* a score that is as high refuses */
};
/*
 * "zen.example*3, list.example=127.0.0.[2;4..6]*1 https://list.example/why, white.example*-4". Without a filter the answers
 * 127.0.0.[2..254] count; weight 1. 0; -1 with why.
 */
int dnsbl_rules_parse(struct span, struct dnsbl_rules *, struct buf *why) MUST_CHECK;
void dnsbl_rules_free(struct dnsbl_rules *);
bool dnsbl_counts(const struct dnsbl_rule *, const uint8_t answer[4]);
/* Answers that are no opinion: 127.255.255.0/24 and all outside 127/8. What they mean; NULL: none of these. */
const char *dnsbl_trouble(const uint8_t answer[4]);
/* The name to ask for (RFC 5782, 2.1 and 2.4). */
void dnsbl_query(struct buf *out, const struct ip *, const char *list);

#endif
