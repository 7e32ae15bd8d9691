/*
 * remote: the agent that sends mail to other machines over SMTP.
 *
 * Takes jobs from queued, finds the servers (hops.c), speaks with them
 * (smtp.c), and keeps a connection for the next job to the same next hop. Knows
 * neither queue nor mailboxes; all it can touch is the message it was handed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "deliver/agent.h"
#include "deliver/reach.h"
#include "lib/base/log.h"
#include "lib/base/options.h"
#include "lib/store/conf.h"
#include "lib/sys/proc.h"
#include "lib/sys/sandbox.h"

#define GRACE_MS 10000
#define IDLE_MS 5000          /* a connection waits so long for its next message */
#define MESSAGES_MAX 100      /* on one connection */
#define AGE_MAX_MS (300 * 1000)
#define ADDRESSES_MAX 8       /* of one host */
#define ATTEMPTS_MAX 10       /* connections tried for one job */
#define TRYING_MS (20 * 60 * 1000) /* then no other server is tried */

struct remote {
	const char *dir;
	struct instance inst;
	struct conf conf;
	char *socket;
	struct reach reach;
	/* of a worker */
	struct agent agent;
	struct dns *dns;
	struct smtp smtp;
	char *nexthop;        /* that smtp is connected to; NULL */
};

static void
read_options(struct remote *r, int argc, char *argv[])
{
	r->dir = options_dir(argc, argv,
	    "usage: remote [-C DIR]\n"
	    "  -C DIR  the instance below DIR; without it the system's own\n"
	    "Usually started by master or systemd; see remote(8).\n");
	instance_open(&r->inst, r->dir);
}

static void
close_settings(struct remote *r)
{
	free(r->socket);
	conf_free(&r->conf);
	instance_close(&r->inst);
}

static void
read_settings(struct remote *r)
{
	const struct conf *c = &r->conf;

	conf_load(&r->conf, &r->inst);
	log_level_set(c->log_detail ? LOG_DETAIL : LOG_NOTICE);
	r->socket = instance_path(r->inst.run, "agents");
	reach_init(&r->reach, c, c->remote_connect_timeout, c->remote_timeout);
}

static void
open_resolver(struct remote *r)
{
	struct buf why = BUF_INIT(512);

	r->dns = dns_open(r->conf.resolver, (int)r->conf.dns_timeout * 1000,
	    &why);
	if (r->dns == NULL)
		fatal(EX_CONFIG, "cannot open the resolver: %s", buf_str(&why));
	buf_free(&why);
}

static void
enter_sandbox(struct remote *r)
{
	struct sandbox box = { .mode = r->conf.sandbox, .calls = CALL_INET | CALL_UNIX };

	reach_sandbox(&box, &r->conf);
	sandbox_enter(&box);
}

/* --- one job ------------------------------------------------------------------ */

struct attempt {
	struct remote *r;
	struct job *j;
	deadline_ms until;    /* no other server is tried behind this */
	int connections;      /* tried */
	bool connected;       /* one of them came about */
	bool refused_only;    /* so far every server said 5yz to us as such, or falls short of promised */
	bool promised;        /* RFC 8689, 4.2.1 */
	/* the last reason why nothing went on */
	int code;
	char enhanced[12];
	struct buf why;
};

static bool
all_done(const struct job *j)
{
	size_t i;

	for (i = 0; i < j->rcpt_count; i++)
		if (!j->rcpts[i].done)
			return false;
	return true;
}

static void
outcome_for_rest(struct job *j, enum outcome what, int code,
    const char *enhanced, struct span text)
{
	size_t i;

	for (i = 0; i < j->rcpt_count; i++)
		job_outcome(j, &j->rcpts[i], what, code, enhanced, text);
}

static void
leave_site(struct remote *r)
{
	smtp_quit(&r->smtp);
	free(r->nexthop);
	r->nexthop = NULL;
}

