/*
 * full: what is refused while the queue is full (queue_limit), or the disk nearly so (queue_free_floor).
 *
 * The queue's gauge tells, at no cost. A full queue has room for what goes into mailboxes at once, if the settings
 * let those whom we trust send it still.
 */
#include "lib/base/log.h"
#include "smtpd/session.h"

/* The provider's queue, which we have asked for, is on its way already. */
static unsigned
state(struct session *s)
{
	const struct conf *c = &s->d->conf;

	if (s->odmr || (c->queue_limit == 0 && c->queue_free_floor == 0))
		return 0;
	return gauge_read(&s->d->gauge, s->d->gauge_path);
}

static bool
may_send_to_mailboxes(const struct session *s)
{
	return !s->d->conf.queue_limit_local && (s->access.trusted || s->user[0] != '\0');
}

/* On the submission services somebody may still log in. */
struct reply
full_connect(struct session *s)
{
	bool may = may_send_to_mailboxes(s) || (s->submission && !s->d->conf.queue_limit_local);

	if (may || (state(s) & GAUGE_FULL) == 0)
		return (struct reply){ .code = 0 };
	log_event(EV_SMTPD_REFUSED, LS("client", s->client), LS("service", s->conn->service), LN("code", 421),
	    LS("reason", "queue_limit"));
	return reply_say(SAY_QUEUE_FULL, NULL);
}

struct reply
full_mail(struct session *s)
{
	unsigned now = state(s);

	if ((now & GAUGE_FULL) != 0 && !may_send_to_mailboxes(s))
		return reply_say(SAY_QUEUE_FULL, NULL);
	if ((now & GAUGE_LOW) != 0)
		return reply_say(SAY_DISK_FULL, NULL);
	return (struct reply){ .code = 0 };
}

struct reply
full_rcpt(struct session *s, const struct route *route)
{
	bool away = false;

	for (const struct route_rcpt *to = route->rcpts; to != NULL; to = to->next)
		away = away || to->action != RCPT_LOCAL;
	return away && (state(s) & GAUGE_FULL) != 0 ? reply_say(SAY_QUEUE_FULL_RCPT, NULL) : (struct reply){ .code = 0 };
}
