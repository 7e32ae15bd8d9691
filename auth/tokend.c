/*
 * tokend: who we are at providers. The only holder of refresh tokens and client secrets, and the only program that
 * speaks HTTP.
 *
 * An event loop: the dialogue with collect, remote and posthouse oauth (lib/wire/token.h) here, grants in keeper.c, logins
 * in login.c, libcurl in http.c, notices in herald.c. It sees no mail but its own notices.
 */
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/wire/door.h"
#include "auth/herald.h"
#include "auth/keeper.h"
#include "auth/login.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/options.h"
#include "lib/sys/proc.h"
#include "lib/sys/sandbox.h"
#include "lib/wire/token.h"

#define CLIENTS_MAX 2048
#define NAME_MAX_OCTETS 255 /* of an account */
#define EXPIRES_MAX_S (1LL << 40)

struct tokend {
	struct instance inst;
	struct conf conf;
	struct router router;
	char *state_dir, *submit_path;
	struct event_base *base;
	struct keeper keeper;
	struct herald herald;
	struct door door;
	uid_t collect_uid, remote_uid;
};

struct client {
	struct visitor visitor;
	struct tokend *d;
	struct waiter waiter;
	struct login *login; /* under way; NULL */
	char *account;       /* ... of this one */
};

/* --- answers -------------------------------------------------------------- */

static void
say_token(struct waiter *w, enum keeper_answer how, const char *text, int64_t expires_s)
{
	struct client *c = (struct client *)(void *)((char *)w - offsetof(struct client, waiter));
	char until[24];

	(void)snprintf(until, sizeof(until), "%lld", (long long)expires_s);
	if (how == KEEPER_TOKEN)
		door_said(&c->visitor, wire_say(&c->visitor.wire, NEVER, "TOKEN", text, until));
	else
		door_said(&c->visitor, wire_say(&c->visitor.wire, NEVER, how == KEEPER_NO ? "NO" : "LATER", text));
}

static void
say_code(void *arg, const char *code, const char *url, const char *complete, int64_t seconds)
{
	struct client *c = arg;
	char s[24];

	(void)snprintf(s, sizeof(s), "%lld", (long long)seconds);
	door_said(&c->visitor, wire_say(&c->visitor.wire, NEVER, "CODE", code, url, complete, s));
}

static void
say_visit(void *arg, const char *url, const char *redirect, int64_t seconds)
{
	struct client *c = arg;
	char s[24];

	(void)snprintf(s, sizeof(s), "%lld", (long long)seconds);
	door_said(&c->visitor, wire_say(&c->visitor.wire, NEVER, "VISIT", url, redirect, s));
}

static void
say_done(void *arg, const char *note)
{
	struct client *c = arg;
	const struct keeper_entry *e = keeper_find(&c->d->keeper, c->account);

	c->login = NULL;
	log_event(EV_TOKEN_LOGIN, LS("account", c->account), LS("flow", e != NULL ? e->grant.text[GRANT_FLOW] : "-"),
	    LN("uid", c->visitor.uid));
	door_said(&c->visitor, wire_say(&c->visitor.wire, NEVER, "DONE", note));
}

static void
say_failed(void *arg, const char *reason)
{
	struct client *c = arg;

	c->login = NULL;
	door_said(&c->visitor, wire_say(&c->visitor.wire, NEVER, "FAILED", reason));
}

static void
say_count(struct client *c, int count)
{
	char s[16];

	(void)snprintf(s, sizeof(s), "%d", count);
	door_said(&c->visitor, wire_say(&c->visitor.wire, NEVER, "END", s));
}

/* --- the dialogue --------------------------------------------------------- */

static void
cmd_login(void *client, const struct wire_packet *p)
{
	struct client *c = client;
	const struct login_says says = { say_code, say_visit, say_done, say_failed, c };
	struct login_ask ask = { p->word[0], p->word[1], p->word[2], p->word[3], 0 };
	struct buf why = BUF_INIT(1024);
	uint64_t expires_s = 0;

	if (*p->word[4] != '\0' && num_parse(span_of(p->word[4]), EXPIRES_MAX_S, &expires_s) == -1)
		buf_adds(&why, "the secret's end is no time");
	ask.secret_expires_s = (int64_t)expires_s;
	free(c->account);
	c->account = mem_dup(p->word[0]);
	if (why.len == 0)
		c->login = login_begin(&c->d->keeper, &ask, &says, &why);
	door_wipe(&c->visitor, p);
	if (c->login == NULL)
		door_said(&c->visitor, wire_say(&c->visitor.wire, NEVER, "FAILED", buf_str(&why)));
	buf_free(&why);
}

