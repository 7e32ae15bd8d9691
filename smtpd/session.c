/*
 * session: one SMTP client (RFC 5321), from greeting to good bye.
 *
 * Knows when to read, when to answer and when to end; what a command means is
 * in commands.c, what follows DATA in receive.c. Replies are collected and go
 * out when the input runs dry (RFC 2920).
 */
#include "smtpd/session.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/base/log.h"
#include "lib/net/proxy.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"

void
session_prepare(struct smtpd *d)
{
	d->full_dir = instance_path(d->instance.state, "full");
	d->gauge_path = instance_path(d->instance.run, "gauge");
	submit_init(&d->submit, instance_path(d->instance.run, "submit"));
	secure_init(&d->secure, instance_path(d->instance.run, "tls"));
	callout_init(&d->callout, instance_path(d->instance.run, "callout"));
	auth_init(&d->auth, instance_path(d->instance.run, "auth"));
	io_open(&d->io, -1);
	d->arena = arena_new();
	d->kept = arena_new();
	buf_init(&d->text, 64 * 1024);
	d->block = mem_grow(NULL, BLOCK_OCTETS, 1); /* what nobody writes to costs nothing */
}

deadline_ms
session_deadline(const struct session *s)
{
	return deadline_earlier(deadline_in((int64_t)s->d->conf.smtpd_timeout * 1000), s->end);
}

const char *
session_keep_text(struct session *s)
{
	return arena_dupn(s->d->arena, buf_str(&s->d->text), s->d->text.len);
}

const char *
session_keep_address(struct session *s, const struct path *path)
{
	buf_reset(&s->d->text);
	path_canonical(path, &s->d->text);
	return session_keep_text(s);
}

void
session_reset(struct session *s)
{
	if (s->reception.begun)
		submit_abort(&s->d->submit); /* a message that stopped between two chunks */
	if (s->d->content.begun)
		(void)content_end(&s->d->content);
	if (s->d->milters != NULL)
		milters_abort(s);
	rcpts_reset(&s->d->rcpts);
	arena_reset(s->d->arena);
	memset(&s->tx, 0, sizeof(s->tx));
	s->reception.begun = false;
}

static void
log_reject(struct session *s, const struct reply *r)
{
	buf_reset(&s->d->text);
	buf_addf(&s->d->text, "%d %s %s", r->code, r->enhanced, r->text);
	log_event(EV_SMTPD_REJECT, LS("client", s->client), LS("service", s->conn->service), LS("helo", s->helo),
	    LS("command", s->verb), LS("sender", s->tx.sender == NULL ? "" : s->tx.sender),
	    LS("rcpt", s->rcpt == NULL ? "" : s->rcpt), LSPAN("reply", buf_span(&s->d->text)));
}

bool
session_of_stranger(const struct session *s)
{
	return !session_ours(s) && !s->odmr;
}

bool
session_hurried(const struct session *s)
{
	return session_of_stranger(s) && gate_crowded();
}

deadline_ms
session_slice(const struct session *s, deadline_ms until)
{
	return session_of_stranger(s) ? deadline_earlier(until, deadline_in(HURRY_MS)) : until;
}

#define IDLE_COMMANDS 100 /* NOOP, RSET and the like between messages; each more is an error */
#define IDLE_HURRIED 10
#define PAUSE_MS 1000     /* before the answer to an error, once a stranger has made half of those it may */

static void
pause_before_answer(struct session *s)
{
	deadline_ms until = deadline_in(PAUSE_MS);

	(void)!io_flush(&s->d->io, session_deadline(s)); /* what was earned before comes at once */
	while (!deadline_over(until) && !proc_stopping)
		(void)!poll(NULL, 0, deadline_left(until));
}

