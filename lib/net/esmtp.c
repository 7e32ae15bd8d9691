/*
 * esmtp: the opening of an SMTP session as a client.
 *
 * Knows the replies up to the first command proper; no mail. A server that offers nothing (HELO only) is an error
 * for those who want an extension.
 */
#include "lib/net/esmtp.h"

#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"

#define REPLY_MAX 16384  /* octets of a reply; a challenge is the longest */
#define SHOWN_MAX 300    /* ... of it in a reason */
#define CHALLENGES_MAX 10

void
esmtp_init(struct esmtp *e, struct dialogue *d, const char *helo, int64_t wait_ms)
{
	*e = (struct esmtp){ .d = d, .helo = helo, .wait_ms = wait_ms };
	buf_init(&e->offers, REPLY_MAX);
	buf_init(&e->text, REPLY_MAX);
}

void
esmtp_free(struct esmtp *e)
{
	buf_free(&e->offers);
	buf_free(&e->text);
}

/* --- replies ---------------------------------------------------------------- */

int
esmtp_reply(struct esmtp *e, struct buf *why)
{
	e->code = 0;
	return dialogue_smtp_reply(e->d, &e->code, &e->text, deadline_in(e->wait_ms), why);
}

void
esmtp_add_reply(const struct esmtp *e, struct buf *out)
{
	buf_addf(out, "%d ", e->code);
	for (size_t i = 0; i < e->text.len && i < SHOWN_MAX; i++)
		if (e->text.s[i] == '\n')
			buf_addc(out, ' ');
		else
			buf_addc(out, ascii_print((unsigned char)e->text.s[i]) ? e->text.s[i] : '?');
}

int
esmtp_failed(const struct esmtp *e, const char *what, struct buf *why)
{
	buf_addf(why, "%s: ", what);
	esmtp_add_reply(e, why);
	return -1;
}

/* --- greeting and EHLO -------------------------------------------------------- */

static int
helo(struct esmtp *e, struct buf *why)
{
	dialogue_say(e->d, false, "HELO %s", e->helo);
	if (esmtp_reply(e, why) == -1)
		return -1;
	return e->code == 250 ? 0 : esmtp_failed(e, "HELO", why);
}

static int
ehlo(struct esmtp *e, struct buf *why)
{
	struct span rest;

	buf_reset(&e->offers);
	dialogue_say(e->d, false, "EHLO %s", e->helo);
	if (esmtp_reply(e, why) == -1)
		return -1;
	if (e->helo_too && e->code / 100 == 5 && e->code != 521) /* 521: no mail at all (RFC 7504) */
		return helo(e, why);
	if (e->code != 250)
		return esmtp_failed(e, "EHLO", why);
	rest = buf_span(&e->text);
	span_cut(&rest, '\n'); /* its name */
	if (rest.s != NULL)
		buf_addspan(&e->offers, rest);
	return 0;
}

int
esmtp_greet(struct esmtp *e, struct buf *why)
{
	if (esmtp_reply(e, why) == -1)
		return -1;
	return e->code == 220 ? ehlo(e, why) : esmtp_failed(e, "greeting", why);
}

bool
esmtp_offers(const struct esmtp *e, const char *keyword, struct span *arg)
{
	struct span rest = buf_span(&e->offers);

	while (rest.s != NULL) {
		struct span line = span_cut(&rest, '\n'), word = span_cut(&line, ' ');

		if (!span_case_is(word, keyword))
			continue;
		if (arg != NULL)
			*arg = line.s != NULL ? span_trim(line) : SPAN("");
		return true;
	}
	return false;
}

int
esmtp_starttls(struct esmtp *e, const struct tls_peer *peer, struct buf *why)
{
	if (!esmtp_offers(e, "STARTTLS", NULL)) {
		buf_adds(why, "the server offers no STARTTLS, so nothing was sent");
		return -1;
	}
	dialogue_say(e->d, false, "STARTTLS");
	if (esmtp_reply(e, why) == -1)
		return -1;
	if (e->code != 220)
		return esmtp_failed(e, "STARTTLS", why);
	if (dialogue_starttls(e->d, peer, deadline_in(e->wait_ms), why) == -1)
		return -1;
	return ehlo(e, why);
}

/* --- AUTH --------------------------------------------------------------------------- */

static void
say_answer(struct esmtp *e, struct buf *answer)
{
	dialogue_say(e->d, true, "%s", buf_str(answer));
	buf_wipe(answer);
}

/* AUTH, with what the client says first, if it does (RFC 4954, 4). */
static int
say_auth(struct esmtp *e, struct sasl *s, struct buf *answer, struct buf *why)
{
	if (!sasl_initial(s)) {
		dialogue_say(e->d, false, "AUTH %s", sasl_mechanism(s));
		return 0;
	}
	if (sasl_step(s, SPAN(""), answer, why) == -1)
		return -1;
	dialogue_say(e->d, true, "AUTH %s %s", sasl_mechanism(s), answer->len > 0 ? buf_str(answer) : "=");
	buf_wipe(answer);
	return 0;
}

/* Answer challenges until the server has made up its mind. */
static int
answer_challenges(struct esmtp *e, struct sasl *s, struct buf *answer, struct buf *why)
{
	for (int i = 0; i < CHALLENGES_MAX; i++) {
		if (esmtp_reply(e, why) == -1)
			return -1;
		if (e->code != 334)
			return 0;
		if (sasl_step(s, buf_span(&e->text), answer, why) == -1) {
			dialogue_say(e->d, false, "*");
			(void)!esmtp_reply(e, why);
			return -1;
		}
		say_answer(e, answer);
	}
	buf_adds(why, "AUTH: no end of challenges");
	return -1;
}

/* RFC 4954, 6: which of the codes mean the login. */
static bool
means_login(int code)
{
	return code == 535 || code == 534 || code == 538 || code == 432;
}

static int
authenticate(struct esmtp *e, struct sasl *s, bool *refused, struct buf *why)
{
	struct buf answer = BUF_INIT(LIMIT_SASL);
	int rv = say_auth(e, s, &answer, why);

	if (rv == 0)
		rv = answer_challenges(e, s, &answer, why);
	buf_wipe(&answer);
	buf_free(&answer);
	if (rv == -1)
		return -1;
	if (e->code == 235)
		return sasl_success(s, why);
	*refused = means_login(e->code);
	if (why->len > 0)
		buf_adds(why, "; ");
	return esmtp_failed(e, *refused ? "login refused" : "AUTH", why);
}

int
esmtp_auth(struct esmtp *e, const struct sasl_login *login, const char *only, bool *refused, struct buf *why)
{
	struct buf binding = BUF_INIT(256);
	struct sasl_login l = *login;
	struct span offered = { "", 0 };
	struct sasl *s;
	int rv;

	*refused = false;
	(void)esmtp_offers(e, "AUTH", &offered);
	tls_binding(&e->d->io, &binding);
	l.host = e->d->host;
	l.port = e->d->port;
	l.binding = buf_span(&binding);
	s = sasl_client(offered, &l, only, binding.len > 0 || e->d->io.via.state != NULL, why);
	rv = s != NULL ? authenticate(e, s, refused, why) : -1;
	sasl_free(s);
	buf_wipe(&binding);
	buf_free(&binding);
	return rv;
}
