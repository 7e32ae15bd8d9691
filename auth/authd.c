/*
 * authd: who people are. The only reader of password hashes.
 *
 * An event loop that never computes a hash itself (verify.c does, elsewhere):
 * dialogue with smtpd and pop3d (lib/wire/auth.h), cache, penalties, tickets. It
 * sees no client of theirs, opens no mailbox, and holds passwords only while
 * they are being checked.
 */
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth/cache.h"
#include "auth/decoy.h"
#include "auth/door.h"
#include "auth/penalty.h"
#include "auth/people.h"
#include "auth/ticket.h"
#include "auth/verify.h"
#include "lib/base/log.h"
#include "lib/base/options.h"
#include "lib/sys/proc.h"
#include "lib/sys/sandbox.h"
#include "lib/wire/auth.h"
#include "router/entry.h"

#define CLIENTS_MAX 4096
#define WAIT_MS (10 * 1000) /* an attempt waits so long for earlier ones on the same account */
#define WORD_MAX 255        /* octets of a service or client word */

struct authd {
	const char *dir;
	struct instance inst;
	struct conf conf;
	struct event_base *base;
	struct event *stop[3];
	struct people people;
	struct cache cache;
	struct penalty penalty;
	struct decoy decoy;
	struct table tickets;
	struct verify verify;
	char *nobodys_hash; /* what unknown people are checked against */
	struct door door;
	bool broken;
	uid_t mail_uid, uids[5];
};

/* SCRAM, from BEGIN to its end. */
struct dialogue {
	struct scram scram;
	struct person person;
	bool nobody;
	bool proved; /* the client's proof was right: it knows ours now, and has an empty answer to it */
	char service[WORD_MAX + 1], address[WORD_MAX + 1];
};

struct client {
	struct authd *d;
	struct wire wire;
	struct event *readable;
	struct request *request; /* under way; NULL when idle */
	struct dialogue *dialogue; /* NULL: none */
	uid_t uid;
};

/* One CHECK, or the last STEP of a dialogue. Outlives its client when that goes away: the delay still counts. */
struct request {
	struct authd *d;
	struct client *client; /* NULL: gone */
	enum { WAITING, CHECKING, HOLDING } state;
	char *login, *password, *service, *address;
	bool scram, proved;
	char *signature;    /* what a client whose proof was right is told */
	struct person person;
	bool nobody;
	uint8_t question[DIGEST_OCTETS];
	struct pair *pair;
	int64_t began_ms;
	enum auth_answer answer;
	const char *reason; /* of NO and LATER, for the client's peer */
	const char *cause;  /* ... and for the log */
	struct event *timer;
	TAILQ_ENTRY(request) next;
};

/* What to tell the client, and the log. */
#define UNCLEAR "full address needed: log in as name@domain", "bare name, and no default_domain"
#define BROKEN "login not possible now, try again later", "maps cannot be read"

static void client_close(struct client *);
static void request_check(struct request *);

/* --- answers -------------------------------------------------------------- */

static void
client_say(struct client *c, int sent)
{
	if (sent == -1)
		client_close(c);
}

/* What was received held a password, perhaps: decoded words and the encoded packet
 * they were decoded from (at most three octets for one) lie in the same place. */
static void
packet_wipe(struct client *c, const struct wire_packet *p)
{
	size_t n = 64;

	for (size_t i = 0; i < p->n; i++)
		n += 3 * (strlen(p->word[i]) + 1);
	if (c->wire.buf != NULL)
		explicit_bzero(c->wire.buf, n < LIMIT_PACKET ? n : LIMIT_PACKET);
}

static void
log_answer(const struct request *r)
{
	if (r->answer == AUTH_YES)
		log_event(EV_AUTH_OK, LS("login", r->login),
		    LS("mailbox", r->person.address), LS("service", r->service),
		    LS("client", r->address));
	else
		log_event(EV_AUTH_FAILED, LS("login", r->login),
		    LS("service", r->service), LS("client", r->address),
		    LS("reason", r->cause));
}

static int
say_yes(struct client *c, const char *mailbox)
{
	char ticket[TICKET_TEXT + 1];
	int sent;

	if (!ticket_issue(&c->d->tickets, mailbox, ticket))
		return wire_say(&c->wire, NEVER, "LATER", "too many logins at once");
	sent = wire_say(&c->wire, NEVER, "YES", mailbox, ticket);
	explicit_bzero(ticket, sizeof(ticket));
	return sent;
}