/* 421 ends a session whatever it was the answer to (RFC 5321, 3.8). */
static void
answer(struct session *s, struct reply r)
{
	struct io *io = &s->d->io;
	uint64_t most = s->d->conf.smtpd_errors;
	bool hurried = session_hurried(s);

	if (r.code >= 500 || s->idle > (hurried ? IDLE_HURRIED : IDLE_COMMANDS)) {
		s->errors++;
		if (s->errors > (hurried ? (most + 3) / 4 : most)) {
			r = reply_say(SAY_TOO_MANY_ERRORS, NULL);
			s->why = "errors";
		} else if (s->errors > (most + 1) / 2 && session_of_stranger(s) && !hurried) {
			pause_before_answer(s);
		}
	}
	reply_format(&r, &io->out);
	if (r.code >= 400)
		log_reject(s, &r);
	if (r.code == 421)
		s->state = GONE;
}

static void
end(struct session *s, enum said said, const char *why)
{
	s->why = why;
	s->state = GONE;
	if (said != SAY_COUNT) {
		struct reply r = reply_say(said, NULL);

		reply_format(&r, &s->d->io.out);
	}
}

static bool
between_transactions(const struct session *s)
{
	return (s->state & (START | READY)) != 0;
}

#define STOPPING_MS 6000 /* for a transaction to end once SIGTERM came; less than the gate's grace */

void
session_interrupted(struct session *s)
{
	if (proc_stopping && !s->stopping) {
		s->stopping = true;
		s->end = deadline_earlier(s->end, deadline_in(STOPPING_MS));
	}
}

/* A device may end its lines by LF alone. */
static enum line
next_line(struct session *s, struct span *line)
{
	struct io *io = &s->d->io;
	deadline_ms until = session_deadline(s);
	enum line got;

	if (!is_device(s)) {
		do
			got = io_line(io, LIMIT_SMTP_AUTH - 2, session_slice(s, until), line);
		while (got == LINE_TIMEOUT && !deadline_over(until) && !session_hurried(s));
		return got;
	}
	got = io_line_lenient(io, LIMIT_SMTP_AUTH - 2, until, line);
	if (got == LINE_OK && (memchr(line->s, '\r', line->len) != NULL || memchr(line->s, '\0', line->len) != NULL))
		return LINE_BARE;
	return got;
}

/* SIGTERM ends the wait for a new transaction; in one the client may go on for a while. */
static enum line
read_line(struct session *s, struct span *line)
{
	enum line got;

	if (proc_stopping && between_transactions(s) && io_unread(&s->d->io).len == 0)
		return LINE_ERROR;
	for (;;) {
		got = next_line(s, line);
		if (got != LINE_ERROR || errno != EINTR)
			return got;
		session_interrupted(s);
		if (s->stopping && between_transactions(s))
			return LINE_ERROR;
	}
}

static void
command(struct session *s, struct span line)
{
	struct reply r = command_run(s, line);

	if (r.code != 0) /* BDAT is answered behind its octets */
		answer(s, r);
}

/* A balancer that nobody has named. */
static void
refuse_header(struct session *s)
{
	log_event(EV_SMTPD_REFUSED, LS("client", s->client), LS("service", s->conn->service), LN("code", 554),
	    LS("reason", "a PROXY header from a host that neither proxy_from nor access names"));
	end(s, SAY_PROXY, "refused");
}

static void
step(struct session *s)
{
	struct span line;

	s->verb = "";
	s->rcpt = NULL;
	switch (read_line(s, &line)) {
	case LINE_OK:
		if (s->state == START && proxy_begins_with(line, io_unread(&s->d->io)))
			refuse_header(s);
		else
			command(s, line);
		return;
	case LINE_LONG:
		s->state = s->state == SASL ? READY : s->state;
		answer(s, reply_say(SAY_TOO_LONG, NULL));
		return;
	case LINE_BARE:
		answer(s, reply_say(SAY_BARE_COMMAND, NULL));
		return;
	case LINE_TIMEOUT:
		end(s, s->stopping ? SAY_STOPPING : SAY_TIMEOUT, s->stopping ? "stopping" : "timeout");
		return;
	case LINE_EOF:
		end(s, SAY_COUNT, "eof");
		return;
	case LINE_ERROR:
		if (proc_stopping)
			end(s, SAY_STOPPING, "stopping");
		else
			end(s, SAY_COUNT, strerror(errno));
		return;
	}
}

