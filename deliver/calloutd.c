/*
 * calloutd: asks the servers to which we relay whether they know a recipient, for smtpd, and remembers what they said.
 *
 * An event loop with the dialogue (lib/wire/callout.h); each question that is not remembered is put by a process of its own
 * (deliver/probe), which a dead or slow server may hold up. Several clients that want to know the same share one.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "deliver/verdicts.h"
#include "lib/base/log.h"
#include "lib/base/options.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"
#include "lib/sys/sandbox.h"
#include "lib/wire/door.h"
#include "router/router.h"

#define CLIENTS_MAX 10000
#define PROBES_MAX 50         /* processes at once; beyond: nobody knows */
#define PROBES_OF_HOP 15      /* ... for one next hop: a dead one leaves room for the others */
#define UNKNOWN_MS 60000      /* a server that does not answer is not asked by everybody */
#define KILL_AFTER_MS 2000    /* behind callout_timeout: then a probe that does not end is ended */

struct calloutd {
	struct instance inst;
	struct conf conf;
	struct router router;
	struct reach reach;
	struct event_base *base;
	struct door door;
	uid_t smtpd_uid;
	struct verdicts verdicts;
	struct probing *probing; /* all that are under way */
	size_t probes;
};

struct client {
	struct visitor visitor;
	struct calloutd *d;
	struct probing *wants;   /* the answer to this; NULL */
	struct client *next;     /* who wants the same */
};

struct probing {
	struct calloutd *d;
	char *address, *nexthop;
	pid_t pid;
	int fd;
	struct event *readable;
	struct client *clients;
	struct probing *next;
};

/* --- answers -------------------------------------------------------------- */

static void
say(struct client *c, const struct probe_result *r)
{
	struct wire *w = &c->visitor.wire;
	char code[16];

	(void)snprintf(code, sizeof(code), "%d", r->code);
	if (r->answer == CALLOUT_YES)
		door_said(&c->visitor, wire_send(w, NEVER, NULL, SPAN(""), "YES", NULL, 0));
	else if (r->answer == CALLOUT_NO)
		door_said(&c->visitor, wire_say(w, NEVER, "NO", code, r->enhanced, r->text));
	else
		door_said(&c->visitor, wire_say(w, NEVER, "UNKNOWN", r->text));
}

static void
say_unknown(struct client *c, const char *why)
{
	struct probe_result r = { .answer = CALLOUT_UNKNOWN };

	(void)strlcpy(r.text, why, sizeof(r.text));
	say(c, &r);
}

/* --- a question under way --------------------------------------------------- */

static void
probing_end(struct probing *p, const struct probe_result *r)
{
	struct probing **at = &p->d->probing;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	for (struct client *c = p->clients, *next; c != NULL; c = next) {
		next = c->next;
		c->wants = NULL;
		say(c, r);
	}
	event_free(p->readable);
	file_close(p->fd);
	(void)kill(p->pid, SIGKILL); /* it has ended, or must */
	while (waitpid(p->pid, NULL, 0) == -1 && errno == EINTR)
		;
	p->d->probes--;
	free(p->address);
	free(p->nexthop);
	free(p);
}

/* "No such person" lasts; a full mailbox, or a server that has had enough of us (5.2.2, 5.7.1), does not. */
static bool
is_about_person(const struct probe_result *r)
{
	return strncmp(r->enhanced, "5.1.", 4) == 0 || strcmp(r->enhanced, "5.0.0") == 0 || r->enhanced[0] == '\0';
}

static void
remember(const struct probing *p, const struct probe_result *r)
{
	const struct conf *c = &p->d->conf;
	int64_t ms = r->answer == CALLOUT_YES ? (int64_t)c->callout_keep_yes * 1000 :
	    r->answer == CALLOUT_NO && is_about_person(r) ? (int64_t)c->callout_keep_no * 1000 : UNKNOWN_MS;
	static const char *const words[] = { "yes", "no", "unknown" };

	log_event(EV_CALLOUT, LS("rcpt", p->address), LS("answer", words[r->answer]), LN("code", r->code), LS("reply", r->text));
	if (ms > 0)
		verdicts_keep(&p->d->verdicts, p->address, r, deadline_in(ms));
}

