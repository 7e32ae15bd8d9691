/*
 * login: the AUTHORIZATION state. Sees passwords on their way to authd and the
 * ticket on its way back; opens no mailbox. After a good login the connection
 * goes, with what was read ahead, to a process that may (spawner.c).
 */
#include "pop3d/login.h"

#include <string.h>

#include "lib/base/log.h"
#include "lib/net/proxy.h"
#include "lib/net/told.h"
#include "lib/sys/proc.h"
#include "pop3d/answer.h"
#include "pop3d/handover.h"

#define FAILURES_MAX 3
#define SHAKE_MORE_MS 5000 /* tlsd has the handshake's deadline */
#define LOGIN_WAIT_MS (60 * 1000) /* between commands; the ten minutes of RFC 1939 begin with a login */
#define LOGIN_WAITS 5 /* and as long as so many of these all in all: a process is kept from others meanwhile */

struct visitor {
	struct login *login;
	struct io io;
	char client[64];
	const char *service;
	bool tls;
	struct secure_facts facts;
	bool plaintext; /* USER and PASS are taken from here */
	bool xclient;   /* it may say for whom it speaks */
	char user[LIMIT_POP3_COMMAND + 1]; /* "": none yet */
	bool sasl;                 /* goes on: the next line is no command */
	struct exchange exchange;
	unsigned failures, errors;
	bool spoken;     /* a first line was there */
	deadline_ms end;
	const char *why; /* it ended; NULL: it goes on */
};

static bool
plaintext_allowed(const struct login *l, const struct ip *peer)
{
	struct access access = { 0 };
	struct arena *arena;

	if (l->router != NULL) {
		arena = arena_new();
		router_refresh(l->router);
		router_client(l->router, peer, &access, arena);
		arena_free(arena);
	}
	return conf_plaintext_login(l->conf, ip_loopback(peer), access.trusted);
}

static bool
refuse_plaintext(struct visitor *v)
{
	if (v->plaintext)
		return false;
	io_puts(&v->io, "-ERR [SYS/PERM] passwords are not taken over an "
	                "unencrypted connection from your address\r\n");
	v->errors++; /* who goes on trying is sent away */
	return true;
}

static void
cmd_user(void *arg, const struct words_given *given)
{
	struct visitor *v = arg;

	if (refuse_plaintext(v))
		return;
	memcpy(v->user, given->text.s, given->text.len);
	v->user[given->text.len] = '\0';
	io_puts(&v->io, "+OK\r\n");
}

static const char *
offers(struct visitor *v)
{
	return exchange_offered(&v->login->auth, v->facts.binding, "");
}

static bool
offers_tls(struct visitor *v)
{
	return !v->tls && secure_ready(&v->login->secure);
}

/* The connection goes on elsewhere: from here on it is not ours to speak on. */
static void
hand_over(struct visitor *v, const char *ticket)
{
	struct handover h = { .fd = v->io.fd, .stls = offers_tls(v), .ahead = io_unread(&v->io) };

	strlcpy(h.word, ticket, sizeof(h.word));
	strlcpy(h.client, v->client, sizeof(h.client));
	strlcpy(h.sasl, offers(v), sizeof(h.sasl));
	if (io_flush(&v->io, deadline_in(LOGIN_WAIT_MS)) == -1)
		v->why = "connection lost";
	else if (handover_send(v->login->spawner_fd, &h) == -1) {
		log_event(EV_WARNING, LS("text", "cannot hand a connection over"));
		io_puts(&v->io, "-ERR [SYS/TEMP] mailbox not available now, try again later\r\n");
		v->why = "no mailbox process";
	} else
		v->why = "handed over";
	explicit_bzero(h.word, sizeof(h.word));
}

static void
refused(struct visitor *v, enum auth_answer answer)
{
	answer_f(&v->io, "-ERR [%s] %s\r\n", answer == AUTH_NO ? "AUTH" : "SYS/TEMP",
	    v->login->auth.reason);
	v->user[0] = '\0';
	if (answer == AUTH_NO && ++v->failures >= FAILURES_MAX)
		v->why = "too many failed logins";
}

static void
check(struct visitor *v, const char *user, const char *password)
{
	char mailbox[LIMIT_ADDRESS + 1], ticket[65];
	enum auth_answer answer = auth_check(&v->login->auth, user, password, v->tls ? "pop3s" : "pop3", v->client,
	    mailbox, ticket);

	if (answer == AUTH_YES)
		hand_over(v, ticket);
	else
		refused(v, answer);
	explicit_bzero(ticket, sizeof(ticket));
}

