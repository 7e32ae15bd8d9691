/*
 * commands: what each SMTP command means (RFC 5321, 4.1).
 *
 * A handler looks at its argument and answers; it neither writes to the peer
 * nor picks the next state: the table does.
 */
#include <errno.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/log.h"
#include "lib/mail/path.h"
#include "lib/mail/xtext.h"
#include "smtpd/session.h"
#include "smtpd/verify.h"

struct command {
	const char *verb;
	unsigned taken_in;
	unsigned leads_to; /* after 2yz and 3yz */
	enum said otherwise; /* the answer in any other state */
	struct reply (*run)(struct session *, struct span arg);
};

static struct reply
say(enum said said)
{
	return reply_say(said, NULL);
}

static struct reply
hello(struct session *s, struct span name, bool esmtp, bool lmtp)
{
	struct access access = { 0 };
	struct reply r;

	name = span_trim(name);
	if (is_device(s) && (name.len == 0 || name.len >= sizeof(s->helo)))
		name = span_of(s->client);
	if (s->lmtp != lmtp)
		return say(SAY_UNKNOWN); /* RFC 2033, 4.1 */
	if (name.len == 0 || name.len >= sizeof(s->helo))
		return say(SAY_NEEDS_NAME);
	session_reset(s);
	memcpy(s->helo, name.s, name.len);
	s->helo[name.len] = '\0';
	s->esmtp = esmtp;
	router_helo(&s->d->router, s->helo, &access, s->d->arena);
	s->helo_no_relay = access.no_relay;
	s->helo_no_local = access.no_local;
	/* On a submission port nobody sends who has not logged in, and that counts for more than a name. */
	if (access.reject != NULL && !s->submission && !session_ours(s))
		return policy_refuse(access.reject);
	r = milters_helo(s);
	return r.code != 0 ? r : reply_say(SAY_HELLO, s->d->conf.hostname);
}

static struct reply
cmd_helo(struct session *s, struct span arg)
{
	return hello(s, arg, false, false);
}

/* A connection turned round has its TLS in front of us, in collect. */
static bool
tls_possible(struct session *s)
{
	return !s->odmr && secure_ready(&s->d->secure);
}

static struct reply
extended_hello(struct session *s, struct span arg, bool lmtp)
{
	struct reply r = hello(s, arg, true, lmtp);
	struct buf *text = &s->d->text;

	if (r.code != 250)
		return r;
	buf_reset(text);
	buf_addf(text, "%s\nPIPELINING\nSIZE %llu\n8BITMIME\nENHANCEDSTATUSCODES\nSMTPUTF8\nCHUNKING\nDSN\nLIMITS RCPTMAX=%llu",
	    s->d->conf.hostname, (unsigned long long)s->d->conf.message_size_limit,
	    (unsigned long long)s->d->conf.rcpt_limit); /* RFC 9422 */
	if (!s->tls && tls_possible(s))
		buf_adds(text, "\nSTARTTLS");
	if (s->tls)
		buf_adds(text, "\nREQUIRETLS"); /* RFC 8689, 2 */
	if (login_offered(s) && is_device(s)) /* the second is how programs of the nineties want it */
		buf_adds(text, "\nAUTH LOGIN PLAIN\nAUTH=LOGIN PLAIN");
	else if (login_offered(s))
		buf_addf(text, "\nAUTH %s", exchange_offered(&s->d->auth, s->facts.binding, login_external(s)));
	if (etrn_offered(s))
		buf_adds(text, "\nETRN");
	if (s->xclient)
		buf_adds(text, "\nXCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT");
	return reply_say(SAY_HELLO, buf_str(text));
}

static struct reply
cmd_ehlo(struct session *s, struct span arg)
{
	return extended_hello(s, arg, false);
}

static struct reply
cmd_lhlo(struct session *s, struct span arg)
{
	return extended_hello(s, arg, true);
}

/* "FROM:" or "TO:", and the path behind it. Octets taken, blanks in front of the path
 * included (many clients put one there); -1: not this. */