static void
remember_reason(struct attempt *a, enum smtp_result result)
{
	const struct smtp *s = &a->r->smtp;

	a->code = s->code;
	strlcpy(a->enhanced, s->enhanced, sizeof(a->enhanced));
	buf_reset(&a->why);
	buf_addspan(&a->why, buf_span(&s->why));
	if (result != SMTP_REFUSED)
		a->refused_only = false;
}

static void
log_connect(const struct attempt *a, const struct hop *hop, const struct ip *ip, enum smtp_result result)
{
	const struct smtp *s = &a->r->smtp;
	struct buf address = BUF_INIT(64), tls = BUF_INIT(128);

	ip_add(&address, ip);
	tls_describe(&s->d.io, &tls);
	log_event(EV_REMOTE_CONNECT, LS("id", a->j->id), LS("host", hop->host), LS("address", buf_str(&address)),
	    LS("tls", buf_str(&tls)), LS("error", result == SMTP_OK ? "-" : buf_str(&s->why)));
	buf_free(&address);
	buf_free(&tls);
}

/* Connect to one address and send; true: nothing is left to do. */
static bool
try_address(struct attempt *a, const struct hop *hop, const struct ip *ip)
{
	struct smtp *s = &a->r->smtp;
	enum smtp_result result;

	a->connections++;
	result = smtp_open(s, ip, hop->port, hop->host, a->promised);
	if (result != SMTP_OK || a->r->conf.log_detail)
		log_connect(a, hop, ip, result);
	if (result != SMTP_NEXT || s->code != 0)
		a->connected = true;
	if (result == SMTP_OK)
		result = smtp_send(s, a->j);
	if (result != SMTP_OK)
		remember_reason(a, result);
	return all_done(a->j);
}

/* Would port 25 there be ourselves? The MX with this address is us under another name. */
static bool
is_self(const struct attempt *a, const struct ip *ip)
{
	return strncmp(a->j->nexthop, "mx:", 3) == 0 &&
	    a->r->reach.self.port == 25 && hops_own_address(ip);
}

static void
no_address(struct attempt *a, const struct hop *hop, enum dns_result result)
{
	a->code = 0;
	strlcpy(a->enhanced, "4.4.4", sizeof(a->enhanced));
	a->refused_only = false;
	buf_reset(&a->why);
	buf_addf(&a->why, "%s has no address%s: %s", hop->host,
	    result == DNS_NONE ? "" : " that can be found now",
	    dns_reason(a->r->dns));
}

static bool
may_connect(const struct attempt *a)
{
	return a->connections < ATTEMPTS_MAX && !deadline_over(a->until);
}

/* True: go on to the next host. */
static bool
try_host(struct attempt *a, const struct hop *hop)
{
	struct ip ips[ADDRESSES_MAX];
	enum dns_result found;
	int n, i;

	found = hop_addresses(hop, a->r->dns, ips, ADDRESSES_MAX, &n, deadline_in((int64_t)a->r->conf.dns_timeout * 2000));
	if (found != DNS_OK) {
		no_address(a, hop, found);
		return true;
	}
	for (i = 0; i < n && may_connect(a); i++) {
		if (is_self(a, &ips[i])) {
			a->code = 0;
			strlcpy(a->enhanced, "4.4.6", sizeof(a->enhanced));
			a->refused_only = false;
			buf_reset(&a->why);
			buf_addf(&a->why, "%s is an address of our own",
			    hop->host);
			return false; /* and all behind it would come back here */
		}
		if (try_address(a, hop, &ips[i]) || proc_stopping)
			return false;
	}
	return may_connect(a);
}

/* Nobody took it. When every server refused us for good, that is an answer;
 * anything else may be better tomorrow. */
static void
give_up(struct attempt *a)
{
	enum outcome what = RETRY;

	if (a->connections > 0 && a->refused_only)
		what = FAILED;
	if (a->why.len == 0)
		buf_adds(&a->why, "interrupted");
	outcome_for_rest(a->j, what, a->code, a->enhanced, buf_span(&a->why));
}