static void
request_free(struct request *r)
{
	if (r->timer != NULL)
		event_free(r->timer);
	if (r->password != NULL)
		explicit_bzero(r->password, strlen(r->password));
	explicit_bzero(&r->person, sizeof(r->person));
	explicit_bzero(r->question, sizeof(r->question));
	free(r->password);
	free(r->signature);
	free(r->login);
	free(r->service);
	free(r->address);
	free(r);
}

static void
dialogue_end(struct client *c)
{
	if (c->dialogue == NULL)
		return;
	scram_wipe(&c->dialogue->scram);
	explicit_bzero(c->dialogue, sizeof(*c->dialogue));
	free(c->dialogue);
	c->dialogue = NULL;
}

/* SCRAM's yes has two halves: first the client gets our own proof. */
static void
request_tell(const struct request *r, struct client *c)
{
	if (r->answer != AUTH_YES) {
		dialogue_end(c);
		client_say(c, wire_say(&c->wire, NEVER, r->answer == AUTH_NO ? "NO" : "LATER", r->reason));
	} else if (r->scram) {
		c->dialogue->proved = true;
		client_say(c, wire_say(&c->wire, NEVER, "CHALLENGE", r->signature));
	} else
		client_say(c, say_yes(c, r->person.address));
}

/* The next attempt on the same account from the same client. */
static void
pair_release(struct authd *d, struct pair *pair)
{
	struct request *next = TAILQ_FIRST(&pair->waiting);

	pair->busy = false;
	if (next != NULL) {
		TAILQ_REMOVE(&pair->waiting, next, next);
		request_check(next);
	}
	penalty_leave(&d->penalty, pair);
}

static void
request_answer(struct request *r)
{
	struct authd *d = r->d;
	struct client *c = r->client;
	struct pair *pair = r->pair;
	bool held_pair = pair != NULL && r->state != WAITING;

	log_answer(r);
	if (c != NULL) {
		c->request = NULL;
		request_tell(r, c);
	}
	request_free(r);
	if (held_pair)
		pair_release(d, pair);
	else if (pair != NULL)
		penalty_leave(&d->penalty, pair);
}

static void
request_refuse(struct request *r, enum auth_answer a, const char *reason, const char *cause)
{
	r->answer = a;
	r->reason = reason;
	r->cause = cause;
	request_answer(r);
}

static void
request_timer(evutil_socket_t fd, short what, void *arg)
{
	struct request *r = arg;

	(void)fd;
	(void)what;
	if (r->state == WAITING) {
		TAILQ_REMOVE(&r->pair->waiting, r, next);
		request_refuse(r, AUTH_LATER, "too many attempts at once, try again later",
		    "waited too long for earlier attempts");
		return;
	}
	request_answer(r);
}

static void
request_await(struct request *r, int64_t ms)
{
	const struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	event_add(r->timer, &tv);
}

/* Answer when began + delay has come. */
static void
request_hold(struct request *r, int64_t delay_ms)
{
	int64_t left = r->began_ms + delay_ms - clock_mono_ms();

	r->state = HOLDING;
	if (left <= 0)
		request_answer(r);
	else
		request_await(r, left);
}

/* --- the check ------------------------------------------------------------ */

/* Names of services as our programs say them: submission, submissions, pop3, pop3s. */
static bool
may_enter(const struct person *p, const char *service)
{
	if (strncmp(service, "pop3", 4) == 0)
		return (p->may & RIGHT_POP3) != 0;
	return (p->may & RIGHT_SMTP) != 0;
}

/* Told only to who knows the password. */
static void
request_entitle(struct request *r)
{
	r->answer = AUTH_YES;
	if (r->person.disabled) {
		r->answer = AUTH_NO;
		r->reason = "account disabled";
		r->cause = "disabled";
	} else if (!may_enter(&r->person, r->service)) {
		r->answer = AUTH_NO;
		r->reason = "this account may not log in here";
		r->cause = "not among its rights";
	}
}

static void
request_right(struct request *r)
{
	int64_t delay = penalty_passed_ms(&r->d->penalty, r->address);

	penalty_passed(&r->d->penalty, r->pair);
	request_entitle(r);
	request_hold(r, delay);
}

