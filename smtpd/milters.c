/*
 * milters: the filters that a session and its messages pass, in their order.
 *
 * Knows what is told to them when, and what their answers mean for the client. The message itself is in milters_message.c, the
 * wire in lib/net/milter. One connection a filter a session; one that broke is made again at the next MAIL, when what it missed is
 * told first. While a filter cannot be asked, MAIL is the first command that is refused for it: a client may always ask for
 * TLS and say QUIT.
 */
#include "smtpd/milters.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/ascii.h"
#include "lib/base/log.h"

#define PACKET_MAX (MILTER_CHUNK + 4096u)

// clang-format off
static const struct stage
	connecting = { MILTER_CONNECT, STAGE_CONNECT, UNTOLD_CONNECT, MUTE_CONNECT, "connect" },
	helo       = { MILTER_HELO,    STAGE_HELO,    UNTOLD_HELO,    MUTE_HELO,    "helo" },
	mail       = { MILTER_MAIL,    STAGE_MAIL,    UNTOLD_MAIL,    MUTE_MAIL,    "mail" },
	rcpt       = { MILTER_RCPT,    STAGE_RCPT,    UNTOLD_RCPT,    MUTE_RCPT,    "rcpt" },
	data       = { MILTER_DATA,    STAGE_DATA,    UNTOLD_DATA,    MUTE_DATA,    "data" },
	unknown    = { MILTER_UNKNOWN, STAGES,        UNTOLD_UNKNOWN, MUTE_UNKNOWN, "unknown" };
const struct stage
	stage_header = { MILTER_HEADER, STAGES,    UNTOLD_HEADERS, MUTE_HEADER, "header" },
	stage_eoh    = { MILTER_EOH,    STAGE_EOH, UNTOLD_EOH,     MUTE_EOH,    "eoh" },
	stage_body   = { MILTER_BODY,   STAGES,    UNTOLD_BODY,    MUTE_BODY,   "body" },
	stage_end    = { MILTER_END,    STAGE_END, 0,          0,           "end" };
// clang-format on

static const struct reply go_on;

/* --- one filter ------------------------------------------------------------------ */

struct reply
peer_failed(struct session *s, struct milter_peer *f, const struct stage *stage)
{
	enum milter_otherwise so = f->link.place->set.otherwise;
	bool goes_on = so == OTHERWISE_ACCEPT || so == OTHERWISE_QUARANTINE;
	bool early = s->d->milters->answering == &connecting || s->d->milters->answering == &helo;

	log_event(EV_MILTER_FAILED, LS("milter", f->link.place->name), LS("at", stage->name),
	    LS("reason", buf_str(&s->d->milters->why)), LS("so", milter_otherwise_name(so)), LS("client", s->client),
	    LS("id", s->reception.begun ? s->d->submit.id : ""));
	f->in_message = false;
	if (so == OTHERWISE_SHUTDOWN)
		return reply_say(SAY_MILTER_SHUTDOWN, NULL);
	if (goes_on)
		f->state = PEER_NOT_NOW;
	if (so == OTHERWISE_QUARANTINE && !early && s->tx.held == NULL)
		s->tx.held = "a filter did not answer";
	if (goes_on || early)
		return go_on;
	return reply_say(so == OTHERWISE_REJECT ? SAY_MILTER_GONE : SAY_MILTER_DOWN, NULL);
}

/* "550 5.7.1 text" in a filter's own words. */
static struct reply
own_words(struct session *s, struct milter_peer *f, const struct stage *stage, struct span said)
{
	struct buf *text = &s->d->text;
	struct reply r = { 0 };

	buf_reset(text);
	if (milter_read_reply(said, &r.code, r.enhanced, text) == -1) {
		buf_reset(&s->d->milters->why);
		buf_adds(&s->d->milters->why, "gives a reply that is none");
		return peer_failed(s, f, stage);
	}
	r.text = session_keep_text(s);
	if (r.enhanced[0] == '\0')
		strlcpy(r.enhanced, r.code >= 500 ? "5.7.1" : "4.7.1", sizeof r.enhanced);
	return r;
}

