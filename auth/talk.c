/*
 * talk: SCRAM, step by step (lib/mail/scram), and tokens (lib/mail/bearer).
 *
 * Whoever is not there, or has no verifier, is asked and refused like everybody else.
 */
#include "auth/talk.h"

#include <stdlib.h>
#include <string.h>

#include "auth/request.h"
#include "auth/ticket.h"
#include "lib/base/ascii.h"
#include "lib/mail/bearer.h"

struct talk {
	enum { AWAIT_PROOF, AWAIT_NOTHING, AWAIT_GOODBYE } next;
	struct scram scram;
	struct person person;
	bool nobody;
	enum bearer_kind bearer;
	char reason[128]; /* AWAIT_GOODBYE: why it is refused */
	char service[WORD_MAX + 1], address[WORD_MAX + 1];
};

void
talk_end(struct client *c)
{
	if (c->talk == NULL)
		return;
	scram_wipe(&c->talk->scram);
	explicit_bzero(c->talk, sizeof(*c->talk));
	free(c->talk);
	c->talk = NULL;
}

static void
remember(struct client *c, const char *mailbox, const char *service, const char *address)
{
	struct logins *logins = c->d->people.logins;

	if (logins != NULL)
		logins_note(logins, mailbox, service, address);
}

void
talk_admit(struct client *c, const char *mailbox, const char *service, const char *address)
{
	struct wire *w = &c->visitor.wire;
	char ticket[TICKET_TEXT + 1];

	remember(c, mailbox, service, address);
	if (ticket_issue(&c->d->tickets, mailbox, ticket))
		door_said(&c->visitor, wire_say(w, NEVER, "YES", mailbox, ticket));
	else
		door_said(&c->visitor, wire_say(w, NEVER, "LATER", "too many logins at once"));
	explicit_bzero(ticket, sizeof(ticket));
}

void
talk_admit_sender(struct client *c, const char *mailbox, const char *service, const char *address)
{
	remember(c, mailbox, service, address);
	door_said(&c->visitor, wire_say(&c->visitor.wire, NEVER, "YES", mailbox, "none"));
}

static void
say_malformed(struct client *c)
{
	talk_end(c);
	door_said(&c->visitor, wire_say(&c->visitor.wire, NEVER, "MALFORMED", "not what the mechanism wants"));
}

/* Whoever is not there, or has no verifier, is asked alike, and refused in the end. */
static enum person_found
find_person(struct authd *d, struct talk *x)
{
	enum person_found found = people_find(&d->people, x->scram.login, &x->person);

	x->nobody = found == PERSON_NONE;
	if (found != PERSON_OK && found != PERSON_NONE)
		return found;
	if (x->person.entry.scram && !x->nobody)
		x->scram.verifier = x->person.entry.verifier;
	else
		decoy_verifier(&d->decoy, x->person.address, &x->scram.verifier);
	return PERSON_OK;
}

static void
ask_proof(struct client *c)
{
	struct talk *x = c->talk;
	struct buf out = BUF_INIT(LIMIT_SASL);
	struct request *r;

	switch (find_person(c->d, x)) {
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
		door_said(&c->visitor, wire_say(&c->visitor.wire, NEVER, "CHALLENGE", buf_str(&out)));
		break;
	}
	buf_free(&out);
}

