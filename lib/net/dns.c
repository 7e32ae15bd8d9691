/*
 * dns: look-ups of MX, addresses and names of addresses, over c-ares.
 *
 * Asks and waits, one look-up at a time, until a deadline. "Not there" is only what
 * a server has said (NXDOMAIN, no data): whatever else happens is TRY_AGAIN, for
 * mail must not bounce because a resolver was ill.
 */
#include "lib/net/dns.h"

#include <arpa/nameser.h>
#include <ares.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/mem.h"
#include "lib/mail/domain.h"
#include "lib/net/dnsbl_rules.h"

#define TRIES 2 /* at each server; c-ares doubles the pause */
#define ANSWERS_MAX 256 /* records looked at */

struct dns {
	ares_channel channel;
	char *servers; /* for c-ares; "": those of resolv.conf */
	int timeout_ms;
	bool trouble;  /* the last look-up failed: read resolv.conf again */
	int status;
};

/* "a, b" as c-ares wants it: "a,b" */
static char *
without_blanks(const char *s)
{
	char *out = mem_dup(s), *e = out;

	for (; *s != '\0'; s++)
		if (*s != ' ' && *s != '\t')
			*e++ = *s;
	*e = '\0';
	return out;
}

static int
channel_open(struct dns *d)
{
	struct ares_options o = { .timeout = d->timeout_ms, .tries = TRIES };
	int rv;

	rv = ares_init_options(&d->channel, &o,
	    ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
	if (rv != ARES_SUCCESS)
		return rv;
	if (d->servers[0] != '\0')
		rv = ares_set_servers_ports_csv(d->channel, d->servers);
	if (rv != ARES_SUCCESS)
		ares_destroy(d->channel);
	return rv;
}

struct dns *
dns_open(const char *servers, int timeout_ms, struct buf *why)
{
	struct dns *d = mem_alloc(1, sizeof(*d));
	int rv;

	d->servers = without_blanks(servers);
	d->timeout_ms = timeout_ms;
	rv = ares_library_init(ARES_LIB_INIT_ALL);
	if (rv == ARES_SUCCESS) {
		rv = channel_open(d);
		if (rv == ARES_SUCCESS)
			return d;
		ares_library_cleanup();
	}
	buf_addf(why, "cannot use resolver \"%s\": %s",
	    servers[0] != '\0' ? servers : "/etc/resolv.conf", ares_strerror(rv));
	free(d->servers);
	free(d);
	return NULL;
}

void
dns_close(struct dns *d)
{
	if (d == NULL)
		return;
	ares_destroy(d->channel);
	ares_library_cleanup();
	free(d->servers);
	free(d);
}

const char *
dns_reason(const struct dns *d)
{
	return ares_strerror(d->status);
}

/* A new look-up. After trouble, with what resolv.conf says now. */
static void
begin(struct dns *d)
{
	struct dns fresh = *d;

	if (d->trouble && d->servers[0] == '\0' &&
	    channel_open(&fresh) == ARES_SUCCESS) {
		ares_destroy(d->channel);
		d->channel = fresh.channel;
	}
	d->trouble = false;
	d->status = ARES_SUCCESS;
}

static enum dns_result
result_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return DNS_OK;
	case ARES_ENODATA:
	case ARES_ENOTFOUND:
	case ARES_EBADNAME:
		return DNS_NONE;
	default:
		return DNS_TRY_AGAIN;
	}
}

static enum dns_result
finish(struct dns *d, int status)
{
	enum dns_result result = result_of(status);

	d->status = status;
	d->trouble = result == DNS_TRY_AGAIN;
	return result;
}

