/*
 * fetch_atrn: On-Demand Mail Relay, the customer's side (RFC 2645).
 *
 * After ATRN the connection turns round: the provider is the client, and our own smtpd serves it, its
 * recipients being our domains' only. This process stands between the two, since TLS ends here: it
 * passes octets, and counts messages by the replies that go by.
 */
#include "collector/turn.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/ascii.h"
#include "lib/sys/proc.h"

#define LINE_MAX_OCTETS 512 /* of our smtpd's replies, looked at */
#define LINGER_MS 30000 /* for smtpd to end once the provider is gone */

struct relay {
	struct fetch *f;
	struct io *provider;
	struct io smtpd;
	struct buf line;    /* how the reply begins that is coming from smtpd */
	int code;           /* of the last whole reply */
	bool open;          /* a transaction is */
	deadline_ms until;
};

/* --- ATRN ------------------------------------------------------------------------ */

/* RFC 2645, 5.2.1: "must be sent only in the authenticated state". */
// clang-format off
static const struct {
	int code;
	const char *text;
} refusals[] = {
	{ 450, "the server does not give us this mail: does it know these domains as ours?" },
	{ 451, "not now" },
	{ 502, "the server knows no ATRN" },
	{ 530, "the server wants another login" },
};
// clang-format on

/* 1: it turns; 0: there is no mail; -1. */
static int
ask(struct fetch *f, struct esmtp *e)
{
	const struct upstream_strings *domains = &f->account->up.domains;
	struct buf list = BUF_INIT(LIMIT_SMTP_COMMAND);
	const char *text = "ATRN";
	int rv;

	for (size_t i = 0; i < domains->n; i++)
		buf_addf(&list, "%s%s", i > 0 ? "," : "", domains->v[i]);
	if (buf_over(&list)) {
		buf_free(&list);
		return fetch_failed(f, "domain=", SPAN("too many for one ATRN; make several accounts"));
	}
	dialogue_say(e->d, false, "ATRN %s", buf_str(&list));
	buf_free(&list);
	rv = esmtp_reply(e, &f->why);
	if (rv == -1 || e->code == 250)
		return rv == -1 ? -1 : 1;
	if (e->code == 453)
		return 0;
	for (size_t i = 0; i < COUNT(refusals); i++)
		if (refusals[i].code == e->code)
			text = refusals[i].text;
	return esmtp_failed(e, text, &f->why);
}

/* --- both ways --------------------------------------------------------------------- */

/* "250 2.0.0 ID delivered", or queued; "250 2.0.0 Accepted" of what nobody gets: smtpd(8). */
static bool
is_accepted(struct span reply)
{
	struct span how = reply;

	for (size_t i = 0; i < 3; i++)
		span_cut(&how, ' ');
	return how.s != NULL ? span_is(how, "delivered") || span_is(how, "queued") : span_is(reply, "250 2.0.0 Accepted");
}

static bool
starts(struct span s, const char *with)
{
	return s.len >= strlen(with) && memcmp(s.s, with, strlen(with)) == 0;
}

static void
reply_came(struct relay *r, int code, struct span reply)
{
	r->code = code;
	if (is_accepted(reply)) {
		r->open = false;
		r->f->run->messages++;
		r->f->progress.done++;
		r->f->listener->progress(r->f->listener->arg, &r->f->progress);
	} else if (code == 354 || starts(reply, "250 2.1.")) {
		r->open = true;
	} else if (starts(reply, "250 2.0.0 OK")) {
		r->open = false;
	}
}

/* Our smtpd's replies, whatever pieces they come in: the last line of each has no "-" behind the code. */
static void
watch_replies(struct relay *r, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		struct span line;

		if (s.s[i] != '\n') {
			buf_addc(&r->line, s.s[i]);
			continue;
		}
		line = span_trim(buf_span(&r->line));
		if (line.len > 3 && line.s[3] == ' ' && ascii_digit(line.s[0]) && ascii_digit(line.s[1]) &&
		    ascii_digit(line.s[2]))
			reply_came(r, (line.s[0] - '0') * 100 + (line.s[1] - '0') * 10 + (line.s[2] - '0'), line);
		buf_reset(&r->line);
	}
}