static void
try_all(struct attempt *a, const struct hops *hops)
{
	for (int i = 0; i < hops->n && !proc_stopping; i++)
		if (!try_host(a, &hops->hop[i]))
			break;
}

/* A report is not lost because nobody on its way does REQUIRETLS (RFC 8689, 5). */
static bool
may_go_without(const struct attempt *a)
{
	return a->promised && a->refused_only && a->j->sender[0] == '\0' && !proc_stopping;
}

static void
try_hops(struct attempt *a)
{
	struct remote *r = a->r;
	struct job *j = a->j;
	struct hops hops;
	enum outcome found;

	found = hops_find(&hops, j->nexthop, r->dns, &r->reach.self,
	    deadline_in((int64_t)r->conf.dns_timeout * 2000));
	if (found != SENT) {
		r->smtp.host[0] = '\0';
		outcome_for_rest(j, found, hops.code, hops.enhanced,
		    span_of(hops.reason));
		a->connected = true; /* the site is not to blame */
		return;
	}
	try_all(a, &hops);
	if (!all_done(j) && may_go_without(a)) {
		a->promised = false;
		a->connections = 0;
		try_all(a, &hops);
	}
	if (!all_done(j))
		give_up(a);
}

/* The connection of the job before, if it leads there. */
static bool
try_kept(struct attempt *a)
{
	struct remote *r = a->r;

	if (r->nexthop == NULL)
		return false;
	if (strcmp(r->nexthop, a->j->nexthop) != 0 || !r->smtp.open || (a->promised && !r->smtp.promised)) {
		leave_site(r);
		return false;
	}
	if (smtp_send(&r->smtp, a->j) == SMTP_OK && all_done(a->j)) {
		a->connected = true;
		return true;
	}
	leave_site(r); /* it had gone while it was idle: anew */
	return false;
}

static bool
worth_keeping(const struct smtp *s)
{
	return s->open && s->sent < MESSAGES_MAX && !proc_stopping &&
	    clock_mono_ms() - s->born < AGE_MAX_MS;
}

static void
serve_job(struct remote *r, struct job *j)
{
	struct attempt a = { .r = r, .j = j, .refused_only = true, .promised = j->requiretls,
		.until = deadline_in(TRYING_MS), .why = BUF_INIT(2048) };
	const char *host;

	if (!try_kept(&a))
		try_hops(&a);
	if (!worth_keeping(&r->smtp)) {
		leave_site(r);
	} else if (r->nexthop == NULL) {
		r->nexthop = mem_dup(j->nexthop);
	}
	host = a.connected && r->smtp.host[0] != '\0' ? r->smtp.host : "-";
	agent_report(&r->agent, j, host,
	    r->nexthop != NULL ? r->nexthop : a.connected ? "-" : "!");
	buf_free(&a.why);
}

/* --- the program ---------------------------------------------------------------- */

static int
work(void *arg, int slot)
{
	struct remote *r = arg;
	struct job job;
	int n;

	(void)slot;
	open_resolver(r);
	smtp_init(&r->smtp, &r->reach.limits);
	agent_init(&r->agent, r->socket, "remote");
	enter_sandbox(r);

	for (;;) {
		n = agent_take(&r->agent,
		    r->nexthop != NULL ? deadline_in(IDLE_MS) : NEVER, &job);
		if (n == -1)
			break;
		if (n == 1)
			serve_job(r, &job);
		else
			leave_site(r);
	}
	leave_site(r);
	smtp_free(&r->smtp);
	agent_close(&r->agent);
	dns_close(r->dns);
	close_settings(r);
	return 0;
}

int
main(int argc, char *argv[])
{
	struct remote r = { 0 };

	log_open("remote");
	read_options(&r, argc, argv);
	read_settings(&r);
	proc_drop(USER_REMOTE);
	proc_signals();

	proc_pool((int)r.conf.remote_agents, GRACE_MS, work, &r);

	close_settings(&r);
	return 0;
}