/* Wait for sockets or c-ares' own clock, and let it work. */
static void
step(struct dns *d, deadline_ms until)
{
	ares_socket_t socks[ARES_GETSOCK_MAXNUM];
	struct pollfd fds[ARES_GETSOCK_MAXNUM];
	/* not ARES_GETSOCK_WRITABLE(), which shifts a bit into the sign */
	unsigned mask = (unsigned)ares_getsock(d->channel, socks,
	    ARES_GETSOCK_MAXNUM);
	struct timeval max = { 1, 0 }, tv, *t;
	nfds_t n = 0;
	int wait_ms, left = deadline_left(until);

	for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
		bool in = (mask >> i & 1) != 0;
		bool out = (mask >> (i + ARES_GETSOCK_MAXNUM) & 1) != 0;
		short want = (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0));

		if (want != 0)
			fds[n++] = (struct pollfd){ socks[i], want, 0 };
	}
	t = ares_timeout(d->channel, &max, &tv);
	wait_ms = (int)(t->tv_sec * 1000 + t->tv_usec / 1000) + 1;
	if (left != -1 && left < wait_ms)
		wait_ms = left;
	if (poll(fds, n, wait_ms) <= 0) {
		ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
		return;
	}
	for (nfds_t i = 0; i < n; i++) {
		short got = fds[i].revents;

		ares_process_fd(d->channel,
		    got & (POLLIN | POLLERR | POLLHUP) ? fds[i].fd :
		    ARES_SOCKET_BAD, got & POLLOUT ? fds[i].fd : ARES_SOCKET_BAD);
	}
}

/* Until the answers are there; those that come too late are cancelled. */
static void
await(struct dns *d, const int *pending, deadline_ms until)
{
	while (*pending > 0) {
		if (deadline_over(until))
			ares_cancel(d->channel);
		else
			step(d, until);
	}
}

/* The name as DNS has it, into host (256 octets). */
static int
ask_for(const char *name, char host[256])
{
	struct buf ascii = BUF_INIT(1024);
	int rv = domain_to_ascii(span_of(name), &ascii);

	if (rv == 0 && (ascii.len == 0 || ascii.len > 255 || buf_over(&ascii)))
		rv = -1;
	if (rv == 0)
		memcpy(host, ascii.s, ascii.len + 1);
	buf_free(&ascii);
	return rv;
}

/* --- MX ------------------------------------------------------------------ */

struct mx_answer {
	struct dns_mx mx[ANSWERS_MAX];
	int n, status, pending;
};

static void
mx_arrived(void *arg, int status, int timeouts, unsigned char *octets, int n)
{
	struct mx_answer *a = arg;
	struct ares_mx_reply *list = NULL;

	(void)timeouts;
	a->pending--;
	a->status = status;
	if (status == ARES_SUCCESS)
		a->status = ares_parse_mx_reply(octets, n, &list);
	for (struct ares_mx_reply *r = list; r != NULL; r = r->next) {
		if (a->n == ANSWERS_MAX || strlen(r->host) > 255)
			continue; /* no name is that long: RFC 1035, 2.3.4 */
		a->mx[a->n].preference = r->priority;
		memcpy(a->mx[a->n].host, r->host, strlen(r->host) + 1);
		a->n++;
	}
	ares_free_data(list);
	if (a->status == ARES_SUCCESS && a->n == 0)
		a->status = ARES_ENODATA;
}

static int
by_preference(const void *a, const void *b)
{
	const struct dns_mx *x = a, *y = b;

	return (x->preference > y->preference) - (x->preference < y->preference);
}

/* Equal ones in an order of their own for each look-up (RFC 5321, 5.1): shuffle
 * all, then sort in a way that keeps the order of equals. */
static void
shuffle_and_sort(struct dns_mx *mx, int n)
{
	struct dns_mx swap;

	for (int i = n - 1; i > 0; i--) {
		int j = (int)arc4random_uniform((uint32_t)i + 1);

		swap = mx[i];
		mx[i] = mx[j];
		mx[j] = swap;
	}
	for (int i = 1; i < n; i++) { /* n is small */
		for (int j = i; j > 0 && by_preference(&mx[j - 1], &mx[j]) > 0; j--) {
			swap = mx[j];
			mx[j] = mx[j - 1];
			mx[j - 1] = swap;
		}
	}
}

/* A null MX stands alone (RFC 7505, 3): beside others, "." is only a name
 * without addresses. */
