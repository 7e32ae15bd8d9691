/*
 * authd: who people are. The only reader of password hashes.
 *
 * An event loop that never computes a hash itself (verify.c does, elsewhere):
 * dialogue with smtpd and pop3d (questions.c, talk.c), attempts (request.c), cache, penalties, tickets. It
 * sees no client of theirs, opens no mailbox, and holds passwords only while
 * they are being checked.
 */
#include "auth/authd.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth/request.h"
#include "auth/talk.h"
#include "auth/ticket.h"
#include "lib/base/log.h"
#include "lib/base/options.h"
#include "lib/sys/proc.h"
#include "lib/sys/sandbox.h"

#define CLIENTS_MAX 4096

/* --- clients -------------------------------------------------------------- */

static bool
may_ask(void *arg, uid_t uid)
{
	const struct authd *d = arg;

	if (door_administrator(uid) || uid == d->mail_uid)
		return true;
	for (size_t i = 0; i < COUNT(d->uids); i++)
		if (uid == d->uids[i])
			return true;
	return false;
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

	if (c->request != NULL)
		request_leave(c->request);
	talk_end(c);
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
	char *state = instance_path(d->inst.state, "auth");
	struct rlimit none = { 0, 0 };
	struct sandbox box = {
		.mode = d->conf.sandbox,
		.paths = { { d->inst.maps, MAY_READ }, { state, MAY_READ | MAY_WRITE } },
		.calls = CALL_FORK, /* the helpers' keeper: it narrows them further */
	};

	setrlimit(RLIMIT_CORE, &none);
	sandbox_enter(&box);
	free(state);
}

static void
stop(evutil_socket_t fd, short what, void *arg)
{
	struct authd *d = arg;

	(void)what;
	if (fd == SIGCHLD) {
		if (outside_lost(&d->outside))
			log_error(EV_WARNING, LS("text", "programs that know passwords are asked no more: their keeper is gone; restart authd"));
		if (!verify_lost(&d->verify))
			return;
		log_error(EV_FATAL, LS("text", "the keeper of the hashing helpers is gone"));
		d->broken = true;
	}
	event_base_loopbreak(d->base);
}

#define SAVE_S 5 /* so much of the last logins a crash may take */

static void
save(evutil_socket_t fd, short what, void *arg)
{
	struct authd *d = arg;

	(void)fd;
	(void)what;
	logins_save(d->people.logins);
}

static void
open_events(struct authd *d)
{
	static const struct timeval every = { SAVE_S, 0 };

	d->base = door_open(&d->door, stop);
	if (d->people.logins != NULL) {
		d->save = event_new(d->base, -1, EV_PERSIST, save, d);
		event_add(d->save, &every);
	}
	verify_open(&d->verify, d->base);
	outside_open(&d->outside, d->base);
}

int
main(int argc, char *argv[])
{
	static struct authd d; /* one a process */

	log_open("authd");
	read_options(&d, argc, argv);
	conf_load(&d.conf, &d.inst);
	log_level_set(d.conf.log_detail ? LOG_DETAIL : LOG_NOTICE);
	outside_fork(&d.outside, &d.conf);
	d.door = (struct door){ .max = CLIENTS_MAX, .table = auth_messages, .first_state = AUTH_IDLE, .verbs = authd_verbs,
		.client_octets = sizeof(struct client), .may_enter = may_ask, .entered = client_entered,
		.leaving = client_leaving, .arg = &d };
	door_listen(&d.door, &d.inst, "auth");
	know_uids(&d);
	proc_drop(USER_AUTH);
	people_open(&d.people, &d.inst, &d.conf);
	people_remember(&d.people, &d.inst);
	cache_init(&d.cache, d.conf.auth_cache);
	penalty_init(&d.penalty);
	ticket_init(&d.tickets);
	decoy_open(&d.decoy, &d.inst, scram_iterations(d.conf.scram_iterations));
	make_nobody(&d);
	d.counts.since_s = clock_real_us() / 1000000;
	enter_sandbox(&d);
	verify_fork(&d.verify, d.conf.sandbox);
	open_events(&d);

	event_base_dispatch(d.base);

	outside_close(&d.outside);
	verify_close(&d.verify);
	logins_close(d.people.logins);
	return d.broken ? EX_SOFTWARE : 0;
}