static ssize_t
take_path(struct span arg, const char *keyword, enum path_kind kind, struct path *out, bool *syntax)
{
	size_t at = strlen(keyword);
	ssize_t n;

	*syntax = arg.len < at || !ascii_caseeq(arg.s, keyword, at);
	if (*syntax)
		return -1;
	while (at < arg.len && arg.s[at] == ' ')
		at++;
	n = path_parse(arg.s + at, arg.len - at, kind, out);
	return n == -1 ? -1 : n + (ssize_t)at;
}

/* It was looked at already. */
const char *
session_envid(struct session *s, struct span envid)
{
	buf_reset(&s->d->text);
	return xtext_decode(envid, &s->d->text) == -1 ? NULL : session_keep_text(s);
}

/* "MAIL FROM: <a>": people at a keyboard and some programs say it so. */
static bool
blank_taken(struct session *s, struct span arg, size_t keyword)
{
	if (arg.len <= keyword || arg.s[keyword] != ' ' || is_device(s))
		return true;
	if (s->d->conf.strict_smtp)
		return false;
	if (!s->lenient)
		log_event(EV_SMTPD_LENIENT, LS("client", s->client), LS("lenient", "space"));
	s->lenient = true;
	return true;
}

static struct reply
take_sender(struct session *s, const struct path *path, const struct params *params, struct span args)
{
	uint64_t limit = s->d->conf.message_size_limit;
	struct reply r;

	if (path->utf8 && !params->smtputf8)
		return say(SAY_SENDER_UTF8);
	if (params->requiretls && !s->tls)
		return say(SAY_TLS_FIRST);
	if (limit != 0 && params->size > limit)
		return say(SAY_TOO_LARGE);
	r = policy_sender(s, path);
	if (r.code != 0)
		return r;
	lookup_client(s);
	s->tx.params = *params;
	if (params->envid.s != NULL)
		s->tx.envid = session_envid(s, params->envid);
	r = milters_mail(s, s->tx.sender, args);
	return r.code != 0 ? r : say(SAY_SENDER_OK);
}

static struct reply
cmd_mail(struct session *s, struct span arg)
{
	struct params params;
	struct path path;
	struct reply full;
	bool syntax;
	enum said said;
	ssize_t n;

	if (s->submission && !session_ours(s))
		return say(SAY_AUTH_FIRST);
	full = full_mail(s);
	if (full.code != 0)
		return full;
	n = take_path(arg, "FROM:", PATH_REVERSE, &path, &syntax);
	if (is_device(s) && !syntax)
		n = device_sender(s, arg, n, &path);
	if (!syntax && !blank_taken(s, arg, strlen("FROM:")))
		return say(SAY_MAIL_SYNTAX);
	if (n == -1)
		return say(syntax ? SAY_MAIL_SYNTAX : SAY_SENDER_SYNTAX);
	said = params_mail((struct span){ arg.s + n, arg.len - (size_t)n }, &params);
	if (said != SAY_OK)
		return say(said);
	return take_sender(s, &path, &params, (struct span){ arg.s + n, arg.len - (size_t)n });
}

/* As the client gave it, or the address of RCPT (RFC 3461, 4.2; RFC 6533, 3). */
const char *
session_orcpt(struct session *s, const char *address, struct span given)
{
	struct buf *text = &s->d->text;
	struct span type = given.s == NULL ? given : span_cut(&given, ';');

	buf_reset(text);
	if (type.s != NULL) {
		buf_addspan(text, type);
		buf_addc(text, ';');
		if (xtext_decode(given, text) == 0)
			return session_keep_text(s);
		buf_reset(text);
	}
	buf_adds(text, s->tx.params.smtputf8 ? "utf-8;" : "rfc822;");
	buf_adds(text, address);
	return session_keep_text(s);
}