static int
pass(struct relay *r, struct io *from, struct io *to)
{
	struct span s = io_unread(from);

	if (s.len == 0)
		return 0;
	if (from == r->provider)
		r->f->run->octets += s.len;
	else
		watch_replies(r, s);
	io_put(to, s.s, s.len);
	io_skip(from, s.len);
	return io_flush(to, r->until);
}

/* What is there now: in TLS that may be nothing at all. */
static int
read_now(struct io *io)
{
	int n = io_fill(io, deadline_in(0));

	return n == -1 && errno == ETIMEDOUT ? 1 : n;
}

/* The provider's end. Only smtpd knows whether it came at the right moment. */
static void
provider_gone(struct relay *r)
{
	(void)shutdown(r->smtpd.fd, SHUT_WR);
	r->until = deadline_earlier(r->until, deadline_in(LINGER_MS));
}

/* smtpd gives up first: it has limits of its own. */
static deadline_ms
patience(const struct relay *r)
{
	return deadline_earlier(r->until, deadline_in(((int64_t)r->f->house->conf.smtpd_timeout + 10) * 1000));
}

/* Until smtpd has ended. */
static int
relay(struct relay *r)
{
	bool gone = false;

	while (!r->smtpd.eof) {
		struct pollfd p[] = { { r->smtpd.fd, POLLIN, 0 }, { gone ? -1 : r->provider->fd, POLLIN, 0 } };
		int n;

		if (poll(p, COUNT(p), deadline_left(patience(r))) <= 0) {
			errno = proc_stopping ? EINTR : ETIMEDOUT;
			return -1;
		}
		if (p[0].revents != 0 && (read_now(&r->smtpd) == -1 || (pass(r, &r->smtpd, r->provider) == -1 && !gone)))
			return -1;
		if (p[1].revents == 0)
			continue;
		n = read_now(r->provider);
		if (n == 1 && pass(r, r->provider, &r->smtpd) == 0)
			continue;
		gone = true;
		provider_gone(r);
	}
	return 0;
}

/* Did it end as it should: with QUIT, or at least not inside a message? */
static int
ended(struct relay *r, int rv, int error)
{
	if (r->code == 0)
		return fetch_failed(r->f, "our own smtpd does not start", SPAN("see the log"));
	if (rv == 0 && r->code != 421 && !r->open)
		return 0;
	if (r->code == 421)
		return fetch_failed(r->f, "our own smtpd ended the session", SPAN("see the log"));
	return fetch_failed(r->f, "the connection broke while mail came in",
	    span_of(rv == -1 ? strerror(error) : "the server hung up"));
}

static int
turn_round(struct fetch *f)
{
	struct relay r = { .f = f, .provider = &f->d.io, .until = f->d.total, .line = BUF_INIT(LINE_MAX_OCTETS) };
	struct buf hello = BUF_INIT(64);
	int rv, error;

	io_open(&r.smtpd, f->account->smtpd_fd);
	f->account->smtpd_fd = -1;
	ip_add(&hello, &f->d.peer);
	buf_addc(&hello, '\n');
	io_put(&r.smtpd, hello.s, hello.len);
	rv = io_flush(&r.smtpd, r.until);
	if (rv == 0) /* a provider in a hurry may have sent something behind its reply */
		rv = pass(&r, r.provider, &r.smtpd);
	if (rv == 0)
		rv = relay(&r);
	error = errno;
	io_close(&r.smtpd);
	buf_free(&hello);
	buf_free(&r.line);
	return ended(&r, rv, error);
}

int
fetch_atrn(struct fetch *f)
{
	struct esmtp e;
	int rv = turn_open(f, &e);

	if (rv == 0)
		rv = ask(f, &e);
	if (rv == 1)
		rv = turn_round(f);
	else if (rv == 0)
		turn_quit(&e);
	esmtp_free(&e);
	return rv;
}
