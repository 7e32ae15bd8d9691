/*
 * questions: what clients of authd may say (lib/wire/auth.h), verb by verb.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "auth/request.h"
#include "auth/talk.h"
#include "auth/ticket.h"
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

static void
ask_offer(void *client, const struct wire_packet *p)
{
	struct client *c = client;
	bool scram = c->d->conf.scram_iterations > 0 && people_all_scram(&c->d->people);

	(void)p;
	door_said(&c->visitor, wire_say(&c->visitor.wire, NEVER, "OFFERED", scram ? "yes" : "no"));
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
ask_delayed(void *client, const struct wire_packet *p)
{
	struct client *c = client;
	struct buf list = BUF_INIT(LIMIT_PACKET - 1024);
	char count[24];
	size_t n = 0;

	if (wire_is(p, "UNLOCK"))
		n = penalty_forget(&c->d->penalty, p->word[0]);
	else
		penalty_list(&c->d->penalty, &list);
	for (size_t i = 0; i < list.len; i++)
		n += list.s[i] == '\n';
	(void)snprintf(count, sizeof(count), "%zu", n);
	door_said(&c->visitor,
	    wire_send(&c->visitor.wire, NEVER, NULL, buf_span(&list), "LIST", (const char *const[]){ count }, 1));
	buf_free(&list);
}

// clang-format off
const struct door_verb authd_verbs[] = {
	{ "CHECK",   false, 0, ask_check },
	{ "BEGIN",   false, 0, talk_begin },
	{ "STEP",    false, 0, talk_step },
	{ "CANCEL",  false, 0, talk_cancel },
	{ "OFFER",   false, 0, ask_offer },
	{ "REDEEM",  false, 0, ask_redeem },
	{ "DELAYED", true,  0, ask_delayed },
	{ "UNLOCK",  true,  0, ask_delayed },
	{ NULL,      false, 0, NULL },
};
// clang-format on
