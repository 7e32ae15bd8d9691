/*
 * login: AUTH (RFC 4954), and what a login entitles to.
 *
 * Knows when a password may be said and who may send as whom; whether it is right authd knows. The ticket for
 * mailboxes that comes with the answer is not used here, and runs out.
 */
#include <string.h>

#include "lib/base/ascii.h"
#include "smtpd/session.h"

#define FAILURES_MAX 3

/* Passwords are for our own people's programs, not for other mail servers. */
static bool
served_here(const struct session *s)
{
	return s->submission || is_device(s);
}

bool
login_offered(const struct session *s)
{
	return served_here(s) && s->user[0] == '\0' &&
	    (s->tls || is_device(s) || conf_plaintext_login(&s->d->conf, ip_loopback(&s->conn->peer), s->access.trusted));
}

/* A mail address is somebody's; another name is a machine's. */
const char *
login_external(const struct session *s)
{
	return s->d->conf.auth_external && strchr(s->facts.name, '@') != NULL ? s->facts.name : "";
}

static struct reply
say(enum said said)
{
	return reply_say(said, NULL);
}

static struct reply
refuse(struct session *s)
{
	if (++s->login_failures >= FAILURES_MAX)
		return say(SAY_AUTH_TOO_OFTEN);
	return reply_say(SAY_AUTH_WRONG, s->d->auth.reason);
}

static struct reply
go_on(struct session *s, enum exchange_step step)
{
	struct exchange *x = &s->exchange;
	struct reply r = say(SAY_AUTH_MALFORMED);

	s->state = READY;
	switch (step) {
	case EXCHANGE_MORE:
		s->state = SASL;
		return reply_say(SAY_CHALLENGE, x->challenge);
	case EXCHANGE_YES:
		strlcpy(s->user, x->mailbox, sizeof(s->user));
		r = say(SAY_AUTH_OK);
		break;
	case EXCHANGE_NO:
		r = refuse(s);
		break;
	case EXCHANGE_LATER:
		r = reply_say(SAY_AUTH_LATER, s->d->auth.reason);
		break;
	case EXCHANGE_CANCELLED:
		r = say(SAY_AUTH_CANCELLED);
		break;
	case EXCHANGE_UNKNOWN:
		r = say(SAY_AUTH_UNKNOWN);
		break;
	case EXCHANGE_MALFORMED:
		break;
	}
	exchange_wipe(x);
	return r;
}

/* For filters; in capitals (RFC 4422, 3.1). */
static void
keep_mechanism(struct session *s, struct span name)
{
	size_t n = name.len < sizeof(s->mechanism) ? name.len : sizeof(s->mechanism) - 1;

	for (size_t i = 0; i < n; i++)
		s->mechanism[i] = name.s[i] >= 'a' && name.s[i] <= 'z' ? (char)(name.s[i] - 'a' + 'A') : name.s[i];
	s->mechanism[n] = '\0';
}

struct reply
login_begin(struct session *s, struct span arg)
{
	struct span mechanism = span_cut(&arg, ' ');
	struct buf address = BUF_INIT(64), text = BUF_INIT(LIMIT_SASL);
	enum exchange_step step;

	if (!served_here(s))
		return say(SAY_NOT_HERE);
	if (s->user[0] != '\0')
		return say(SAY_AUTH_ALREADY);
	if (!login_offered(s))
		return say(SAY_AUTH_TLS_FIRST);
	if (mechanism.len == 0)
		return say(SAY_NEEDS_ARGUMENT);
	ip_add(&address, &s->conn->peer);
	s->plain_name = false;
	if (is_device(s) && span_case_is(mechanism, "LOGIN") && arg.s != NULL)
		arg = device_login(s, arg, true, &text);
	keep_mechanism(s, mechanism);
	step = exchange_begin(&s->exchange, &s->d->auth, s->conn->service, buf_str(&address), s->facts.binding,
	    login_external(s), mechanism, arg);
	buf_free(&address);
	buf_free(&text);
	return go_on(s, step);
}

struct reply
login_go_on(struct session *s, struct span line)
{
	struct buf text = BUF_INIT(LIMIT_SASL);
	enum exchange_step step;

	s->verb = "AUTH";
	if (s->plain_name)
		line = device_login(s, line, false, &text);
	step = exchange_feed(&s->exchange, line);
	buf_wipe(&text);
	buf_free(&text);
	return go_on(s, step);
}

/* Is the mailbox among those who get what is sent to this address? */
static bool
leads_to(const struct route *route, const char *mailbox)
{
	for (const struct route_rcpt *r = route->rcpts; r != NULL; r = r->next)
		if (r->action == RCPT_LOCAL && strcasecmp(r->address, mailbox) == 0)
			return true;
	return false;
}

bool
login_may_send_as(struct session *s, const struct path *sender)
{
	const struct access ours = { .trusted = true };
	struct route route = { 0 };

	if (s->user[0] == '\0' || s->d->conf.sender_rights == SENDER_ANY || sender->local.len == 0)
		return true; /* the null sender is for notifications (RFC 8098, 3) */
	router_rcpt(&s->d->router, sender, &ours, false, true, s->d->arena, &route, NULL);
	if (route.outcome != SENT)
		return false;
	return s->d->conf.sender_rights == SENDER_LOCAL || leads_to(&route, s->user);
}
