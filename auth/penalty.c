/*
 * penalty: who failed how often, and the delay that follows. Knows no clocks but its
 * tables' lives, no connections, no passwords.
 */
#include "auth/penalty.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/ascii.h"
#include "lib/net/ip.h"

#define PENALTY_MAX 8192            /* records of each kind */
#define PENALTY_LIFE_MS (600 * 1000) /* after the last failure all is forgotten */
#define DELAY_FIRST_MS 2000
#define DELAY_LAST_MS 16000
#define ADDRESS_FREE 5 /* failures an address has before all its attempts wait: a house
                        * behind one address, and people who mistype */

struct address {
	struct table_item item;
	char client[64]; /* the one that failed last */
	unsigned failures;
};

void
penalty_init(struct penalty *p)
{
	arc4random_buf(p->key, sizeof(p->key));
	table_init(&p->pairs, PENALTY_MAX, sizeof(struct pair), PENALTY_LIFE_MS);
	table_init(&p->addresses, PENALTY_MAX, sizeof(struct address),
	    PENALTY_LIFE_MS);
}

/* Who counts as one client: an IPv4 address, an IPv6 /64. False: this machine itself,
 * where one address is everybody (webmail): only pairs count there. */
static bool
client_is_one(const char *client, struct ip *ip)
{
	if (ip_parse(span_of(client), ip) == -1) {
		memset(ip, 0, sizeof(*ip));
		return true;
	}
	if (ip_loopback(ip))
		return false;
	if (ip->v6)
		memset(ip->octets + 8, 0, 8);
	return true;
}

static bool
address_key(const struct penalty *p, const char *client, uint8_t key[DIGEST_OCTETS])
{
	struct ip ip = { 0 };
	struct span parts[2] = { SPAN("address"), { NULL, 0 } };

	if (!client_is_one(client, &ip))
		return false;
	parts[1] = (struct span){ (const char *)ip.octets, ip.v6 ? 16 : 4 };
	digest_hmac(p->key, parts, COUNT(parts), key);
	return true;
}

struct pair *
penalty_enter(struct penalty *p, const char *client, const char *account)
{
	uint8_t key[DIGEST_OCTETS];
	const struct span parts[] = { SPAN("pair"), span_of(client),
		span_of(account) };
	struct pair *pair;

	digest_hmac(p->key, parts, COUNT(parts), key);
	pair = table_find(&p->pairs, key);
	if (pair == NULL) {
		pair = table_add(&p->pairs, key);
		if (pair == NULL)
			return NULL;
		strlcpy(pair->client, client, sizeof(pair->client));
		strlcpy(pair->account, account, sizeof(pair->account));
		TAILQ_INIT(&pair->waiting);
	}
	pair->item.pins++;
	return pair;
}

static int64_t
doubled(unsigned failures)
{
	int64_t ms = DELAY_FIRST_MS;

	if (failures == 0)
		return 0;
	while (--failures > 0 && ms < DELAY_LAST_MS)
		ms *= 2;
	return ms < DELAY_LAST_MS ? ms : DELAY_LAST_MS;
}

int64_t
penalty_passed_ms(struct penalty *p, const char *client)
{
	uint8_t key[DIGEST_OCTETS];
	struct address *a = NULL;

	if (address_key(p, client, key))
		a = table_find(&p->addresses, key);
	return a == NULL || a->failures <= ADDRESS_FREE ? 0
	                                                : doubled(a->failures - ADDRESS_FREE);
}

int64_t
penalty_failed_ms(struct penalty *p, const struct pair *pair, const char *client)
{
	int64_t of_pair = doubled(pair->failures);
	int64_t of_address = penalty_passed_ms(p, client);

	return of_pair > of_address ? of_pair : of_address;
}

void
penalty_failed(struct penalty *p, struct pair *pair, const char *client,
    bool repeated)
{
	uint8_t key[DIGEST_OCTETS];
	struct address *a;

	if (pair->failures < 100)
		pair->failures++;
	table_renew(&p->pairs, pair);
	if (repeated || !address_key(p, client, key))
		return;
	a = table_find(&p->addresses, key);
	if (a == NULL)
		a = table_add(&p->addresses, key);
	if (a == NULL)
		return;
	if (a->failures < 100)
		a->failures++;
	strlcpy(a->client, client, sizeof(a->client));
	table_renew(&p->addresses, a);
}

/* The address keeps its count: else one own account would buy free guesses. */
void
penalty_passed(struct penalty *p, struct pair *pair)
{
	(void)p;
	pair->failures = 0;
}

void
penalty_leave(struct penalty *p, struct pair *pair)
{
	pair->item.pins--;
	if (pair->item.pins == 0 && pair->failures == 0)
		table_remove(&p->pairs, pair);
}

static void
add_line(struct buf *out, const char *account, const char *client, unsigned failures)
{
	struct buf line = BUF_INIT(1024);

	if (failures > 0) {
		word_encode(&line, account, strlen(account), NULL);
		buf_addc(&line, ' ');
		word_encode(&line, client, strlen(client), NULL);
		buf_addf(&line, " %u\n", failures);
	}
	if (out->max - out->len > line.len)
		buf_addspan(out, buf_span(&line));
	buf_free(&line);
}

static bool
over(const struct table_item *it)
{
	return it->pins == 0 && deadline_over(it->until);
}

void
penalty_list(struct penalty *p, struct buf *out)
{
	struct table_item *it;

	TAILQ_FOREACH(it, &p->addresses.used, used)
		if (!over(it))
			add_line(out, "*", ((struct address *)it)->client, ((struct address *)it)->failures);
	TAILQ_FOREACH(it, &p->pairs.used, used)
		if (!over(it))
			add_line(out, ((struct pair *)it)->account, ((struct pair *)it)->client,
			    ((struct pair *)it)->failures);
}

size_t
penalty_forget(struct penalty *p, const char *who)
{
	struct table_item *it, *next;
	uint8_t key[DIGEST_OCTETS];
	struct address *a = NULL;
	size_t n = 0;

	TAILQ_FOREACH_SAFE(it, &p->pairs.used, used, next) {
		struct pair *pair = (struct pair *)it;

		if (pair->failures == 0 || (strcasecmp(pair->account, who) != 0 && strcasecmp(pair->client, who) != 0))
			continue;
		n += !over(it);
		pair->failures = 0;
		if (it->pins == 0)
			table_remove(&p->pairs, it);
	}
	if (strchr(who, '@') == NULL && address_key(p, who, key))
		a = table_find(&p->addresses, key);
	if (a == NULL)
		return n;
	table_remove(&p->addresses, a);
	return n + 1;
}