static void
log_action(const struct session *s, const struct milter_peer *f, const struct stage *stage, const char *action)
{
	log_event(EV_MILTER_ACTION, LS("milter", f->link.place->name), LS("at", stage->name), LS("action", action),
	    LS("client", s->client), LS("id", s->reception.begun ? s->d->submit.id : ""),
	    LS("sender", s->tx.sender == NULL ? "" : s->tx.sender));
}

static struct reply
verdict(struct session *s, struct milter_peer *f, const struct stage *stage, const struct milter_said *said, bool of_session)
{
	switch (said->answer) {
	case MILTER_ACCEPT:
		f->state = of_session ? PEER_NOT_AGAIN : PEER_NOT_NOW;
		return go_on;
	case MILTER_DISCARD:
		log_action(s, f, stage, "discard");
		s->tx.discard = !of_session;
		return go_on;
	case MILTER_REJECT:
		log_action(s, f, stage, "reject");
		return reply_say(SAY_REFUSED, NULL);
	case MILTER_TEMPFAIL:
		log_action(s, f, stage, "tempfail");
		return reply_say(SAY_MILTER_LATER, NULL);
	case MILTER_REPLYCODE:
		log_action(s, f, stage, "reply");
		return own_words(s, f, stage, said->name);
	case MILTER_SHUTDOWN:
	case MILTER_CONN_FAIL:
		log_action(s, f, stage, "shutdown");
		return reply_say(SAY_MILTER_SHUTDOWN, NULL);
	default: /* continue, skip */
		return go_on;
	}
}

/* What ends the session for a filter ends its connection: libmilter hangs up then by itself. */
struct reply
peer_react(struct session *s, struct milter_peer *f, const struct stage *stage, const struct milter_said *said)
{
	bool of_session = stage == &connecting || stage == &helo;
	struct reply r = verdict(s, f, stage, said, of_session);

	if (of_session && (r.code != 0 || f->state == PEER_NOT_AGAIN)) {
		f->refuses = r.code != 0;
		milter_close(&f->link);
	}
	return r;
}

struct reply
peer_ask(struct session *s, struct milter_peer *f, const struct stage *stage, struct milter_said *said)
{
	struct milters *ms = s->d->milters;
	struct milter_said own;
	struct buf *out = &f->link.io.out;
	size_t begun;

	if (said == NULL)
		said = &own;
	*said = (struct milter_said){ .answer = MILTER_CONTINUE };
	if ((f->link.steps & stage->left_out) != 0)
		return go_on;
	f->at_end = stage == &stage_end;
	buf_reset(&ms->why);
	if (stage->macros != STAGES)
		macros_add(s, f, stage, out);
	begun = milter_begin(out, stage->command);
	buf_addspan(out, buf_span(&ms->packet));
	milter_end(out, begun);
	if ((f->link.steps & stage->mute) != 0)
		return out->len < PACKET_MAX || milter_send(&f->link, s->end, &ms->why) == 0 ? go_on : peer_failed(s, f, stage);
	if (milter_hear(&f->link, stage->command, s->end, said, &ms->why) == -1)
		return peer_failed(s, f, stage);
	return peer_react(s, f, stage, said);
}

/* --- what is told ------------------------------------------------------------------ */

static void
pack_connect(const struct session *s, struct buf *p)
{
	struct buf address = BUF_INIT(64);

	ip_add(&address, &s->conn->peer);
	buf_reset(p);
	milter_add_string(p, span_of(macros_client_name(s)));
	buf_addc(p, s->conn->peer.v6 ? '6' : '4');
	milter_add_u16(p, s->conn->peer_port);
	milter_add_string(p, buf_span(&address));
	buf_free(&address);
}

static void
pack_string(struct buf *p, const char *text)
{
	buf_reset(p);
	milter_add_string(p, span_of(text));
}

/* "<address>" and its parameters, each a string. */
static void
pack_path(struct buf *p, const char *address, struct span args)
{
	buf_reset(p);
	buf_addc(p, '<');
	buf_adds(p, address);
	buf_addc(p, '>');
	buf_addc(p, '\0');
	while (args.s != NULL) {
		struct span word = span_cut(&args, ' ');

		if (word.len > 0)
			milter_add_string(p, word);
	}
}