static void
request_wrong(struct request *r, bool repeated)
{
	penalty_failed(&r->d->penalty, r->pair, r->address, repeated);
	r->answer = AUTH_NO;
	r->reason = "wrong name or password";
	r->cause = r->nobody ? "no such login" : "wrong password";
	request_hold(r, penalty_failed_ms(&r->d->penalty, r->pair, r->address));
}

static void
request_verified(void *arg, enum verified v)
{
	struct request *r = arg;

	if (v == VERIFIED_NOT) {
		request_refuse(r, AUTH_LATER, "login not possible now, try again later",
		    "the check took too long");
		return;
	}
	if (r->nobody)
		v = VERIFIED_WRONG;
	cache_tell(&r->d->cache, r->question, v == VERIFIED_RIGHT);
	if (v == VERIFIED_RIGHT)
		request_right(r);
	else
		request_wrong(r, false);
}

/* It is this request's turn on its pair. */
static void
request_check(struct request *r)
{
	struct authd *d = r->d;

	event_del(r->timer);
	r->pair->busy = true;
	r->state = CHECKING;
	r->began_ms = clock_mono_ms();
	if (r->scram) { /* known already; only its turn was due. What was guessed cannot be told from the proof. */
		if (r->proved)
			request_right(r);
		else
			request_wrong(r, false);
		return;
	}
	switch (cache_ask(&d->cache, r->question)) {
	case VERDICT_RIGHT: /* found out while this one waited */
		request_right(r);
		return;
	case VERDICT_WRONG:
		request_wrong(r, true);
		return;
	case VERDICT_UNKNOWN:
		break;
	}
	if (verify_start(&d->verify, r->person.hash, r->password,
		request_verified, r) == -1)
		request_refuse(r, AUTH_LATER, "too many logins at once, try again later",
		    "the queue of checks is full");
}

/* Right by the cache: nothing to guess here, so no delay either. */
static bool
known_right(struct request *r)
{
	if (cache_ask(&r->d->cache, r->question) != VERDICT_RIGHT)
		return false;
	request_entitle(r);
	request_answer(r);
	return true;
}

/* In its turn among the attempts on this account from this client. */
static void
request_enter(struct request *r)
{
	struct authd *d = r->d;

	r->pair = penalty_enter(&d->penalty, r->address, r->person.address);
	if (r->pair == NULL) {
		request_refuse(r, AUTH_LATER, "too many attempts at once, try again later",
		    "the table of penalties is full");
		return;
	}
	if (!r->pair->busy) {
		request_check(r);
		return;
	}
	TAILQ_INSERT_TAIL(&r->pair->waiting, r, next);
	request_await(r, WAIT_MS);
}

static void
request_begin(struct request *r)
{
	struct authd *d = r->d;

	switch (people_find(&d->people, r->login, &r->person)) {
	case PERSON_OK:
		break;
	case PERSON_NONE:
		r->nobody = true;
		strlcpy(r->person.hash, d->nobodys_hash, sizeof(r->person.hash));
		break;
	case PERSON_UNCLEAR:
		request_refuse(r, AUTH_NO, UNCLEAR);
		return;
	case PERSON_BROKEN:
		request_refuse(r, AUTH_LATER, BROKEN);
		return;
	}
	cache_key(&d->cache, span_of(r->person.address), span_of(r->password),
	    span_of(r->person.hash), r->question);
	if (!known_right(r))
		request_enter(r);
}

/* --- the dialogue --------------------------------------------------------- */

static bool
words_fit(const struct wire_packet *p)
{
	return strlen(p->word[0]) <= LIMIT_ADDRESS && p->word[0][0] != '\0' &&
	    strlen(p->word[1]) <= LIMIT_PASSWORD &&
	    strlen(p->word[2]) <= WORD_MAX && strlen(p->word[3]) <= WORD_MAX;
}

static struct request *
request_new(struct client *c, const char *login, const char *service, const char *address)
{
	struct request *r = mem_alloc(1, sizeof(*r));

	r->d = c->d;
	r->client = c;
	r->state = WAITING;
	r->login = mem_dup(login);
	r->service = mem_dup(service);
	r->address = mem_dup(address);
	r->timer = evtimer_new(c->d->base, request_timer, r);
	c->request = r;
	return r;
}

