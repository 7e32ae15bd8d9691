/*
 * imap_login: from the greeting to the state in which folders can be opened.
 *
 * What a server said before TLS counts for nothing behind it (RFC 9051, 6.2.1), and without the TLS that the
 * account asks for nothing is said that anybody could use.
 */
#include <string.h>

#include "collector/binding.h"
#include "collector/imap_parts.h"
#include "collector/secret.h"
#include "lib/base/ascii.h"
#include "lib/net/sasl.h"

#define SASL_ROUNDS 16

int
imap_greeting(struct imap *m)
{
	while (!m->greeted)
		if (imap_listen(m) == -1)
			return -1;
	if (m->bye.len > 0)
		return fetch_failed(m->f, "the server is not ready", buf_span(&m->bye));
	if (!imap_reply_is(&m->reply, 1, "OK") && !m->preauth)
		return imap_failed(m, "the server is not ready");
	return 0;
}

/* --- what the server can do ---------------------------------------------- */

void
imap_learn(struct imap *m, struct span words)
{
	static const struct {
		const char *name;
		enum imap_capability can;
	} names[] = { { "IMAP4rev1", IMAP_REV1 }, { "IMAP4rev2", IMAP_REV2 | IMAP_UIDPLUS | IMAP_MOVE | IMAP_IDLE },
		{ "STARTTLS", IMAP_STARTTLS }, { "LOGINDISABLED", IMAP_LOGINDISABLED },
		{ "LITERAL+", IMAP_LITERAL_PLUS }, { "LITERAL-", IMAP_LITERAL_MINUS }, { "SASL-IR", IMAP_SASL_IR },
		{ "IDLE", IMAP_IDLE }, { "UIDPLUS", IMAP_UIDPLUS }, { "MOVE", IMAP_MOVE },
		{ "CONDSTORE", IMAP_CONDSTORE }, { "QRESYNC", IMAP_CONDSTORE } };

	m->known = true;
	m->can = 0;
	buf_reset(&m->mechanisms);
	while (words.s != NULL) {
		struct span word = span_cut(&words, ' ');

		for (size_t i = 0; i < COUNT(names); i++)
			if (span_case_is(word, names[i].name))
				m->can |= names[i].can;
		if (word.len > 5 && ascii_caseeq(word.s, "AUTH=", 5) && word.len < m->mechanisms.max - m->mechanisms.len) {
			buf_addspan(&m->mechanisms, word);
			buf_addc(&m->mechanisms, ' ');
		}
	}
	if ((m->can & (IMAP_REV1 | IMAP_REV2)) == 0)
		m->can |= IMAP_REV1; /* it will show */
}

int
imap_capabilities(struct imap *m)
{
	if (m->known)
		return 0;
	imap_begin(m, "CAPABILITY");
	if (imap_run(m, false) == -1)
		return -1;
	if (!m->known)
		imap_learn(m, SPAN("")); /* RFC 9051 requires it; without it we ask for nothing special */
	return 0;
}

/* --- TLS ----------------------------------------------------------------- */

int
imap_upgrade(struct imap *m)
{
	if (m->f->account->up.tls != UPSTREAM_TLS_STARTTLS)
		return 0;
	if (m->preauth)
		return fetch_failed(m->f, "the server lets nobody begin TLS, so nothing was sent", SPAN("PREAUTH"));
	if ((m->can & IMAP_STARTTLS) == 0)
		return fetch_failed(m->f, "the server offers no STARTTLS, so nothing was sent", SPAN("tls=starttls"));
	imap_begin(m, "STARTTLS");
	switch (imap_run(m, false)) {
	case 0:
		break;
	case 1:
		return imap_failed(m, "STARTTLS refused");
	default:
		return -1;
	}
	if (fetch_start_tls(m->f) == -1)
		return -1;
	m->known = m->preauth = false;
	m->can = 0;
	buf_reset(&m->mechanisms);
	return imap_capabilities(m);
}

/* --- login --------------------------------------------------------------- */

/* Was it the password, or is the server only busy? (RFC 5530, 3) */
static int
refused(struct imap *m)
{
	static const char *const busy[] = { "UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG" };

	for (size_t i = 0; i < COUNT(busy); i++)
		if (span_case_is(buf_span(&m->code), busy[i]))
			return imap_failed(m, "not now");
	if (m->end == IMAP_BAD)
		return imap_failed(m, "the server does not understand our login");
	m->f->auth_failed = true;
	return imap_failed(m, "login refused");
}

