/*
 * xclient: XCLIENT, with which a content filter or proxy in front of us says whom it speaks for. Postfix's
 * XCLIENT_README is the specification.
 *
 * Puts what was told (told.c) into the session, which begins anew as that client's. Who may say it access knows.
 */
#include <string.h>

#include "smtpd/session.h"
#include "lib/net/told.h"

/* A login counts when it is somebody's here. */
static bool
take_login(struct session *s, const char *login)
{
	struct mailbox box;

	if (login[0] == '\0')
		return true;
	if (router_mailbox(&s->d->router, login, s->d->arena, &box) != 1)
		return false;
	return strlcpy(s->user, box.address, sizeof(s->user)) < sizeof(s->user);
}

static void
take_addresses(struct session *s, const struct told *t)
{
	struct gate_conn *c = s->conn;

	if (t->has_addr && !c->proxied) {
		c->proxied = true;
		c->via = c->peer;
	}
	if (t->has_addr) {
		c->peer = t->addr;
		c->peer_port = (uint16_t)t->port;
		c->listed = 0; /* what the lists said was of the filter */
	}
	if (t->has_destaddr) {
		c->local = t->destaddr;
		c->local_port = (uint16_t)t->destport;
	}
	session_name_client(s);
}

struct reply
xclient_run(struct session *s, struct span arg)
{
	struct told t;
	struct reply r;

	if (!s->xclient)
		return reply_say(SAY_XCLIENT_NO, NULL);
	if (!told_parse(arg, &t))
		return reply_say(SAY_XCLIENT_SYNTAX, NULL);
	session_reset(s);
	s->user[0] = s->helo[0] = s->mechanism[0] = '\0';
	s->facts.certificate[0] = s->facts.name[0] = '\0'; /* who connected has shown it, not the client */
	s->helo_no_local = s->helo_no_relay = false;
	if (!take_login(s, t.login))
		return reply_say(SAY_XCLIENT_SYNTAX, NULL);
	strlcpy(s->rdns, t.name, sizeof(s->rdns));
	s->rdns_asked = s->fcrdns = false;
	strlcpy(s->helo, t.helo, sizeof(s->helo));
	take_addresses(s, &t);
	s->esmtp = t.esmtp;
	s->state = START;
	r = session_greeting(s);
	/* Who has said HELO to the filter need not say it again. */
	if (s->state == START && t.helo[0] != '\0' && t.has_proto)
		s->state = READY;
	return r;
}
