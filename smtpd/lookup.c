/*
 * lookup: what smtpd asks DNS in a session: does the sender's domain exist, what is the client called.
 *
 * Each waits at most dns_timeout, and only this client's process. Trouble with DNS is nobody's fault: it never refuses
 * for good. A resolver that is dead must not take all processes: once nobody has been answered a few times in a row,
 * or while others wait for a process, a look-up waits for a second.
 */
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>

#include "lib/base/log.h"

#include "smtpd/session.h"

#define ADDRESSES_MAX 32
#define SILENT_MAX 5        /* look-ups in a row that nobody answered */
#define SHORT_WAIT_MS 1000

struct silence {
	atomic_uint count;
};

struct silence *
lookup_silence(void)
{
	// cppcheck-suppress invalidFunctionArg
	void *m = mmap(NULL, sizeof(struct silence), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (m == MAP_FAILED)
		fatal(EX_OSERR, "cannot map memory for the resolver's silence");
	return m;
}

static deadline_ms
patience(const struct session *s)
{
	int64_t ms = (int64_t)s->d->conf.dns_timeout * 1000;

	if (ms > SHORT_WAIT_MS && (session_hurried(s) || atomic_load(&s->d->silence->count) >= SILENT_MAX))
		ms = SHORT_WAIT_MS;
	return deadline_earlier(deadline_in(ms), s->end);
}

/* A look-up is over: was it for that nobody answered? */
static void
note_silence(const struct session *s, deadline_ms until)
{
	atomic_uint *count = &s->d->silence->count;

	if (deadline_over(until))
		atomic_fetch_add(count, 1);
	else if (atomic_load(count) > 0)
		atomic_store(count, 0);
}

static bool
is_asked_about(const struct session *s)
{
	return s->d->dns != NULL && session_of_stranger(s);
}

/* RFC 5321, 5.1: an MX, or else an address. A null MX (RFC 7505) takes no answers, so nobody sends from there. */
static enum dns_result
domain_exists(struct dns *dns, const char *domain, deadline_ms until)
{
	struct dns_mx mx[2];
	struct ip ip[1];
	int n;
	enum dns_result result = dns_mx(dns, domain, mx, 2, &n, until);

	if (result == DNS_OK)
		return n == 1 && mx[0].host[0] == '\0' ? DNS_NONE : DNS_OK;
	return result == DNS_NONE ? dns_addresses(dns, domain, ip, 1, &n, until) : result;
}

enum said
lookup_sender(struct session *s, const struct path *sender)
{
	const struct conf *conf = &s->d->conf;
	enum dns_result result;
	deadline_ms until;

	if (!conf->sender_domain_check || !is_asked_about(s) || sender->domain.len == 0 || sender->domain.s[0] == '[')
		return SAY_SENDER_OK;
	until = patience(s);
	result = domain_exists(s->d->dns, arena_dupn(s->d->arena, sender->domain.s, sender->domain.len), until);
	note_silence(s, until);
	switch (result) {
	case DNS_NONE:
		return SAY_SENDER_NONE;
	case DNS_TRY_AGAIN:
		return conf->defer_on_dns_error ? SAY_SENDER_LATER : SAY_SENDER_OK;
	case DNS_OK:
		break;
	}
	return SAY_SENDER_OK;
}

void
lookup_client(struct session *s)
{
	struct ip ip[ADDRESSES_MAX];
	deadline_ms until;
	int n = 0;

	if (!s->d->conf.reverse_lookup || s->rdns_asked || !is_asked_about(s))
		return;
	s->rdns_asked = true;
	until = patience(s);
	if (s->rdns[0] == '\0' && dns_name(s->d->dns, &s->conn->peer, s->rdns, until) != DNS_OK)
		s->rdns[0] = '\0';
	else
		(void)dns_addresses(s->d->dns, s->rdns, ip, ADDRESSES_MAX, &n, until);
	note_silence(s, until);
	while (n > 0 && !s->fcrdns)
		s->fcrdns = ip_eq(&ip[--n], &s->conn->peer);
}