/* One challenge and our answer; 0; -1 with why. */
static int
answer(struct imap *m, struct sasl *sasl)
{
	struct buf out = BUF_INIT(65536);
	struct span challenge = span_trim(buf_span(&m->text));
	int rv = m->text.len == m->text.max ? -1 : sasl_step(sasl, challenge, &out, &m->f->why);

	m->go_on = false;
	dialogue_say(&m->f->d, true, "%s", rv == -1 ? "*" : buf_str(&out));
	buf_wipe(&out);
	buf_free(&out);
	if (rv != -1)
		return 0;
	if (m->f->why.len == 0)
		buf_adds(&m->f->why, "the server's challenge is too long");
	(void)!imap_await(m, false); /* it confirms that we gave up */
	return -1;
}

#define UNBOUND 2 /* the same without a channel binding may do */

static int
exchange(struct imap *m, struct sasl *sasl)
{
	struct buf first = BUF_INIT(65536);
	bool ahead = sasl_initial(sasl) && (m->can & IMAP_SASL_IR) != 0;
	int rv = 0;

	if (ahead)
		rv = sasl_step(sasl, SPAN(""), &first, &m->f->why);
	if (rv != -1)
		imap_start(m, "AUTHENTICATE %s%s%s", sasl_mechanism(sasl), ahead ? " " : "",
		    !ahead ? "" : first.len == 0 ? "=" : buf_str(&first)); /* RFC 4959, 3 */
	buf_wipe(&first);
	buf_free(&first);
	if (rv == -1)
		return -1;
	for (int i = 0; !m->answered; i++) {
		if (i > SASL_ROUNDS)
			return fetch_failed(m->f, "no end of challenges", span_of(sasl_mechanism(sasl)));
		if (imap_await(m, true) == -1)
			return -1;
		if (!m->answered && answer(m, sasl) == -1)
			return -1;
	}
	strlcpy(m->f->mechanism, sasl_mechanism(sasl), sizeof(m->f->mechanism));
	if (m->end == IMAP_NO && sasl_bound(sasl) && !span_case_is(buf_span(&m->code), "AUTHENTICATIONFAILED"))
		return UNBOUND; /* not by the password, as far as the server says (RFC 5530) */
	return m->end == IMAP_OK ? sasl_success(sasl, &m->f->why) : refused(m);
}

static int
authenticate(struct imap *m, const struct credentials *c, struct buf *why)
{
	const struct io *bound = binding_of(m->f);
	bool again = false;
	struct sasl *sasl;
	int rv;

	for (;;) {
		sasl = credentials_sasl(m->f->account, c, bound, buf_span(&m->mechanisms), why);
		rv = sasl != NULL ? exchange(m, sasl) : 1;
		sasl_free(sasl);
		if (rv != UNBOUND)
			break;
		bound = NULL;
		again = true;
	}
	if (again && rv == 0)
		binding_refused(m->f);
	return rv;
}

static int
login_command(struct imap *m, const struct credentials *c)
{
	if ((m->can & IMAP_LOGINDISABLED) != 0)
		return fetch_failed(m->f, "the server takes no password here", SPAN("LOGINDISABLED"));
	strlcpy(m->f->mechanism, "LOGIN", sizeof(m->f->mechanism));
	imap_begin(m, "LOGIN ");
	imap_add_string(m, span_of(m->f->account->up.login));
	imap_add(m, " ");
	imap_add_string(m, buf_span(&c->password));
	switch (imap_run(m, true)) {
	case 0:
		return 0;
	case 1:
		return refused(m);
	default:
		return -1;
	}
}

/* SASL where it serves, else LOGIN, if the account leaves it to us. */
static int
log_in(struct imap *m, const struct credentials *c)
{
	enum upstream_auth auth = m->f->account->up.auth;
	struct buf why = BUF_INIT(500);
	int rv = 1;

	if (auth != UPSTREAM_AUTH_USER)
		rv = authenticate(m, c, &why);
	if (rv == 1 && (auth == UPSTREAM_AUTH_USER || auth == UPSTREAM_AUTH_ANY))
		rv = login_command(m, c);
	if (rv == 1) {
		m->f->auth_failed = true; /* people must do something */
		rv = fetch_failed(m->f, "cannot log in", buf_span(&why));
	}
	buf_free(&why);
	return rv;
}

int
imap_login(struct imap *m)
{
	struct credentials c;
	int rv;

	if (m->preauth)
		return 0;
	rv = credentials_get(m->f->account, m->f->house, &c, &m->f->why);
	if (rv == 0) {
		m->known = false; /* what it can is often more now, and told with the answer */
		rv = log_in(m, &c);
	}
	credentials_wipe(&c);
	return rv == 0 ? imap_capabilities(m) : -1;
}