static struct reply
tell_connect(struct session *s, struct milter_peer *f)
{
	pack_connect(s, &s->d->milters->packet);
	return peer_ask(s, f, &connecting, NULL);
}

static struct reply
tell_helo(struct session *s, struct milter_peer *f)
{
	pack_string(&s->d->milters->packet, s->helo);
	return peer_ask(s, f, &helo, NULL);
}

/* A connection, and what it has missed. */
static struct reply
wake(struct session *s, struct milter_peer *f, const struct stage *stage)
{
	struct reply r;

	if (f->link.io.fd != -1 && f->link.kept == 0)
		return go_on;
	f->refuses = false;
	buf_reset(&s->d->milters->why);
	if (!milter_kept(&f->link) && milter_open(&f->link, s->end, &s->d->milters->why) == -1)
		return peer_failed(s, f, stage);
	r = tell_connect(s, f);
	if (r.code == 0 && stage != &connecting && stage != &helo && f->state == PEER_ON && f->link.io.fd != -1)
		r = tell_helo(s, f);
	return r;
}

static bool
is_asked(const struct milter_peer *f)
{
	return f->state == PEER_ON && f->link.io.fd != -1;
}

/* --- the session's stages ------------------------------------------------------------ */

static struct milter_peer *
past(const struct session *s)
{
	return s->d->milters->peers + s->d->milters->n;
}

static bool
pass_milters(const struct session *s)
{
	return s->d->milters != NULL && !s->odmr;
}

/* What can be said instead of a greeting (RFC 5321, 3.1). */
static struct reply
instead_of_greeting(struct reply r)
{
	if (r.code != 0)
		r.code = r.code >= 500 ? 554 : 421;
	return r;
}

struct reply
milters_connect(struct session *s)
{
	struct reply r = go_on;

	if (!pass_milters(s))
		return go_on;
	lookup_client(s);
	s->d->milters->answering = &connecting;
	for (struct milter_peer *f = s->d->milters->peers; f < past(s); f++) {
		milter_part(&f->link, f->at_end); /* XCLIENT: it is somebody else now */
		f->state = PEER_ON;
		f->in_message = f->refuses = f->at_end = false;
	}
	for (struct milter_peer *f = s->d->milters->peers; f < past(s); f++)
		if (r.code == 0)
			r = wake(s, f, &connecting);
	return instead_of_greeting(r);
}

struct reply
milters_helo(struct session *s)
{
	struct reply r = go_on;

	if (!pass_milters(s))
		return go_on;
	s->d->milters->answering = &helo;
	for (struct milter_peer *f = s->d->milters->peers; f < past(s); f++) {
		if (r.code == 0 && f->refuses) /* it may like another name better */
			r = wake(s, f, &helo);
		if (r.code == 0 && is_asked(f))
			r = tell_helo(s, f);
	}
	return r;
}

struct reply
milters_mail(struct session *s, const char *sender, struct span args)
{
	struct reply r = go_on;

	if (!pass_milters(s))
		return go_on;
	milters_abort(s);
	s->d->milters->answering = &mail;
	for (struct milter_peer *f = s->d->milters->peers; f < past(s); f++) {
		if (f->state == PEER_NOT_NOW)
			f->state = PEER_ON;
		if (f->state == PEER_ON && r.code == 0)
			r = wake(s, f, &mail);
		if (r.code != 0 || s->tx.discard || !is_asked(f))
			continue;
		f->in_message = true;
		pack_path(&s->d->milters->packet, sender, args);
		r = peer_ask(s, f, &mail, NULL);
	}
	return r;
}

struct reply
milters_rcpt(struct session *s, const char *address, const struct route_rcpt *finals, struct span args)
{
	struct reply r = s->tx.refused;

	if (!pass_milters(s))
		return go_on;
	s->tx.milter_address = address;
	s->tx.milter_finals = finals;
	for (struct milter_peer *f = s->d->milters->peers; f < past(s); f++) {
		if (r.code != 0 || s->tx.discard || !is_asked(f))
			continue;
		pack_path(&s->d->milters->packet, address, args);
		r = peer_ask(s, f, &rcpt, NULL);
	}
	return r;
}