static void
probing_readable(evutil_socket_t fd, short what, void *arg)
{
	struct probing *p = arg;
	struct probe_result r = { 0 };
	ssize_t n = (what & EV_READ) != 0 ? read((int)fd, &r, sizeof(r)) : 0;

	if (n != (ssize_t)sizeof(r) || (unsigned)r.answer > CALLOUT_UNKNOWN) {
		r = (struct probe_result){ .answer = CALLOUT_UNKNOWN };
		(void)strlcpy(r.text, (what & EV_READ) != 0 ? "the probe has failed" : "no answer in time", sizeof(r.text));
	}
	r.enhanced[sizeof(r.enhanced) - 1] = r.text[sizeof(r.text) - 1] = '\0';
	remember(p, &r);
	probing_end(p, &r);
}

/* A process that speaks to servers has no business with our clients' connections, and keeps none of them open when we end.
 * Its signals do not go to libevent, whose descriptors are closed. */
static void
leave_loop(int keep)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGCHLD };

	for (size_t i = 0; i < COUNT(signals); i++)
		(void)signal(signals[i], SIG_DFL);
	if (keep > 3)
		(void)close_range(3, (unsigned)keep - 1, 0);
	(void)close_range((unsigned)keep + 1, ~0U, 0);
}

/* In a process of its own. */
static void NORETURN
put_question(const struct calloutd *d, const char *nexthop, const char *address, int to)
{
	struct probe probe = { .reach = &d->reach };
	struct buf why = BUF_INIT(512);
	struct probe_result r;

	leave_loop(to);
	log_open(NULL);
	probe.dns = dns_open(d->conf.resolver, (int)d->conf.dns_timeout * 1000, &why);
	if (probe.dns == NULL)
		_exit(EX_CONFIG);
	probe_ask(&probe, nexthop, address, deadline_in((int64_t)d->conf.callout_timeout * 1000), &r);
	_exit(file_write_all(to, &r, sizeof(r)) == 0 ? 0 : EX_IOERR);
}

/* NULL: no process can be made. */
static struct probing *
probing_begin(struct calloutd *d, const char *nexthop, const char *address)
{
	int64_t ms = (int64_t)d->conf.callout_timeout * 1000 + KILL_AFTER_MS;
	const struct timeval until = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	struct probing *p;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) == -1)
		return NULL;
	pid = fork();
	if (pid == 0)
		put_question(d, nexthop, address, ends[1]);
	file_close(ends[1]);
	if (pid == -1) {
		file_close(ends[0]);
		return NULL;
	}
	p = mem_alloc(1, sizeof(*p));
	*p = (struct probing){ .d = d, .address = mem_dup(address), .nexthop = mem_dup(nexthop), .pid = pid, .fd = ends[0], .next = d->probing };
	p->readable = event_new(d->base, p->fd, EV_READ, probing_readable, p);
	if (p->readable == NULL || event_add(p->readable, &until) == -1)
		fatal(EX_OSERR, "cannot wait for a probe");
	d->probing = p;
	d->probes++;
	return p;
}

static void
wait_for(struct client *c, struct probing *p)
{
	c->wants = p;
	c->next = p->clients;
	p->clients = c;
}

static struct probing *
find_probing(const struct calloutd *d, const char *address)
{
	struct probing *p = d->probing;

	while (p != NULL && strcmp(p->address, address) != 0)
		p = p->next;
	return p;
}

static size_t
probes_of(const struct calloutd *d, const char *nexthop)
{
	size_t n = 0;

	for (const struct probing *p = d->probing; p != NULL; p = p->next)
		n += strcmp(p->nexthop, nexthop) == 0;
	return n;
}

/* By the current maps. */
static void
probe_anew(struct client *c, const char *address)
{
	struct calloutd *d = c->d;
	struct arena *arena = arena_new();
	struct buf why = BUF_INIT(512);
	struct probing *p = NULL;
	struct nexthop hop;

	router_refresh(&d->router);
	if (router_nexthop(&d->router, "", address, RCPT_RELAY, arena, &hop, NULL, &why) == -1)
		;
	else if (hop.kind == NEXTHOP_LOCAL)
		buf_adds(&why, "no other server gets this");
	else if (hop.on_link)
		buf_adds(&why, "its route is there only while the link is up");
	else if (d->probes >= PROBES_MAX || probes_of(d, hop.text) >= PROBES_OF_HOP)
		buf_adds(&why, "too many questions at once");
	else if ((p = probing_begin(d, hop.text, address)) == NULL)
		buf_addf(&why, "no probe can be made: %s", strerror(errno));
	if (p != NULL)
		wait_for(c, p);
	else
		say_unknown(c, buf_str(&why));
	buf_free(&why);
	arena_free(arena);
}