static int
drop_root(struct dns_mx *mx, int n)
{
	int kept = 0;

	for (int i = 0; i < n; i++)
		if (mx[i].host[0] != '\0')
			mx[kept++] = mx[i];
	return kept > 0 ? kept : 1;
}

enum dns_result
dns_mx(struct dns *d, const char *domain, struct dns_mx *out, int max, int *n,
    deadline_ms until)
{
	struct mx_answer *a;
	char host[256];
	int status;

	*n = 0;
	begin(d);
	if (ask_for(domain, host) == -1)
		return finish(d, ARES_EBADNAME);
	a = mem_alloc(1, sizeof(*a));
	a->pending = 1;
	ares_query(d->channel, host, C_IN, T_MX, mx_arrived, a);
	await(d, &a->pending, until);
	status = a->status;
	if (status == ARES_SUCCESS) {
		a->n = drop_root(a->mx, a->n);
		shuffle_and_sort(a->mx, a->n);
		*n = a->n < max ? a->n : max;
		memcpy(out, a->mx, (size_t)*n * sizeof(*out));
	}
	free(a);
	return finish(d, status);
}

/* --- addresses ------------------------------------------------------------- */

struct ip_answer {
	struct ip ip[ANSWERS_MAX];
	int n, status;
	int *pending;
	bool v6;
};

static int
parse_a(struct ip_answer *a, const unsigned char *octets, int len)
{
	struct ares_addrttl list[ANSWERS_MAX];
	int n = ANSWERS_MAX, rv = ares_parse_a_reply(octets, len, NULL, list, &n);

	for (int i = 0; rv == ARES_SUCCESS && i < n; i++)
		memcpy(a->ip[a->n++].octets, &list[i].ipaddr, 4);
	return rv;
}

static int
parse_aaaa(struct ip_answer *a, const unsigned char *octets, int len)
{
	struct ares_addr6ttl list[ANSWERS_MAX];
	int n = ANSWERS_MAX,
	    rv = ares_parse_aaaa_reply(octets, len, NULL, list, &n);

	for (int i = 0; rv == ARES_SUCCESS && i < n; i++) {
		a->ip[a->n].v6 = true;
		memcpy(a->ip[a->n++].octets, &list[i].ip6addr, 16);
	}
	return rv;
}

static void
ip_arrived(void *arg, int status, int timeouts, unsigned char *octets, int n)
{
	struct ip_answer *a = arg;

	(void)timeouts;
	--*a->pending;
	a->status = status;
	if (status == ARES_SUCCESS)
		a->status = (a->v6 ? parse_aaaa : parse_a)(a, octets, n);
	if (a->status == ARES_SUCCESS && a->n == 0)
		a->status = ARES_ENODATA;
}

static void
from_hosts_file(struct dns *d, const char *host, struct ip_answer *a)
{
	struct hostent *h = NULL;

	a->status = ares_gethostbyname_file(d->channel, host,
	    a->v6 ? AF_INET6 : AF_INET, &h);
	if (a->status != ARES_SUCCESS)
		return;
	for (int i = 0; h->h_addr_list[i] != NULL && a->n < ANSWERS_MAX; i++) {
		a->ip[a->n].v6 = a->v6;
		memcpy(a->ip[a->n++].octets, h->h_addr_list[i], a->v6 ? 16 : 4);
	}
	ares_free_hostent(h);
}

/* This machine, which no server is asked for (RFC 6761, 6.3). */
static bool
is_localhost(const char *host)
{
	size_t len = strlen(host), tail = strlen(".localhost");

	return strcasecmp(host, "localhost") == 0 ||
	    (len > tail && strcasecmp(host + len - tail, ".localhost") == 0);
}

static void
add_loopback(struct ip_answer *v6, struct ip_answer *v4)
{
	v6->ip[v6->n] = (struct ip){ .v6 = true };
	v6->ip[v6->n++].octets[15] = 1;
	v4->ip[v4->n] = (struct ip){ .v6 = false };
	memcpy(v4->ip[v4->n++].octets, "\x7f\0\0\1", 4);
}