static void
cmd_answer(void *client, const struct wire_packet *p)
{
	struct client *c = client;
	if (c->login != NULL)
		login_answer(c->login, p->word[0]);
}

static void
say_item(struct client *c, const char *account, const struct buf *lines)
{
	const char *const words[] = { account };

	door_said(&c->visitor, wire_send(&c->visitor.wire, deadline_in(1000), NULL, buf_span(lines), "ITEM", words, 1));
}

struct listing {
	struct client *c;
	const char *only; /* "": all */
	int count;
};

/* An account of the maps that nobody has logged in to yet. */
static void
list_missing(void *arg, const char *account)
{
	struct listing *l = arg;
	struct buf lines = BUF_INIT(256);

	if (keeper_find(&l->c->d->keeper, account) != NULL || (*l->only != '\0' && strcmp(l->only, account) != 0))
		return;
	buf_adds(&lines, "state missing\nreason nobody has logged in\n");
	say_item(l->c, account, &lines);
	l->count++;
	buf_free(&lines);
}

static void
cmd_list(void *client, const struct wire_packet *p)
{
	struct client *c = client;
	struct listing l = { c, p->word[0], 0 };
	struct keeper *k = &c->d->keeper;
	struct keeper_entry *e;

	TAILQ_FOREACH(e, &k->entries, next) {
		struct buf lines = BUF_INIT(8192);

		if (*l.only != '\0' && strcmp(l.only, e->grant.text[GRANT_ACCOUNT]) != 0)
			continue;
		keeper_describe(e, &lines);
		say_item(c, e->grant.text[GRANT_ACCOUNT], &lines);
		l.count++;
		buf_free(&lines);
	}
	(void)generation_refresh(&k->maps);
	if (oauth_account_each(k->maps, list_missing, &l) == -1)
		log_error(EV_WARNING, LS("text", "cannot read the map upstreams"));
	say_count(c, l.count);
}

static void
cmd_forget(void *client, const struct wire_packet *p)
{
	struct client *c = client;
	struct buf why = BUF_INIT(512);
	int count = keeper_forget(&c->d->keeper, p->word[0], &why);

	if (count == 1)
		log_event(EV_TOKEN_FORGOTTEN, LS("account", p->word[0]), LN("uid", c->visitor.uid));
	if (count == -1) {
		log_error(EV_WARNING, LS("text", buf_str(&why)));
		count = 0;
	}
	say_count(c, count);
	buf_free(&why);
}

static void
cmd_get(void *client, const struct wire_packet *p)
{
	struct client *c = client;
	keeper_get(&c->d->keeper, p->word[0], p->word[1], &c->waiter);
}

// clang-format off
static const struct door_verb verbs[] = {
	{ "GET",    false, NAME_MAX_OCTETS, cmd_get },
	{ "LOGIN",  true,  NAME_MAX_OCTETS, cmd_login },
	{ "ANSWER", true,  0,               cmd_answer },
	{ "LIST",   true,  NAME_MAX_OCTETS, cmd_list },
	{ "FORGET", true,  NAME_MAX_OCTETS, cmd_forget },
	{ NULL,     false, 0,               NULL },
};
// clang-format on

/* --- clients -------------------------------------------------------------- */

static void
client_entered(void *client)
{
	struct client *c = client;

	c->d = c->visitor.door->arg;
	c->waiter.done = say_token;
}

static void
client_leaving(void *client)
{
	struct client *c = client;

	keeper_leave(&c->d->keeper, &c->waiter);
	login_cancel(c->login);
	free(c->account);
}

static bool
may_connect(void *arg, uid_t uid)
{
	const struct tokend *d = arg;

	return door_administrator(uid) || uid == d->collect_uid || uid == d->remote_uid;
}

/* --- startup -------------------------------------------------------------- */

static void
read_options(struct tokend *d, int argc, char *argv[])
{
	instance_open(&d->inst, options_dir(argc, argv,
	    "usage: tokend [-C DIR]\n"
	    "  -C DIR  the instance below DIR; without it the system's own\n"
	    "Usually started by master or systemd; see tokend(8).\n"));
	d->state_dir = instance_path(d->inst.state, "token");
	d->submit_path = instance_path(d->inst.run, "submit");
}