static void
cmd_pass(void *arg, const struct words_given *given)
{
	struct visitor *v = arg;
	char password[LIMIT_POP3_COMMAND + 1];

	if (refuse_plaintext(v))
		return;
	if (v->user[0] == '\0') {
		io_puts(&v->io, "-ERR USER comes first\r\n");
		return;
	}
	memcpy(password, given->text.s, given->text.len);
	password[given->text.len] = '\0';
	check(v, v->user, password);
	explicit_bzero(password, sizeof(password));
}

/* RFC 5034, 4. */
static void
sasl_step(struct visitor *v, enum exchange_step step)
{
	struct exchange *x = &v->exchange;

	v->sasl = step == EXCHANGE_MORE;
	switch (step) {
	case EXCHANGE_MORE:
		answer_f(&v->io, "+ %s\r\n", x->challenge);
		return;
	case EXCHANGE_YES:
		hand_over(v, x->ticket);
		break;
	case EXCHANGE_NO:
		refused(v, AUTH_NO);
		break;
	case EXCHANGE_LATER:
		refused(v, AUTH_LATER);
		break;
	case EXCHANGE_CANCELLED:
		io_puts(&v->io, "-ERR cancelled\r\n");
		break;
	case EXCHANGE_UNKNOWN:
		io_puts(&v->io, "-ERR no such mechanism here\r\n");
		break;
	case EXCHANGE_MALFORMED:
		io_puts(&v->io, "-ERR not what this mechanism wants, in base64\r\n");
		break;
	}
	exchange_wipe(x);
}

static void
cmd_auth(void *arg, const struct words_given *given)
{
	struct visitor *v = arg;
	struct span initial = given->text, mechanism = span_cut(&initial, ' ');

	if (!refuse_plaintext(v))
		sasl_step(v, exchange_begin(&v->exchange, &v->login->auth, v->tls ? "pop3s" : "pop3", v->client,
		    v->facts.binding, "", mechanism, initial));
}

/* Behind a "+ ": no command, and longer ones than commands are. */
static const char *
next_of_sasl(struct visitor *v, int64_t wait_ms)
{
	struct span line;
	const char *over = answer_line(&v->io, LIMIT_SMTP_AUTH, wait_ms, &v->errors, &line);

	if (over == NULL && line.s != NULL)
		sasl_step(v, exchange_feed(&v->exchange, line));
	else
		v->sasl = false;
	return over;
}

static void
cmd_capa(void *arg, const struct words_given *given)
{
	struct visitor *v = arg;

	(void)given;
	answer_capa(&v->io, &(struct capa){
		.sasl = v->plaintext ? offers(v) : NULL, .stls = offers_tls(v),
		.login_delay_s = v->login->conf->pop3d_login_delay });
}

static void
cmd_lang(void *arg, const struct words_given *given)
{
	struct visitor *v = arg;

	answer_lang(&v->io, given->text);
}

/* RFC 6856, 2: names and headers may be UTF-8 from here on. They are octets to us before, too. */
static void
cmd_utf8(void *arg, const struct words_given *given)
{
	struct visitor *v = arg;

	(void)given;
	io_puts(&v->io, "+OK\r\n");
}

/* From here on the client speaks to tlsd, and tlsd to us. */
static void
start_tls(struct visitor *v)
{
	struct buf why = BUF_INIT(256);
	int fd = secure_terminate(&v->login->secure, v->io.fd, v->service, v->client,
	    deadline_in((int64_t)v->login->conf->tls_handshake_timeout * 1000 + SHAKE_MORE_MS), &v->facts, &why);

	io_reuse(&v->io, fd);
	v->tls = fd != -1;
	if (v->tls)
		v->plaintext = true; /* not any more, that is */
	else
		v->why = "no TLS";
	v->user[0] = '\0'; /* RFC 2595, 4: nothing from before counts */
	buf_free(&why);
}

/* RFC 2595, 4. What came with the command in one breath was said by somebody on the way, perhaps. */
static void
cmd_stls(void *arg, const struct words_given *given)
{
	struct visitor *v = arg;

	(void)given;
	if (v->tls)
		io_puts(&v->io, "-ERR TLS is there already\r\n");
	else if (io_unread(&v->io).len > 0) {
		io_puts(&v->io, "-ERR nothing may follow STLS before its answer\r\n");
		v->why = "more than STLS was said in the clear";
	} else if (!secure_wanted(&v->login->secure))
		io_puts(&v->io, "-ERR [SYS/TEMP] TLS not available now\r\n");
	else {
		io_puts(&v->io, "+OK\r\n");
		if (io_flush(&v->io, deadline_in(LOGIN_WAIT_MS)) == 0)
			start_tls(v);
		else
			v->why = "connection lost";
	}
}