void
milters_rcpt_refused(struct session *s, const char *address, struct span args, const struct reply *why)
{
	struct reply r;

	if (!pass_milters(s))
		return;
	s->tx.milter_address = address;
	s->tx.milter_finals = NULL;
	s->tx.milter_error = why;
	for (struct milter_peer *f = s->d->milters->peers; f < past(s); f++) {
		if (s->tx.discard || !is_asked(f) || (f->link.steps & RCPT_REFUSED) == 0)
			continue;
		pack_path(&s->d->milters->packet, address, args);
		r = peer_ask(s, f, &rcpt, NULL); /* it is refused, whatever the filter thinks */
		(void)r;
	}
	s->tx.milter_error = NULL;
}

void
milters_remember(struct session *s, const char *address, const struct route_rcpt *finals)
{
	struct taken *t;

	if (s->d->milters == NULL)
		return;
	t = arena_alloc(s->d->arena, sizeof *t);
	*t = (struct taken){ address, finals, false, s->tx.taken };
	s->tx.taken = t;
}

struct reply
milters_data(struct session *s)
{
	struct reply r = s->tx.refused;

	if (!pass_milters(s))
		return go_on;
	for (struct milter_peer *f = s->d->milters->peers; f < past(s); f++) {
		if (r.code != 0 || s->tx.discard || !is_asked(f))
			continue;
		buf_reset(&s->d->milters->packet);
		r = peer_ask(s, f, &data, NULL);
	}
	s->tx.refused = r; /* a second DATA gets the same answer */
	return r;
}

struct reply
milters_unknown(struct session *s, struct span line)
{
	struct reply r = go_on;

	if (!pass_milters(s))
		return go_on;
	for (struct milter_peer *f = s->d->milters->peers; f < past(s); f++) {
		if (r.code != 0 || !is_asked(f))
			continue;
		buf_reset(&s->d->milters->packet);
		milter_add_string(&s->d->milters->packet, line);
		r = peer_ask(s, f, &unknown, NULL);
	}
	return r;
}

void
milters_abort(struct session *s)
{
	struct milters *ms = s->d->milters;

	if (ms == NULL)
		return;
	for (struct milter_peer *f = ms->peers; f < past(s); f++) {
		size_t begun;

		if (f->in_message && f->link.io.fd != -1) {
			f->at_end = false;
			begun = milter_begin(&f->link.io.out, MILTER_ABORT);
			milter_end(&f->link.io.out, begun);
			buf_reset(&ms->why);
			(void)!milter_send(&f->link, s->end, &ms->why);
		}
		f->in_message = false;
	}
}

void
milters_quit(struct session *s)
{
	if (s->d->milters == NULL)
		return;
	for (struct milter_peer *f = s->d->milters->peers; f < past(s); f++)
		milter_part(&f->link, f->at_end);
}

/* --- at start -------------------------------------------------------------------------- */

bool
milters_open(struct smtpd *d)
{
	const struct milter_settings general = { (enum milter_otherwise)d->conf.milter_default, d->conf.milter_connect_timeout,
		d->conf.milter_timeout, d->conf.milter_content_timeout, false };
	struct buf why = BUF_INIT(1024);
	struct milters *ms;
	bool inet = false;
	int n;

	if (d->conf.milters[0] == '\0')
		return false;
	ms = mem_alloc(1, sizeof *ms);
	n = milter_places_parse(span_of(d->conf.milters), &general, ms->places, &why);
	if (n == -1)
		fatal(EX_CONFIG, "cannot use milters: %s", buf_str(&why));
	ms->n = (size_t)n;
	buf_init(&ms->packet, PACKET_MAX);
	buf_init(&ms->why, 512);
	for (size_t i = 0; i < ms->n; i++) {
		if (milter_place_resolve(&ms->places[i], &why) == -1)
			warn_text("a milter's host is not known: %s", buf_str(&why));
		buf_reset(&why);
		milter_init(&ms->peers[i].link, &ms->places[i]);
		inet = inet || ms->places[i].path == NULL;
	}
	d->milters = ms;
	buf_free(&why);
	return inet;
}