static void
cmd_check(struct client *c, const struct wire_packet *p)
{
	struct request *r;

	if (!words_fit(p)) {
		client_say(c, wire_say(&c->wire, NEVER, "NO", "wrong name or password"));
		return;
	}
	r = request_new(c, p->word[0], p->word[2], p->word[3]);
	r->password = mem_dup(p->word[1]);
	packet_wipe(c, p);
	request_begin(r);
}

/* --- SCRAM ---------------------------------------------------------------- */

static void
say_malformed(struct client *c)
{
	dialogue_end(c);
	client_say(c, wire_say(&c->wire, NEVER, "MALFORMED", "not what the mechanism wants"));
}

/* Whoever is not there, or has no verifier, is asked alike, and refused in the end. */
static enum person_found
dialogue_person(struct authd *d, struct dialogue *x)
{
	enum person_found found = people_find(&d->people, x->scram.login, &x->person);

	x->nobody = found == PERSON_NONE;
	if (found != PERSON_OK && found != PERSON_NONE)
		return found;
	if (x->person.scram && !x->nobody)
		x->scram.verifier = x->person.verifier;
	else
		decoy_verifier(&d->decoy, x->person.address, &x->scram.verifier);
	return PERSON_OK;
}

static void
dialogue_challenge(struct client *c)
{
	struct dialogue *x = c->dialogue;
	struct buf out = BUF_INIT(LIMIT_SASL);
	struct request *r;

	switch (dialogue_person(c->d, x)) {
	case PERSON_UNCLEAR:
		r = request_new(c, x->scram.login, x->service, x->address);
		request_refuse(r, AUTH_NO, UNCLEAR);
		break;
	case PERSON_BROKEN:
		r = request_new(c, x->scram.login, x->service, x->address);
		request_refuse(r, AUTH_LATER, BROKEN);
		break;
	case PERSON_OK:
	case PERSON_NONE:
		scram_challenge(&x->scram, NULL, &out);
		client_say(c, wire_say(&c->wire, NEVER, "CHALLENGE", buf_str(&out)));
		break;
	}
	buf_free(&out);
}

static void
cmd_begin(struct client *c, const struct wire_packet *p)
{
	struct dialogue *x = c->dialogue = mem_alloc(1, sizeof(*x));
	bool plus;

	if (!scram_mechanism(span_of(p->word[0]), &plus) ||
	    strlcpy(x->service, p->word[3], sizeof(x->service)) >= sizeof(x->service) ||
	    strlcpy(x->address, p->word[4], sizeof(x->address)) >= sizeof(x->address)) {
		say_malformed(c);
		return;
	}
	scram_init(&x->scram, plus, p->word[2]);
	switch (scram_first(&x->scram, span_of(p->word[1]))) {
	case SCRAM_MORE:
		dialogue_challenge(c);
		break;
	case SCRAM_WRONG:
		request_refuse(request_new(c, x->scram.login, x->service, x->address), AUTH_NO,
		    "wrong name or password", "somebody hid SCRAM-SHA-256-PLUS from the client");
		break;
	case SCRAM_MALFORMED:
		say_malformed(c);
		break;
	}
}

/* The proof: right or wrong is known at once, and told when its time has come. */
static void
dialogue_prove(struct client *c, const char *said)
{
	struct dialogue *x = c->dialogue;
	struct buf out = BUF_INIT(LIMIT_SASL);
	enum scram_step step = scram_final(&x->scram, span_of(said), &out);
	struct request *r;

	if (step == SCRAM_MALFORMED) {
		buf_free(&out);
		say_malformed(c);
		return;
	}
	r = request_new(c, x->scram.login, x->service, x->address);
	r->scram = true;
	r->nobody = x->nobody;
	r->person = x->person;
	r->proved = step == SCRAM_MORE && !x->nobody && x->person.scram;
	r->signature = mem_dup(buf_str(&out));
	buf_free(&out);
	request_enter(r);
}