static void
name_client(struct visitor *v, const struct ip *peer)
{
	struct buf client = BUF_INIT(sizeof(v->client) - 1);

	ip_add(&client, peer);
	strlcpy(v->client, buf_str(&client), sizeof(v->client));
	buf_free(&client);
	v->plaintext = v->tls || plaintext_allowed(v->login, peer);
}

/* As Dovecot's proxies say it. Nothing from before counts; who somebody is, passwords tell. */
static void
cmd_xclient(void *arg, const struct words_given *given)
{
	struct visitor *v = arg;
	struct told told;

	if (!v->xclient) {
		io_puts(&v->io, "-ERR [SYS/PERM] you may not say whom you speak for\r\n");
		v->errors++;
	} else if (!told_parse(given->text, &told))
		io_puts(&v->io, "-ERR syntax: XCLIENT ADDR=address PORT=port\r\n");
	else {
		v->user[0] = '\0';
		if (told.has_addr)
			name_client(v, &told.addr);
		io_puts(&v->io, "+OK\r\n");
	}
}

static void
cmd_quit(void *arg, const struct words_given *given)
{
	struct visitor *v = arg;

	(void)given;
	io_puts(&v->io, "+OK\r\n");
	v->why = "quit";
}

// clang-format off
static const struct command commands[] = {
	{ "USER", ARGS_TEXT, cmd_user },
	{ "PASS", ARGS_TEXT, cmd_pass },
	{ "AUTH", ARGS_TEXT, cmd_auth },
	{ "CAPA", ARGS_NONE, cmd_capa },
	{ "STLS", ARGS_NONE, cmd_stls },
	{ "UTF8", ARGS_NONE, cmd_utf8 },
	{ "LANG", ARGS_WORD, cmd_lang },
	{ "XCLIENT", ARGS_TEXT, cmd_xclient },
	{ "QUIT", ARGS_NONE, cmd_quit },
	{ NULL,   ARGS_NONE, NULL },
};
// clang-format on

static void
refuse_header(struct visitor *v)
{
	log_event(EV_POP3_REFUSED, LS("client", v->client), LS("limit", ""),
	    LS("reason", "a PROXY header from a host that neither proxy_from nor access names"));
	io_puts(&v->io, "-ERR [SYS/PERM] no PROXY header is expected from this address\r\n");
	v->why = "refused";
}

/* NULL: go on; else why it is over. */
static const char *
next_command(struct visitor *v, int64_t wait_ms)
{
	struct span line;
	const char *over = answer_line(&v->io, LIMIT_POP3_COMMAND, wait_ms, &v->errors, &line);
	bool first = !v->spoken;

	if (over != NULL || line.s == NULL)
		return over;
	v->spoken = true;
	if (!first || !proxy_begins_with(line, io_unread(&v->io)))
		return answer_command(&v->io, commands, v, &v->errors, line);
	refuse_header(v);
	return NULL;
}

/* The same; not behind the end of the time that a login may take, whatever there is to read. */
static const char *
next_line(struct visitor *v, int64_t wait_ms)
{
	int64_t left_ms = deadline_left(v->end);

	if (left_ms == 0)
		return "timeout";
	if (wait_ms > left_ms)
		wait_ms = left_ms;
	return v->sasl ? next_of_sasl(v, wait_ms) : next_command(v, wait_ms);
}

void
login_serve(struct login *l, const struct gate_conn *conn)
{
	struct visitor v = { .login = l };
	int64_t wait_ms = (int64_t)l->conf->pop3d_timeout * 1000;

	if (wait_ms > LOGIN_WAIT_MS)
		wait_ms = LOGIN_WAIT_MS;
	v.end = deadline_in(wait_ms * LOGIN_WAITS);
	io_open(&v.io, conn->fd);
	v.service = conn->service;
	v.xclient = conn->xclient;
	name_client(&v, &conn->peer);
	if (strcmp(v.service, "pop3s") == 0) /* RFC 8314, 3.2 */
		start_tls(&v);
	if (v.why == NULL)
		answer_f(&v.io, "+OK %s%s POP3\r\n", v.xclient ? "[XCLIENT] " : "", l->conf->hostname);
	while (v.why == NULL) {
		const char *over = next_line(&v, wait_ms);

		if (v.why == NULL)
			v.why = over;
	}
	if (strcmp(v.why, "handed over") != 0) {
		(void)!io_flush(&v.io, deadline_in(LOGIN_WAIT_MS));
		log_detail(EV_POP3_DISCONNECT, LS("client", v.client), LS("why", v.why));
	}
	io_close(&v.io);
	exchange_wipe(&v.exchange);
	explicit_bzero(&v, sizeof(v));
}
