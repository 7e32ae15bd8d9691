/*
 * policy: whom the map access, the settings and the DNS lists let send as whom, and to whom.
 *
 * Each question has its answer here, in the order in which they count: trust, devices and logins first, for which no
 * list counts. Whom a recipient leads to is the router's.
 */
#include <string.h>

#include "lib/base/ascii.h"
#include "smtpd/session.h"

static const struct reply go_on = { .code = 0 };

struct reply
policy_refuse(const char *text)
{
	return reply_say(SAY_REFUSED, text[0] == '\0' ? NULL : text);
}

/* --- the sender -------------------------------------------------------------- */

/* "anna" if she is of the default domain. */
static struct reply
not_owned(struct session *s)
{
	struct span home = router_default_domain(&s->d->router, s->d->arena), domain = span_of(s->user), name;
	struct buf *text = &s->d->text;

	name = span_cut(&domain, '@');
	buf_reset(text);
	buf_adds(text, "Sender address not owned by ");
	if (domain.s != NULL && !span_eq(domain, home))
		name = span_of(s->user);
	buf_addspan(text, name);
	return reply_say(SAY_SENDER_RIGHTS, session_keep_text(s));
}

/* May a stranger call himself by an address of ours? */
static bool
may_claim(struct session *s, const struct path *sender)
{
	return !s->d->conf.local_senders_login || session_ours(s) || s->lmtp || s->odmr ||
	    !router_is_ours(&s->d->router, sender, false, s->d->arena);
}

/* Older products let people send to others by their sender alone; here it can only take that away. */
static bool
may_relay_as(struct session *s, const struct path *sender)
{
	if (s->d->conf.relay_senders == RELAY_SENDERS_ANY || sender->local.len == 0 || !session_ours(s) ||
	    s->access.device.from != NULL)
		return true;
	return router_is_ours(&s->d->router, sender, s->d->conf.relay_senders == RELAY_SENDERS_ACCOUNT, s->d->arena);
}

/* Of devices whose sender access names nobody asks whose it is. */
static bool
owns(struct session *s, const struct path *sender)
{
	return s->access.device.from != NULL || login_may_send_as(s, sender);
}

/* What is counted is counted last. */
static bool
within_rates(struct session *s)
{
	uint64_t of_login = s->d->conf.login_rate;

	if (s->user[0] != '\0' && of_login != 0 && !rate_take(s->d->rate, "login", s->user, of_login, clock_mono_ms()))
		return false;
	return !is_device(s) || device_may_have_another(s);
}

struct reply
policy_sender(struct session *s, const struct path *sender)
{
	const char *address = session_keep_address(s, sender);
	struct access access = { 0 };
	enum said said;

	if (!owns(s, sender))
		return not_owned(s);
	if (s->user[0] == '\0')
		router_sender(&s->d->router, address, &access, s->d->arena);
	if (access.reject != NULL && !session_ours(s))
		return policy_refuse(access.reject);
	if (!may_claim(s, sender))
		return reply_say(SAY_LOCAL_SENDER, NULL);
	said = lookup_sender(s, sender);
	if (said != SAY_SENDER_OK)
		return reply_say(said, NULL);
	if (!within_rates(s))
		return reply_say(SAY_RATE, NULL);
	s->tx.sender = address;
	s->tx.no_relay = access.no_relay || !may_relay_as(s, sender);
	s->tx.no_local = access.no_local;
	return go_on;
}

/* --- recipients -------------------------------------------------------------- */

/* What DNS lists say counts for strangers, but whoever is refused may write to the postmaster about it. */
static bool
is_listed(const struct session *s, const struct path *rcpt)
{
	return s->conn->listed != 0 && s->conn->listed <= s->d->lists.n && !session_ours(s) &&
	    !span_case_is(rcpt->local, "postmaster");
}

static struct reply
refuse_listed(struct session *s)
{
	const struct dnsbl_rule *list = &s->d->lists.list[s->conn->listed - 1];
	struct buf *text = &s->d->text;

	buf_reset(text);
	buf_addf(text, "Client %s is listed by %s, see %s", s->client, list->name, list->url);
	return reply_say(SAY_LISTED, session_keep_text(s));
}

struct reply
policy_recipient(struct session *s, const struct path *rcpt)
{
	struct access named;

	if (is_listed(s, rcpt))
		return refuse_listed(s);
	router_recipient(&s->d->router, rcpt, &named, s->d->arena);
	if (named.reject != NULL && !session_ours(s))
		return policy_refuse(named.reject);
	if (is_device(s) && !router_device_may(&s->d->router, &s->access.device, rcpt, s->d->arena))
		return reply_say(SAY_DEVICE_RCPT, NULL); /* even if it has logged in */
	return go_on;
}

struct access
policy_client(const struct session *s)
{
	struct access client = s->access;

	if (s->user[0] != '\0')
		return (struct access){ .trusted = true, .no_relay = s->tx.no_relay };
	client.trusted = client.trusted || client.device.to != NULL;
	client.no_relay = client.no_relay || s->helo_no_relay || s->tx.no_relay;
	client.no_local = client.no_local || s->helo_no_local || s->tx.no_local;
	return client;
}