static void
cmd_step(struct client *c, const struct wire_packet *p)
{
	char mailbox[LIMIT_ADDRESS + 1];

	if (!c->dialogue->proved)
		dialogue_prove(c, p->word[0]);
	else if (p->word[0][0] != '\0')
		say_malformed(c);
	else {
		strlcpy(mailbox, c->dialogue->person.address, sizeof(mailbox));
		dialogue_end(c);
		client_say(c, say_yes(c, mailbox));
	}
}

static void
cmd_cancel(struct client *c, const struct wire_packet *p)
{
	(void)p;
	dialogue_end(c);
}

static void
cmd_offer(struct client *c, const struct wire_packet *p)
{
	bool scram = c->d->conf.scram_iterations > 0 && people_all_scram(&c->d->people);

	(void)p;
	client_say(c, wire_say(&c->wire, NEVER, "OFFERED", scram ? "yes" : "no"));
}

static void
cmd_redeem(struct client *c, const struct wire_packet *p)
{
	char mailbox[LIMIT_ADDRESS + 1];
	struct person person;
	int sent;

	if (c->uid != c->d->mail_uid && c->uid != geteuid()) {
		log_event(EV_WARNING, LS("text", "REDEEM refused"), LN("uid", c->uid));
		client_close(c);
		return;
	}
	if (!ticket_redeem(&c->d->tickets, p->word[0], mailbox))
		sent = wire_say(&c->wire, NEVER, "NO", "no such ticket");
	else if (people_find(&c->d->people, mailbox, &person) != PERSON_OK)
		sent = wire_say(&c->wire, NEVER, "LATER", "the mailbox has just gone");
	else
		sent = wire_say(&c->wire, NEVER, "OWNER", person.address, person.maildir);
	client_say(c, sent);
}

/* --- penalties, for people ------------------------------------------------- */

static void
cmd_delayed(struct client *c, const struct wire_packet *p)
{
	struct buf list = BUF_INIT(LIMIT_PACKET - 1024);
	char count[24];
	size_t n = 0;

	if (c->uid != 0 && c->uid != geteuid()) {
		log_event(EV_WARNING, LS("text", "a question about penalties refused"), LN("uid", c->uid));
		client_close(c);
		return;
	}
	if (wire_is(p, "UNLOCK"))
		n = penalty_forget(&c->d->penalty, p->word[0]);
	else
		penalty_list(&c->d->penalty, &list);
	for (size_t i = 0; i < list.len; i++)
		n += list.s[i] == '\n';
	(void)snprintf(count, sizeof(count), "%zu", n);
	client_say(c, wire_send(&c->wire, NEVER, NULL, buf_span(&list), "LIST", (const char *const[]){ count }, 1));
	buf_free(&list);
}

// clang-format off
static const struct {
	const char *verb; /* of auth_messages: these are all that a client may say */
	void (*answer)(struct client *, const struct wire_packet *);
} questions[] = {
	{ "CHECK",  cmd_check },
	{ "BEGIN",  cmd_begin },
	{ "STEP",   cmd_step },
	{ "CANCEL", cmd_cancel },
	{ "OFFER",  cmd_offer },
	{ "REDEEM", cmd_redeem },
	{ "DELAYED", cmd_delayed },
	{ "UNLOCK", cmd_delayed },
};
// clang-format on

static void
client_readable(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	struct wire_packet p;
	int got = door_hear(&c->wire, c->uid, &p);

	(void)fd;
	(void)what;
	if (got == -1)
		client_close(c);
	if (got != 1)
		return;
	for (size_t i = 0; i < COUNT(questions); i++)
		if (wire_is(&p, questions[i].verb)) {
			questions[i].answer(c, &p);
			return;
		}
}

static void
client_close(struct client *c)
{
	struct request *r = c->request;

	if (r != NULL) {
		r->client = NULL;
		if (r->state == WAITING && r->pair != NULL) {
			TAILQ_REMOVE(&r->pair->waiting, r, next);
			penalty_leave(&c->d->penalty, r->pair);
			request_free(r);
		}
	}
	dialogue_end(c);
	event_free(c->readable);
	wire_close(&c->wire);
	c->d->door.clients--;
	free(c);
}

static bool
may_ask(void *arg, uid_t uid)
{
	const struct authd *d = arg;

	if (uid == 0 || uid == geteuid() || uid == d->mail_uid)
		return true;
	for (size_t i = 0; i < COUNT(d->uids); i++)
		if (uid == d->uids[i])
			return true;
	return false;
}