static void
open_maps(struct tokend *d)
{
	struct buf why = BUF_INIT(4096);

	d->keeper.maps = generation_open(d->inst.maps, 1u << MAP_UPSTREAMS | 1u << MAP_PROVIDERS, &why);
	if (d->keeper.maps == NULL || router_open(&d->router, &d->inst, &d->conf, &why) == -1)
		fatal(EX_CONFIG, "cannot open the maps: %s", buf_str(&why));
	buf_free(&why);
}

/* In an instance of our own, setup may not have made it. */
static void
open_store(struct tokend *d)
{
	struct buf why = BUF_INIT(1024);

	umask(077);
	if (mkdir(d->state_dir, 0700) == -1 && errno != EEXIST)
		fatal(EX_CANTCREAT, "cannot make %s: %s", d->state_dir, strerror(errno));
	d->keeper.store = tokens_open(d->state_dir, &why);
	if (d->keeper.store == NULL)
		fatal(EX_CANTCREAT, "%s", buf_str(&why));
	buf_free(&why);
}

/* Certificates, the resolver's files, and whatever OpenSSL and the C library look up late. */
static void
enter_sandbox(struct tokend *d)
{
	struct sandbox box = {
		.mode = d->conf.sandbox,
		.paths = { { d->inst.maps, MAY_READ }, { d->inst.etc, MAY_READ }, { d->state_dir, MAY_READ | MAY_WRITE },
		    { d->inst.run, MAY_READ | MAY_WRITE }, { "/etc", MAY_READ }, { "/usr", MAY_READ },
		    { "/proc", MAY_READ }, { "/dev", MAY_READ }, { "/run", MAY_READ } },
		.calls = CALL_INET | CALL_UNIX | CALL_FORK, /* fork: the herald */
	};

	sandbox_enter(&box);
}

static void
signal_came(evutil_socket_t fd, short what, void *arg)
{
	struct tokend *d = arg;

	(void)what;
	if (fd == SIGCHLD)
		herald_reap(&d->herald);
	else
		event_base_loopbreak(d->base);
}

static void
tell(void *arg, const char *account, const char *cause, const char *subject, const char *text)
{
	struct tokend *d = arg;

	herald_tell(&d->herald, account, cause, subject, text);
}

static void
told(void *arg, const char *account, const char *cause)
{
	struct tokend *d = arg;

	keeper_told(&d->keeper, account, cause);
}

static void
open_keeper(struct tokend *d)
{
	struct buf why = BUF_INIT(1024);

	d->herald = (struct herald){ .base = d->base, .router = &d->router, .submit_path = d->submit_path, .sent = told,
		.arg = d };
	herald_open(&d->herald);
	d->keeper.base = d->base;
	d->keeper.tell = tell;
	d->keeper.arg = d;
	d->keeper.http = http_open(d->base, &why);
	if (d->keeper.http == NULL || keeper_open(&d->keeper, &why) == -1)
		fatal(EX_SOFTWARE, "%s", buf_str(&why));
	buf_free(&why);
}

static void
close_all(struct tokend *d)
{
	keeper_close(&d->keeper);
	http_close(d->keeper.http);
	herald_close(&d->herald);
	tokens_close(d->keeper.store);
}

int
main(int argc, char *argv[])
{
	static struct tokend d; /* one a process */

	log_open("tokend");
	read_options(&d, argc, argv);
	conf_load(&d.conf, &d.inst);
	log_level_set(d.conf.log_detail ? LOG_DETAIL : LOG_NOTICE);
	d.door = (struct door){ .max = CLIENTS_MAX, .table = token_messages, .first_state = TOKEN_IDLE, .verbs = verbs,
		.client_octets = sizeof(struct client), .may_enter = may_connect, .entered = client_entered,
		.leaving = client_leaving, .arg = &d };
	door_listen(&d.door, &d.inst, "token");
	d.collect_uid = proc_uid(USER_COLLECT);
	d.remote_uid = proc_uid(USER_REMOTE);
	proc_drop(USER_TOKEN);
	open_maps(&d);
	open_store(&d);
	enter_sandbox(&d);
	d.base = door_open(&d.door, signal_came);
	open_keeper(&d);

	event_base_dispatch(d.base);

	close_all(&d);
	return 0;
}