static void
cmd_ask(void *client, const struct wire_packet *packet)
{
	static const struct probe_result yes = { .answer = CALLOUT_YES };
	struct client *c = client;
	const char *address = packet->word[0];
	const struct verdict *known = verdicts_find(&c->d->verdicts, address);
	struct probing *p;

	if (known != NULL)
		say(c, known->not_yes != NULL ? known->not_yes : &yes);
	else if ((p = find_probing(c->d, address)) != NULL)
		wait_for(c, p);
	else
		probe_anew(c, address);
}

static const struct door_verb verbs[] = {
	{ "ASK", false, LIMIT_ADDRESS, cmd_ask },
	{ NULL, false, 0, NULL },
};

/* --- clients ---------------------------------------------------------------- */

static bool
may_connect(void *arg, uid_t uid)
{
	const struct calloutd *d = arg;

	return uid == d->smtpd_uid || door_administrator(uid);
}

static void
client_entered(void *client)
{
	struct client *c = client;

	c->d = c->visitor.door->arg;
}

static void
client_leaving(void *client)
{
	struct client *c = client;
	struct client **at;

	if (c->wants == NULL)
		return;
	for (at = &c->wants->clients; *at != c; at = &(*at)->next)
		;
	*at = c->next;
}

/* --- the program -------------------------------------------------------------- */

static void
read_settings(struct calloutd *d, int argc, char *argv[])
{
	const char *dir = options_dir(argc, argv,
	    "usage: calloutd [-C DIR]\n"
	    "  -C DIR  the instance below DIR; without it the system's own\n"
	    "Usually started by master or systemd; see calloutd(8).\n");

	instance_open(&d->inst, dir);
	conf_load(&d->conf, &d->inst);
	log_level_set(d->conf.log_detail ? LOG_DETAIL : LOG_NOTICE);
	reach_init(&d->reach, &d->conf, d->conf.callout_timeout, d->conf.callout_timeout);
}

static void
open_maps(struct calloutd *d)
{
	struct buf why = BUF_INIT(1024);

	if (router_open(&d->router, &d->inst, &d->conf, &why) == -1)
		fatal(EX_CONFIG, "cannot open the maps: %s", buf_str(&why));
	buf_free(&why);
}

static void
enter_sandbox(const struct calloutd *d)
{
	struct sandbox box = { .mode = d->conf.sandbox, .calls = CALL_INET | CALL_UNIX | CALL_FORK };

	sandbox_may(&box, d->inst.maps, MAY_READ);
	reach_sandbox(&box, &d->conf);
	sandbox_enter(&box);
}

static void
stop(evutil_socket_t fd, short what, void *arg)
{
	struct calloutd *d = arg;

	(void)what;
	if (fd != SIGCHLD) /* probes are waited for in probing_end() */
		event_base_loopbreak(d->base);
}

static void
end_probes(struct calloutd *d)
{
	static const struct probe_result stopping = { .answer = CALLOUT_UNKNOWN, .text = "calloutd is stopping" };

	for (struct probing *p = d->probing, *next; p != NULL; p = next) {
		next = p->next;
		probing_end(p, &stopping);
	}
}

int
main(int argc, char *argv[])
{
	static struct calloutd d; /* one a process */

	log_open("calloutd");
	read_settings(&d, argc, argv);
	d.door = (struct door){ .max = CLIENTS_MAX, .table = callout_messages, .first_state = CALLOUT_IDLE, .verbs = verbs,
		.client_octets = sizeof(struct client), .may_enter = may_connect, .entered = client_entered,
		.leaving = client_leaving, .arg = &d };
	door_listen(&d.door, &d.inst, "callout");
	d.smtpd_uid = proc_uid(USER_SMTPD);
	proc_drop(USER_REMOTE);
	open_maps(&d);
	verdicts_init(&d.verdicts);
	enter_sandbox(&d);
	d.base = door_open(&d.door, stop);

	event_base_dispatch(d.base);

	end_probes(&d);
	verdicts_free(&d.verdicts);
	return 0;
}