/* An address that is somebody else's in the end is told apart in the log. */
static void
remember_alias(struct session *s, const struct route *route, const char *address)
{
	struct alias *a;

	if (route->rcpts == NULL || (route->count == 1 && strcmp(route->rcpts->address, address) == 0))
		return;
	a = arena_alloc(s->d->arena, sizeof(*a));
	*a = (struct alias){ address, route->rcpts->address, route->count, s->tx.aliases };
	s->tx.aliases = a;
}

/* All the final recipients together stay within LIMIT_EXPANSION as well, or as many as may be named one by one. */
size_t
session_room(const struct session *s)
{
	size_t most = s->d->conf.rcpt_limit > LIMIT_EXPANSION ? (size_t)s->d->conf.rcpt_limit : LIMIT_EXPANSION;

	return most > s->d->rcpts.n ? most - s->d->rcpts.n : 0;
}

static struct reply
add_recipients(struct session *s, const struct route *route, const char *address, const struct params *params, struct span args)
{
	struct rcpts *l = &s->d->rcpts;
	const char *orcpt;
	struct reply r;

	if (route->count > session_room(s))
		return say(SAY_TOO_MANY_RCPTS);
	r = full_rcpt(s, route);
	if (r.code == 0)
		r = milters_rcpt(s, address, route->rcpts, args);
	if (r.code != 0)
		return r;
	orcpt = session_orcpt(s, address, params->orcpt);
	for (const struct route_rcpt *to = route->rcpts; to != NULL; to = to->next)
		(void)rcpts_add(l, to->action, to->address, orcpt, params->notify);
	remember_alias(s, route, address);
	milters_remember(s, address, route->rcpts);
	if (s->tx.rcpts_taken++ == 0)
		s->tx.original = address;
	return say(SAY_RCPT_OK);
}

static struct reply
refuse_rcpt(struct session *s, const char *address, struct span args, struct reply why)
{
	milters_rcpt_refused(s, address, args, &why);
	return why;
}

static struct reply
route_recipient(struct session *s, const struct path *path, const struct params *params, struct span args)
{
	struct access client = policy_client(s);
	struct route route = { 0 };
	const char *address = session_keep_address(s, path);
	struct reply r;

	s->rcpt = address;
	r = policy_recipient(s, path);
	if (r.code != 0)
		return refuse_rcpt(s, address, args, r);
	router_rcpt(&s->d->router, path, &client, client.trusted && !client.no_relay,
	    client.trusted || s->submission || is_device(s), s->d->arena, &route, NULL);
	verify_recipient(s, &route);
	if (route.outcome == SENT)
		return add_recipients(s, &route, address, params, args);
	return refuse_rcpt(s, address, args, route.reply);
}

/* Tries are bounded too: a refusal costs memory until the transaction ends. */
#define TRIES_MORE 1000

static struct reply
cmd_rcpt(struct session *s, struct span arg)
{
	struct params params;
	struct path path;
	bool syntax;
	enum said said;
	ssize_t n = take_path(arg, "TO:", PATH_FORWARD, &path, &syntax);

	if (is_device(s) && !syntax)
		n = device_rcpt(s, arg, n, &path);
	if (!syntax && !blank_taken(s, arg, strlen("TO:")))
		return say(SAY_RCPT_SYNTAX);
	if (n == -1)
		return say(syntax ? SAY_RCPT_SYNTAX : SAY_RCPT_ADDRESS_SYNTAX);
	said = params_rcpt((struct span){ arg.s + n, arg.len - (size_t)n }, &params);
	if (said != SAY_OK)
		return say(said);
	if (path.utf8 && !s->tx.params.smtputf8)
		return say(SAY_RCPT_UTF8);
	if (s->tx.rcpts_taken >= s->d->conf.rcpt_limit || s->tx.rcpts_tried >= s->d->conf.rcpt_limit + TRIES_MORE)
		return say(SAY_TOO_MANY_RCPTS);
	if (s->d->conf.null_sender_one_rcpt && s->tx.sender[0] == '\0' && s->tx.rcpts_taken > 0)
		return say(SAY_NULL_ONE);
	s->tx.rcpts_tried++;
	return route_recipient(s, &path, &params, (struct span){ arg.s + n, arg.len - (size_t)n });
}