/* LMTP: an answer for each recipient that was taken, in their order (RFC 2033, 4.2 and 4.3); 421 ends all. */
static void
answer_message(struct session *s, struct reply r, bool whole)
{
	answer(s, r);
	for (uint64_t i = 1; whole && s->lmtp && s->state != GONE && i < s->tx.rcpts_taken; i++)
		reply_format(&r, &s->d->io.out);
}

static void
take_message(struct session *s)
{
	bool whole = !s->chunk.given || (s->chunk.wanted && s->chunk.last);
	struct reply r;

	s->verb = s->chunk.given ? "BDAT" : "DATA";
	r = s->chunk.given ? receive_chunk(s) : receive_message(s);
	s->chunk.given = false;
	if (r.code == 0)
		s->state = GONE;
	else
		answer_message(s, r, whole);
	if (s->state == READY || s->state == GONE)
		session_reset(s);
}

/* What access says of the client's certificate takes the place of what it says of its address. */
static void
believe_certificate(struct session *s)
{
	struct access a;

	if (s->facts.certificate[0] != '\0' && !s->odmr &&
	    router_certificate(&s->d->router, s->facts.certificate, s->facts.name, &a, s->d->kept))
		s->access = a;
}

#define SHAKE_MORE_MS 5000 /* tlsd has the handshake's deadline */

/* From here on the client speaks to tlsd, and tlsd to us. Nothing that was said before counts (RFC 3207, 4.2). */
static void
start_tls(struct session *s)
{
	struct smtpd *d = s->d;
	struct buf why = BUF_INIT(256);
	int fd = -1;

	if (io_flush(&d->io, session_deadline(s)) == 0) {
		fd = secure_terminate(&d->secure, d->io.fd, s->conn->service, s->client,
		    deadline_in((int64_t)d->conf.tls_handshake_timeout * 1000 + SHAKE_MORE_MS), &s->facts, &why);
		io_reuse(&d->io, fd);
	}
	s->tls = fd != -1;
	s->state = s->tls ? START : GONE;
	s->esmtp = false;
	s->helo[0] = s->user[0] = '\0';
	s->helo_no_relay = s->helo_no_local = false;
	believe_certificate(s);
	if (!s->tls)
		s->why = "no TLS";
	else if (is_device(s))
		device_begin(s);
	buf_free(&why);
}

bool
session_ours(const struct session *s)
{
	return s->access.trusted || is_device(s) || s->user[0] != '\0';
}

/* Whom access lets do nothing at all is told at once, where nobody can log in. */
static const char *
refusal(const struct session *s)
{
	if (s->access.reject != NULL)
		return s->access.reject;
	return s->access.no_local && s->access.no_relay && !s->submission ? "" : NULL;
}

struct reply
session_greeting(struct session *s)
{
	struct smtpd *d = s->d;
	const char *no;
	struct reply r;

	/* Whom we called we do not turn away; nor does it get more than anybody: recipients are our own. */
	arena_reset(d->kept);
	if (!s->odmr) {
		router_client(&d->router, &s->conn->peer, &s->access, d->kept);
		router_listener(&d->router, &s->conn->local, s->conn->local_port, &s->access, d->kept);
	}
	believe_certificate(s);
	no = refusal(s);
	if (no != NULL) {
		r = reply_say(SAY_REFUSED, no[0] == '\0' ? NULL : no);
		r.code = 554; /* RFC 5321, 3.1 */
		log_event(EV_SMTPD_REFUSED, LS("client", s->client), LN("code", r.code), LN("access", s->access.line));
		s->why = "refused";
		s->state = GONE;
		return r;
	}
	r = full_connect(s);
	if (r.code == 0)
		r = milters_connect(s);
	if (r.code != 0) {
		s->why = "refused";
		s->state = GONE;
		return r;
	}
	if (is_device(s))
		device_begin(s);
	buf_reset(&d->text);
	buf_addf(&d->text, "%s %s Posthouse", d->conf.hostname, s->lmtp ? "LMTP" : "ESMTP");
	return reply_say(SAY_GREETING, session_keep_text(s));
}