static void
client_open(void *arg, int fd, uid_t uid)
{
	struct authd *d = arg;
	struct client *c = mem_alloc(1, sizeof(*c));

	c->d = d;
	c->uid = uid;
	c->readable = event_new(d->base, fd, EV_READ | EV_PERSIST, client_readable, c);
	wire_open(&c->wire, fd, SERVER, auth_messages, AUTH_IDLE);
	if (c->readable == NULL || event_add(c->readable, NULL) == -1)
		client_close(c);
}

/* --- startup -------------------------------------------------------------- */

static void
read_options(struct authd *d, int argc, char *argv[])
{
	d->dir = options_dir(argc, argv,
	    "usage: authd [-C DIR]\n"
	    "  -C DIR  the instance below DIR; without it the system's own\n"
	    "Usually started by master or systemd; see authd(8).\n");
	instance_open(&d->inst, d->dir);
}


static void
know_uids(struct authd *d)
{
	static const char *const users[] = { USER_SMTPD, USER_POP3, USER_COLLECT,
		USER_QUEUE, USER_REMOTE };

	d->mail_uid = proc_uid(USER_MAIL);
	for (size_t i = 0; i < COUNT(d->uids); i++)
		d->uids[i] = proc_uid(users[i]);
}

/* A hash that no password fits, of the kind that is made today. */
static void
make_nobody(struct authd *d)
{
	uint8_t bits[DIGEST_OCTETS];
	char password[2 * DIGEST_OCTETS + 1];

	arc4random_buf(bits, sizeof(bits));
	digest_hex(bits, sizeof(bits), password);
	d->nobodys_hash = hash_make(password);
	if (d->nobodys_hash == NULL)
		fatal(EX_OSERR, "cannot make a yescrypt hash: %s", strerror(errno));
	explicit_bzero(password, sizeof(password));
}

static void
enter_sandbox(struct authd *d)
{
	struct rlimit none = { 0, 0 };
	struct sandbox box = {
		.mode = d->conf.sandbox,
		.paths = { { d->inst.maps, MAY_READ } },
		.calls = CALL_FORK, /* the helpers' keeper: it narrows them further */
	};

	setrlimit(RLIMIT_CORE, &none);
	sandbox_enter(&box);
}

static void
stop(evutil_socket_t fd, short what, void *arg)
{
	struct authd *d = arg;

	(void)what;
	if (fd == SIGCHLD) {
		if (!verify_lost(&d->verify))
			return;
		log_error(EV_FATAL, LS("text", "the keeper of the hashing helpers is gone"));
		d->broken = true;
	}
	event_base_loopbreak(d->base);
}

static void
open_events(struct authd *d)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGCHLD };

	signal(SIGPIPE, SIG_IGN);
	d->base = event_base_new();
	if (d->base == NULL)
		fatal(EX_OSERR, "cannot set up an event loop");
	for (size_t i = 0; i < COUNT(signals); i++) {
		d->stop[i] = evsignal_new(d->base, signals[i], stop, d);
		event_add(d->stop[i], NULL);
	}
	verify_open(&d->verify, d->base);
	door_open(&d->door, d->base);
}

int
main(int argc, char *argv[])
{
	static struct authd d; /* one a process */

	log_open("authd");
	read_options(&d, argc, argv);
	conf_load(&d.conf, &d.inst);
	log_level_set(d.conf.log_detail ? LOG_DETAIL : LOG_NOTICE);
	d.door = (struct door){ .max = CLIENTS_MAX, .may_enter = may_ask, .enter = client_open, .arg = &d };
	door_listen(&d.door, &d.inst, "auth");
	know_uids(&d);
	proc_drop(USER_AUTH);
	people_open(&d.people, &d.inst, &d.conf);
	cache_init(&d.cache, d.conf.auth_cache);
	penalty_init(&d.penalty);
	ticket_init(&d.tickets);
	decoy_open(&d.decoy, &d.inst, scram_iterations(d.conf.scram_iterations));
	make_nobody(&d);
	enter_sandbox(&d);
	verify_fork(&d.verify, d.conf.sandbox);
	open_events(&d);

	event_base_dispatch(d.base);

	verify_close(&d.verify);
	return d.broken ? EX_SOFTWARE : 0;
}