static bool
blank(struct span arg)
{
	return span_trim(arg).len == 0;
}

static struct reply
cmd_data(struct session *s, struct span arg)
{
	struct reply r;

	if (!blank(arg))
		return say(SAY_NO_ARGUMENT);
	if (s->d->rcpts.n > 0 && submit_open(&s->d->submit, &r) == -1)
		return r;
	r = milters_data(s);
	if (r.code == 0)
		return say(SAY_GO_AHEAD);
	submit_abort(&s->d->submit);
	return r;
}

/* RFC 3030, 2: BDAT and DATA do not mix, and the recipients are all there. */
static struct reply
cmd_in_chunks(struct session *s, struct span arg)
{
	(void)s;
	(void)arg;
	return say(SAY_IN_CHUNKS);
}

static struct reply
cmd_data_early(struct session *s, struct span arg)
{
	if (!blank(arg))
		return say(SAY_NO_ARGUMENT);
	return say(s->tx.rcpts_tried > 0 ? SAY_NO_VALID_RCPT : SAY_RCPT_FIRST);
}

/* Octets follow the command, whatever the answer is: it comes behind them. Where nobody knows how many, what follows
 * could be anything. */
static struct reply
cmd_bdat(struct session *s, struct span arg)
{
	s->chunk = (struct chunk){ .given = false };
	if (!params_bdat(arg, &s->chunk.octets, &s->chunk.last)) {
		s->why = "BDAT without a size";
		s->state = GONE;
		return say(SAY_BDAT_SYNTAX);
	}
	s->chunk.given = true;
	s->chunk.said_in = s->state;
	s->chunk.wanted = s->state == RCPT || s->state == CHUNK;
	s->state = BODY;
	return (struct reply){ .code = 0 };
}

static struct reply
cmd_rset(struct session *s, struct span arg)
{
	if (!blank(arg))
		return say(SAY_NO_ARGUMENT);
	session_reset(s);
	return say(SAY_OK);
}

static struct reply
cmd_noop(struct session *s, struct span arg)
{
	(void)s;
	(void)arg;
	return say(SAY_OK);
}

static struct reply
cmd_vrfy(struct session *s, struct span arg)
{
	(void)s;
	return say(blank(arg) ? SAY_NEEDS_ARGUMENT : SAY_VRFY);
}

static struct reply
cmd_help(struct session *s, struct span arg)
{
	(void)s;
	(void)arg;
	return say(SAY_HELP);
}

static struct reply
cmd_quit(struct session *s, struct span arg)
{
	(void)s;
	return say(blank(arg) ? SAY_BYE : SAY_NO_ARGUMENT);
}

/* RFC 3207. What came with the command in one breath was said by somebody on the way, perhaps. */
static struct reply
cmd_starttls(struct session *s, struct span arg)
{
	if (!blank(arg))
		return say(SAY_NO_ARGUMENT);
	if (s->tls)
		return say(SAY_TLS_ALREADY);
	if (io_unread(&s->d->io).len > 0) {
		s->why = "more than STARTTLS was said in the clear";
		s->state = GONE;
		return say(SAY_TLS_INJECTED);
	}
	return say(!s->odmr && secure_wanted(&s->d->secure) ? SAY_START_TLS : SAY_TLS_NONE);
}

static struct reply
cmd_not_here(struct session *s, struct span arg)
{
	(void)s;
	(void)arg;
	return say(SAY_NOT_HERE);
}