static void
begin_scram(struct client *c, const char *said, const char *binding, bool plus)
{
	struct talk *x = c->talk;

	scram_init(&x->scram, plus, binding);
	switch (scram_first(&x->scram, span_of(said))) {
	case SCRAM_MORE:
		ask_proof(c);
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

/* A token. */
static void
begin_bearer(struct client *c, const struct wire_packet *p)
{
	struct span text = span_of(p->word[1]);
	struct buf said = BUF_INIT(LIMIT_SASL);
	struct talk *x = c->talk;
	struct bearer bearer = { 0 };
	struct request *r;
	ssize_t n = -1;

	said.s = mem_alloc(1, said.cap = text.len / 4 * 3 + 1);
	if (text.len % 4 == 0 && text.len <= LIMIT_SASL)
		n = base64_decode(said.s, text.s, text.len);
	said.len = n > 0 ? (size_t)n : 0;
	if (bearer_parse(x->bearer, buf_span(&said), &bearer) == 0) {
		r = request_new(c, bearer.login, x->service, x->address);
		r->way = BY_TOKEN;
		r->password = mem_dup(bearer.token);
		door_wipe(&c->visitor, p);
		request_begin(r);
	} else
		say_malformed(c);
	buf_wipe(&said);
	buf_free(&said);
	explicit_bzero(&bearer, sizeof(bearer));
}

void
talk_begin(void *client, const struct wire_packet *p)
{
	struct client *c = client;
	struct talk *x = c->talk = mem_alloc(1, sizeof(*x));
	const struct span mechanism = span_of(p->word[0]);
	bool plus;

	x->bearer = c->d->conf.oauth_validate[0] == '\0' ? BEARER_NONE : bearer_mechanism(mechanism);
	if (strlcpy(x->service, p->word[3], sizeof(x->service)) >= sizeof(x->service) ||
	    strlcpy(x->address, p->word[4], sizeof(x->address)) >= sizeof(x->address))
		say_malformed(c);
	else if (x->bearer != BEARER_NONE)
		begin_bearer(c, p);
	else if (scram_mechanism(mechanism, &plus))
		begin_scram(c, p->word[1], p->word[2], plus);
	else
		say_malformed(c);
}

/* The proof: right or wrong is known at once, and told when its time has come. */
static void
prove(struct client *c, const char *said)
{
	struct talk *x = c->talk;
	struct buf out = BUF_INIT(LIMIT_SASL);
	enum scram_step step = scram_final(&x->scram, span_of(said), &out);
	struct request *r;

	if (step == SCRAM_MALFORMED) {
		buf_free(&out);
		say_malformed(c);
		return;
	}
	r = request_new(c, x->scram.login, x->service, x->address);
	r->way = BY_SCRAM;
	r->nobody = x->nobody;
	r->person = x->person;
	r->proved = step == SCRAM_MORE && !x->nobody && x->person.entry.scram;
	r->signature = mem_dup(buf_str(&out));
	buf_free(&out);
	request_enter(r);
}

void
talk_proved(struct client *c, const char *signature)
{
	c->talk->next = AWAIT_NOTHING;
	door_said(&c->visitor, wire_say(&c->visitor.wire, NEVER, "CHALLENGE", signature));
}

void
talk_refused(struct client *c, const char *reason)
{
	struct buf out = BUF_INIT(256);

	c->talk->next = AWAIT_GOODBYE;
	strlcpy(c->talk->reason, reason, sizeof(c->talk->reason));
	bearer_refusal(c->talk->bearer, &out);
	door_said(&c->visitor, wire_say(&c->visitor.wire, NEVER, "CHALLENGE", buf_str(&out)));
	buf_free(&out);
}

void
talk_step(void *client, const struct wire_packet *p)
{
	struct client *c = client;
	struct talk x = *c->talk;

	switch (x.next) {
	case AWAIT_PROOF:
		prove(c, p->word[0]);
		break;
	case AWAIT_GOODBYE:
		talk_end(c);
		door_said(&c->visitor, wire_say(&c->visitor.wire, NEVER, "NO", x.reason));
		break;
	case AWAIT_NOTHING: /* SCRAM's end: the client has heard our proof, and has an empty answer to it */
		if (p->word[0][0] != '\0') {
			say_malformed(c);
			break;
		}
		talk_end(c);
		talk_admit(c, x.person.address, x.service, x.address);
		break;
	}
	explicit_bzero(&x, sizeof(x));
}

void
talk_cancel(void *client, const struct wire_packet *p)
{
	(void)p;
	talk_end(client);
}
