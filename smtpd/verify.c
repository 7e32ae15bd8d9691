/*
 * verify: recipients that the maps know, and who may be refused all the same.
 *
 * Only where an address is one recipient: of a group the others get it, and the rest is the queue's.
 */
#include "smtpd/verify.h"

#include <string.h>

#include "lib/base/log.h"
#include "lib/store/full.h"
#include "smtpd/replies.h"

#define PATIENCE_MS 3000 /* behind callout_timeout: calloutd itself keeps to that */
#define HURRIED_MS 1000  /* others wait for a process, and a server behind us may be dead */

static void
refuse(struct route *route, enum said said, const char *text)
{
	route->outcome = FAILED;
	route->reply = reply_say(said, text);
}

static void
refuse_when_full(const struct session *s, struct route *route)
{
	int64_t now = clock_real_us() / 1000000;
	int64_t since = full_since(s->d->full_dir, route->rcpts->address, now);
	enum outcome outcome = full_outcome(since, now, s->d->conf.quota_grace);

	if (outcome != SENT)
		refuse(route, outcome == RETRY ? SAY_MAILBOX_FULL_LATER : SAY_MAILBOX_FULL, NULL);
}

/* What it said is told to the client: who mistyped an address should see it. */
static void
refuse_unknown(struct session *s, struct route *route, const struct reply *theirs)
{
	struct buf *text = &s->d->text;

	buf_reset(text);
	buf_addf(text, "The server for this address said: %d %s %s", theirs->code, theirs->enhanced, theirs->text);
	refuse(route, SAY_RCPT_NONE, session_keep_text(s));
	if (theirs->enhanced[0] == '5')
		(void)strlcpy(route->reply.enhanced, theirs->enhanced, sizeof(route->reply.enhanced));
}

static deadline_ms
patience(const struct session *s)
{
	int64_t ms = session_hurried(s) ? HURRIED_MS : (int64_t)s->d->conf.callout_timeout * 1000 + PATIENCE_MS;

	return deadline_earlier(deadline_in(ms), s->end);
}

static void
ask_server(struct session *s, struct route *route)
{
	struct callout *c = &s->d->callout;

	switch (callout_ask(c, route->rcpts->address, patience(s))) {
	case CALLOUT_YES:
		break;
	case CALLOUT_NO:
		refuse_unknown(s, route, &c->reply);
		break;
	default:
		log_event(EV_SMTPD_CALLOUT, LS("client", s->client), LS("rcpt", route->rcpts->address), LS("reason", c->reply.text));
		if (s->d->conf.callout_defer)
			refuse(route, SAY_RCPT_UNSURE, NULL);
	}
}

void
verify_recipient(struct session *s, struct route *route)
{
	if (route->outcome != SENT || route->count != 1)
		return;
	if (route->rcpts->limited)
		refuse_when_full(s, route);
	else if (route->rcpts->relayed && s->d->conf.callout)
		ask_server(s, route);
}