/* IPv6 first, but never so many that no IPv4 address is tried. */
static int
merge(const struct ip_answer *v6, const struct ip_answer *v4, struct ip *out,
    int max)
{
	int n4 = v4->n < max / 2 ? v4->n : max / 2;
	int n6 = v6->n < max - n4 ? v6->n : max - n4;

	n4 = v4->n < max - n6 ? v4->n : max - n6;
	memcpy(out, v6->ip, (size_t)n6 * sizeof(*out));
	memcpy(out + n6, v4->ip, (size_t)n4 * sizeof(*out));
	return n6 + n4;
}

static void
ask_both(struct dns *d, const char *host, struct ip_answer *v6,
    struct ip_answer *v4, deadline_ms until)
{
	int pending = 2;

	v6->pending = v4->pending = &pending;
	ares_query(d->channel, host, C_IN, T_AAAA, ip_arrived, v6);
	ares_query(d->channel, host, C_IN, T_A, ip_arrived, v4);
	await(d, &pending, until);
}

/* Half an answer is one if it has addresses; "not there" takes both. */
static int
both_statuses(const struct ip_answer *v6, const struct ip_answer *v4)
{
	if (v6->n + v4->n > 0)
		return ARES_SUCCESS;
	return result_of(v6->status) == DNS_NONE ? v4->status : v6->status;
}

enum dns_result
dns_addresses(struct dns *d, const char *name, struct ip *out, int max, int *n,
    deadline_ms until)
{
	struct ip_answer *v6, *v4;
	char host[256];
	int status;

	*n = 0;
	begin(d);
	if (max > 0 && (ip_literal_parse(span_of(name), out) == 0 ||
	    ip_parse(span_of(name), out) == 0)) {
		*n = 1;
		return finish(d, ARES_SUCCESS);
	}
	if (ask_for(name, host) == -1)
		return finish(d, ARES_EBADNAME);
	v6 = mem_alloc(1, sizeof(*v6));
	v4 = mem_alloc(1, sizeof(*v4));
	v6->v6 = true;
	from_hosts_file(d, host, v6);
	from_hosts_file(d, host, v4);
	if (v6->n + v4->n == 0 && is_localhost(host))
		add_loopback(v6, v4);
	else if (v6->n + v4->n == 0)
		ask_both(d, host, v6, v4, until);
	*n = merge(v6, v4, out, max);
	status = both_statuses(v6, v4);
	free(v6);
	free(v4);
	return finish(d, status);
}

/* --- names of addresses ------------------------------------------------------ */

struct name_answer {
	char name[256];
	struct ip ip;
	int status, pending;
};

static void
name_arrived(void *arg, int status, int timeouts, unsigned char *octets, int n)
{
	struct name_answer *a = arg;
	struct hostent *h = NULL;

	(void)timeouts;
	a->pending--;
	a->status = status;
	if (status == ARES_SUCCESS)
		a->status = ares_parse_ptr_reply(octets, n, a->ip.octets, a->ip.v6 ? 16 : 4,
		    a->ip.v6 ? AF_INET6 : AF_INET, &h);
	if (a->status != ARES_SUCCESS)
		return;
	if (h->h_name != NULL && strlen(h->h_name) < sizeof(a->name))
		memcpy(a->name, h->h_name, strlen(h->h_name) + 1);
	ares_free_hostent(h);
	if (a->name[0] == '\0')
		a->status = ARES_ENODATA;
}

enum dns_result
dns_name(struct dns *d, const struct ip *ip, char name[256], deadline_ms until)
{
	struct name_answer a = { .ip = *ip, .pending = 1 };
	struct buf reversed = BUF_INIT(300);

	begin(d);
	dnsbl_query(&reversed, ip, ip->v6 ? "ip6.arpa" : "in-addr.arpa"); /* RFC 1035, 3.5; RFC 3596, 2.5 */
	ares_query(d->channel, buf_str(&reversed), C_IN, T_PTR, name_arrived, &a);
	await(d, &a.pending, until);
	buf_free(&reversed);
	memcpy(name, a.name, sizeof(a.name));
	return finish(d, a.status);
}