// clang-format off
static const struct command commands[] = {
	/* verb       taken in            leads to  otherwise        handler */
	{ "HELO",     ANY,                READY,    SAY_UNKNOWN,     cmd_helo },
	{ "EHLO",     ANY,                READY,    SAY_UNKNOWN,     cmd_ehlo },
	{ "LHLO",     ANY,                READY,    SAY_UNKNOWN,     cmd_lhlo },
	{ "MAIL",     READY,              MAIL,     SAY_MAIL_TWICE,  cmd_mail },
	{ "RCPT",     MAIL | RCPT,        RCPT,     SAY_MAIL_FIRST,  cmd_rcpt },
	{ "RCPT",     CHUNK,              SAME,     SAY_MAIL_FIRST,  cmd_in_chunks },
	{ "DATA",     CHUNK,              SAME,     SAY_MAIL_FIRST,  cmd_in_chunks },
	{ "DATA",     RCPT,               BODY,     SAY_MAIL_FIRST,  cmd_data },
	{ "DATA",     MAIL,               SAME,     SAY_MAIL_FIRST,  cmd_data_early },
	{ "BDAT",     ANY,                SAME,     SAY_UNKNOWN,     cmd_bdat },
	{ "RSET",     START,              SAME,     SAY_UNKNOWN,     cmd_rset },
	{ "RSET",     READY | MAIL | RCPT | CHUNK, READY, SAY_UNKNOWN, cmd_rset },
	{ "NOOP",     ANY,                SAME,     SAY_UNKNOWN,     cmd_noop },
	{ "VRFY",     ANY,                SAME,     SAY_UNKNOWN,     cmd_vrfy },
	{ "HELP",     ANY,                SAME,     SAY_UNKNOWN,     cmd_help },
	{ "AUTH",     READY,              SAME,     SAY_MAIL_TWICE,  login_begin },
	{ "STARTTLS", START | READY,      SHAKING,  SAY_MAIL_TWICE,  cmd_starttls },
	{ "XCLIENT",  START | READY,      SAME,     SAY_MAIL_TWICE,  xclient_run },
	{ "ETRN",     READY,              SAME,     SAY_MAIL_TWICE,  etrn_run },
	{ "QUIT",     ANY,                GONE,     SAY_UNKNOWN,     cmd_quit },
	/* known, and not served here (RFC 5321, 4.2.4) */
	{ "EXPN",     ANY,                SAME,     SAY_UNKNOWN,     cmd_not_here },
	{ "ATRN",     ANY,                SAME,     SAY_UNKNOWN,     cmd_not_here },
	{ "TURN",     ANY,                SAME,     SAY_UNKNOWN,     cmd_not_here },
	{ "SEND",     ANY,                SAME,     SAY_UNKNOWN,     cmd_not_here },
	{ "SOML",     ANY,                SAME,     SAY_UNKNOWN,     cmd_not_here },
	{ "SAML",     ANY,                SAME,     SAY_UNKNOWN,     cmd_not_here },
	{ NULL,       0,                  0,        SAY_UNKNOWN,     NULL },
};
// clang-format on

/* The row for verb in this state; else any row of that verb, else NULL. */
static const struct command *
find(const struct session *s, struct span verb)
{
	const struct command *found = NULL;

	for (const struct command *c = commands; c->verb != NULL; c++) {
		if (!span_case_is(verb, c->verb))
			continue;
		if ((c->taken_in & s->state) != 0)
			return c;
		found = c;
	}
	return found;
}

struct reply
command_run(struct session *s, struct span line)
{
	struct span arg = line, verb = span_cut(&arg, ' ');
	const struct command *c;
	struct reply r;

	if (s->state == SASL)
		return login_go_on(s, line);
	if (line.len > LIMIT_SMTP_COMMAND - 2 && !span_case_is(verb, "AUTH"))
		return say(SAY_TOO_LONG);
	c = find(s, verb);
	if (c == NULL) {
		r = milters_unknown(s, line);
		return r.code != 0 ? r : say(SAY_UNKNOWN);
	}
	s->verb = c->verb;
	if (arg.s == NULL)
		arg = SPAN("");
	if ((c->taken_in & s->state) == 0)
		return say(s->state == START ? SAY_HELLO_FIRST : c->otherwise);
	if ((c->leads_to == SAME || c->leads_to == READY) && c->run != cmd_bdat)
		s->idle++;
	r = c->run(s, arg);
	if (r.code < 400 && c->leads_to != SAME)
		s->state = c->leads_to;
	return r;
}