static void
greet(struct session *s)
{
	struct reply r = session_greeting(s);

	s->xclient = s->access.xclient;
	reply_format(&r, &s->d->io.out);
}

void
session_name_client(struct session *s)
{
	struct buf *text = &s->d->text;

	buf_reset(text);
	ip_add_literal(text, &s->conn->peer);
	strlcpy(s->client, buf_str(text), sizeof(s->client));
}

static void
log_connect(const struct session *s)
{
	struct buf via = BUF_INIT(64);

	if (s->conn->proxied)
		ip_add_literal(&via, &s->conn->via);
	log_detail(EV_SMTPD_CONNECT, LS("client", s->client), LS("service", s->conn->service), LS("via", buf_str(&via)));
	buf_free(&via);
}

/* A new message_size_limit holds from the next connection on; all other settings are for the next start. */
static void
refresh_limit(struct smtpd *d)
{
	const char *generation = generation_name(d->router.maps);
	char *file;
	struct conf c;

	if (strcmp(d->limit_of, generation) == 0)
		return;
	file = mem_fmt("%s/%s/posthouse.conf", d->instance.maps, generation);
	buf_reset(&d->text);
	if (access(file, R_OK) == 0) {
		if (conf_read(&c, file, &d->text) == 0)
			d->conf.message_size_limit = c.message_size_limit;
		conf_free(&c);
	}
	free(file);
	free(d->limit_of);
	d->limit_of = mem_dup(generation);
}

static void
refresh_maps(struct smtpd *d)
{
	router_refresh(&d->router);
	if (d->limit_of != NULL)
		refresh_limit(d);
	buf_reset(&d->text);
	if (content_load(&d->content, d->instance.maps, generation_name(d->router.maps), &d->text) == -1)
		log_event(EV_WARNING, LSPAN("text", buf_span(&d->text))); /* the old rules stay */
}

static void
begin(struct session *s, struct smtpd *d, struct gate_conn *conn)
{
	memset(s, 0, sizeof(*s));
	s->d = d;
	s->conn = conn;
	s->state = START;
	s->submission = strncmp(conn->service, "submission", strlen("submission")) == 0; /* submissions, too */
	s->lmtp = strcmp(conn->service, "lmtp") == 0;
	s->odmr = strcmp(conn->service, "odmr") == 0;
	s->end = deadline_in((int64_t)d->conf.smtpd_session_timeout * 1000);
	s->why = "quit";
	s->verb = "";
	session_name_client(s);
	io_reuse(&d->io, conn->fd);
	refresh_maps(d);
	log_connect(s);
}

/* The common end, one message and QUIT, has its line already: smtpd.received. */
static void
finish(struct session *s)
{
	struct smtpd *d = s->d;

	(void)!io_flush(&d->io, deadline_earlier(deadline_in(10000), session_deadline(s)));
	log_write(strcmp(s->why, "quit") == 0 && s->messages > 0 ? LOG_DETAIL : LOG_NOTICE, EV_SMTPD_DISCONNECT,
	    (const struct log_field[]){ LS("client", s->client), LS("service", s->conn->service), LS("why", s->why),
	        LN("messages", s->messages), { NULL, LOG_END, { NULL, 0 }, 0 } });
	file_close(d->io.fd);
	io_reuse(&d->io, -1);
	session_reset(s);
	arena_reset(d->kept);
	milters_quit(s);
	buf_wipe(&d->text);
	exchange_wipe(&s->exchange);
	explicit_bzero(s, sizeof(*s));
}

void
session_serve(struct smtpd *d, struct gate_conn *conn)
{
	struct session s;

	begin(&s, d, conn);
	if (strcmp(conn->service, "submissions") == 0) /* RFC 8314, 3.3 */
		start_tls(&s);
	if (s.state != GONE)
		greet(&s);
	while (s.state != GONE) {
		if (s.state == BODY)
			take_message(&s);
		else if (s.state == SHAKING)
			start_tls(&s);
		else
			step(&s);
	}
	finish(&s);
}
