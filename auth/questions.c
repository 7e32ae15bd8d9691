/*
 * questions: what clients of authd may say (lib/wire/auth.h), verb by verb.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "auth/request.h"
#include "auth/talk.h"
#include "auth/ticket.h"
#include "lib/base/ascii.h"
#include "lib/base/log.h"

static bool
words_fit(const struct wire_packet *p)
{
	return strlen(p->word[0]) <= LIMIT_ADDRESS && p->word[0][0] != '\0' &&
	    strlen(p->word[1]) <= LIMIT_PASSWORD &&
	    strlen(p->word[2]) <= WORD_MAX && strlen(p->word[3]) <= WORD_MAX;
}

static void
ask_check(void *client, const struct wire_packet *p)
{
	struct client *c = client;
	struct request *r;

	if (!words_fit(p)) {
		door_said(&c->visitor, wire_say(&c->visitor.wire, NEVER, "NO", "wrong name or password"));
		return;
	}
	r = request_new(c, p->word[0], p->word[2], p->word[3]);
	r->password = mem_dup(p->word[1]);
	door_wipe(&c->visitor, p);
	request_begin(r);
}

/* Only smtpd, which has seen tlsd verify it, and to whom a login is no more than leave to send. */
static void
ask_vouch(void *client, const struct wire_packet *p)
{
	struct client *c = client;
	const struct authd *d = c->d;
	bool may = d->conf.auth_external && strncmp(p->word[2], "submission", 10) == 0 &&
	    (door_administrator(c->visitor.uid) || c->visitor.uid == d->uids[0]);

	if (!may) {
		log_event(EV_WARNING, LS("text", "VOUCH refused"), LN("uid", c->visitor.uid));
		door_said(&c->visitor, -1);
	} else if (!words_fit(p))
		door_said(&c->visitor, wire_say(&c->visitor.wire, NEVER, "NO", "wrong name or password"));
	else
		request_vouched(request_new(c, p->word[0], p->word[2], p->word[3]), p->word[1]);
}

static void
ask_offer(void *client, const struct wire_packet *p)
{
	struct client *c = client;
	bool scram = c->d->conf.scram_iterations > 0 && people_all_scram(&c->d->people);
	bool tokens = c->d->conf.oauth_validate[0] != '\0';

	(void)p;
	door_said(&c->visitor,
	    wire_say(&c->visitor.wire, NEVER, "OFFERED", scram ? "yes" : "no", tokens ? "yes" : "no"));
}

static void
ask_redeem(void *client, const struct wire_packet *p)
{
	struct client *c = client;
	char mailbox[LIMIT_ADDRESS + 1];
	struct person person;
	int sent;

	if (c->visitor.uid != c->d->mail_uid && c->visitor.uid != geteuid()) {
		log_event(EV_WARNING, LS("text", "REDEEM refused"), LN("uid", c->visitor.uid));
		door_said(&c->visitor, -1);
		return;
	}
	if (!ticket_redeem(&c->d->tickets, p->word[0], mailbox))
		sent = wire_say(&c->visitor.wire, NEVER, "NO", "no such ticket");
	else if (people_find(&c->d->people, mailbox, &person) != PERSON_OK)
		sent = wire_say(&c->visitor.wire, NEVER, "LATER", "the mailbox has just gone");
	else
		sent = wire_say(&c->visitor.wire, NEVER, "OWNER", person.address, person.maildir);
	door_said(&c->visitor, sent);
}

/* --- for people ------------------------------------------------------------ */

static void
say_list(struct client *c, size_t n, const struct buf *list)
{
	char count[24];
	const char *const words[] = { count };

	(void)snprintf(count, sizeof(count), "%zu", n);
	door_said(&c->visitor, wire_send(&c->visitor.wire, NEVER, NULL, buf_span(list), "LIST", words, 1));
}

static size_t
lines_in(const struct buf *list)
{
	size_t n = 0;

	for (size_t i = 0; i < list->len; i++)
		n += list->s[i] == '\n';
	return n;
}

static void
ask_delayed(void *client, const struct wire_packet *p)
{
	struct client *c = client;
	struct buf list = BUF_INIT(LIMIT_PACKET - 1024);

	(void)p;
	penalty_list(&c->d->penalty, &list);
	say_list(c, lines_in(&list), &list);
	buf_free(&list);
}

static void
ask_unlock(void *client, const struct wire_packet *p)
{
	struct client *c = client;
	const struct buf none = BUF_INIT(1);

	say_list(c, penalty_forget(&c->d->penalty, p->word[0]), &none);
}

static void
ask_last(void *client, const struct wire_packet *p)
{
	struct client *c = client;
	struct buf line = BUF_INIT(1024);
	struct login_last last;
	bool found = c->d->people.logins != NULL && logins_last(c->d->people.logins, p->word[0], &last);

	if (found) {
		buf_addf(&line, "%lld ", (long long)last.at_s);
		word_encode(&line, last.service, strlen(last.service), NULL);
		buf_addc(&line, ' ');
		word_encode(&line, last.client, strlen(last.client), NULL);
		buf_addc(&line, '\n');
	}
	say_list(c, c->d->people.logins == NULL ? 2 : found, &line);
	buf_free(&line);
}

static void
ask_status(void *client, const struct wire_packet *p)
{
	struct client *c = client;
	const struct authd *d = c->d;
	struct buf list = BUF_INIT(4096);
	const struct {
		const char *name;
		uint64_t n;
	} counts[] = {
		{ "since", (uint64_t)d->counts.since_s }, { "passed", d->counts.passed }, { "failed", d->counts.failed }, { "later", d->counts.later },
		{ "cached", d->counts.cached }, { "checks", d->counts.checks },
		{ "remembered", d->cache.verdicts.count }, { "room", d->cache.verdicts.max },
		{ "waiting", d->verify.count + d->outside.waiting_count },
		{ "delayed_pairs", d->penalty.pairs.count }, { "delayed_clients", d->penalty.addresses.count },
		{ "renewed", d->people.made }, { "clients", d->door.clients },
	};

	(void)p;
	for (size_t i = 0; i < COUNT(counts); i++)
		buf_addf(&list, "%s %llu\n", counts[i].name, (unsigned long long)counts[i].n);
	say_list(c, COUNT(counts), &list);
	buf_free(&list);
}

// clang-format off
const struct door_verb authd_verbs[] = {
	{ "CHECK",   false, 0, ask_check },
	{ "VOUCH",   false, 0, ask_vouch },
	{ "BEGIN",   false, 0, talk_begin },
	{ "STEP",    false, 0, talk_step },
	{ "CANCEL",  false, 0, talk_cancel },
	{ "OFFER",   false, 0, ask_offer },
	{ "REDEEM",  false, 0, ask_redeem },
	{ "DELAYED", true,  0, ask_delayed },
	{ "UNLOCK",  true,  0, ask_unlock },
	{ "LAST",    true,  0, ask_last },
	{ "STATUS",  true,  0, ask_status },
	{ NULL,      false, 0, NULL },
};
// clang-format on
