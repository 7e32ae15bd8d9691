/*
 * smtp: the client's side of SMTP with one server (RFC 5321; RFC 2920
 * pipelining, 1870 SIZE, 3207 STARTTLS, 6152 8BITMIME, 6531 SMTPUTF8, 3461 DSN, 8689 REQUIRETLS).
 *
 * Knows the dialogue and what each reply means for each recipient. Does not
 * know which server comes next (remote.c), nor queues.
 *
 * What a server says is hostile: bounded by net/dialogue, made printable here
 * before it goes anywhere.
 */
#include "deliver/smtp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deliver/encode.h"
#include "lib/base/ascii.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/mail/xtext.h"

#define MINUTES(n) ((int64_t)(n) * 60 * 1000)
#define REPLY_MAX 8192         /* octets of one reply that are kept */
#define BATCH 100              /* recipients that are pipelined before their replies are read */
#define CHUNK 65536            /* octets of the message that are read at once */
/* What a whole transaction may take, whatever each wait may: queued believes in no
 * job that is older than two hours. */
#define ENVELOPE_MS MINUTES(20)
#define BODY_LEAST_MS MINUTES(10)
#define BODY_MOST_MS MINUTES(60)
#define SLOWEST_OCTETS_MS 1    /* between these: 1000 octets a second */
#define QUIT_WAIT_MS 2000

void
smtp_init(struct smtp *s, const struct smtp_limits *limits)
{
	memset(s, 0, sizeof(*s));
	dialogue_init(&s->d);
	esmtp_init(&s->e, &s->d, limits->helo, limits->command_ms);
	s->e.helo_too = true;
	s->limits = limits;
	buf_init(&s->why, REPLY_MAX);
}

void
smtp_free(struct smtp *s)
{
	dialogue_close(&s->d);
	esmtp_free(&s->e);
	buf_free(&s->why);
}

static void
hang_up(struct smtp *s)
{
	dialogue_close(&s->d);
	dialogue_init(&s->d);
	s->open = s->reset_due = s->promised = false;
}

/* --- replies ---------------------------------------------------------------- */

struct answer {
	int code; /* 0: none came */
	char enhanced[12];
	struct buf text; /* printable, on one line, without the enhanced code */
};

/* What a stranger wrote, fit for a log, a notification and a terminal. */
static void
clean(struct buf *text)
{
	size_t i;

	for (i = 0; i < text->len; i++)
		if (text->s[i] == '\n' || text->s[i] == '\t')
			text->s[i] = ' ';
		else if (!ascii_print((unsigned char)text->s[i]))
			text->s[i] = '?';
}

static void
take_enhanced(struct answer *a)
{
	size_t n;

	reply_enhanced(buf_span(&a->text), a->code, a->enhanced);
	n = strlen(a->enhanced);
	if (n > 0)
		buf_drop(&a->text, n < a->text.len ? n + 1 : n);
}

/* Nobody said it. */
static void
own_words(struct answer *a, const char *enhanced, const char *text)
{
	a->code = 0;
	strlcpy(a->enhanced, enhanced, sizeof(a->enhanced));
	buf_reset(&a->text);
	buf_adds(&a->text, text);
}

/* 0; -1: the connection is of no use any more, and a->text says why. */
static int
await(struct smtp *s, struct answer *a, int64_t wait_ms)
{
	deadline_ms until = deadline_in(wait_ms);
	struct buf why = BUF_INIT(512);
	int rv;

	buf_reset(&a->text);
	a->enhanced[0] = '\0';
	do {
		buf_reset(&why);
		rv = dialogue_smtp_reply(&s->d, &a->code, &a->text, until, &why);
	} while (rv == -1 && errno == EINTR && s->owing);
	if (rv == -1) {
		own_words(a, "4.4.2", buf_str(&why));
	} else {
		take_enhanced(a);
	}
	clean(&a->text);
	buf_free(&why);
	return rv;
}

static void
answer_free(struct answer *a)
{
	buf_free(&a->text);
}

#define ANSWER { 0, "", BUF_INIT(REPLY_MAX) }

/* Keep it as the reason for going elsewhere. */
static enum smtp_result
because(struct smtp *s, const struct answer *a)
{
	s->code = a->code;
	strlcpy(s->enhanced, a->enhanced, sizeof(s->enhanced));
	buf_reset(&s->why);
	buf_addspan(&s->why, buf_span(&a->text));
	return a->code >= 500 ? SMTP_REFUSED : SMTP_NEXT;
}

/* --- opening ---------------------------------------------------------------- */

/* What EHLO offered, anew with each EHLO: what was said in the clear is forgotten under TLS. */
static void
take_offers(struct smtp *s)
{
	struct span limit = { "", 0 };
	uint64_t n;

	s->pipelining = esmtp_offers(&s->e, "PIPELINING", NULL);
	s->eightbit = esmtp_offers(&s->e, "8BITMIME", NULL);
	s->smtputf8 = esmtp_offers(&s->e, "SMTPUTF8", NULL);
	s->dsn = esmtp_offers(&s->e, "DSN", NULL);
	s->has_size = esmtp_offers(&s->e, "SIZE", &limit);
	s->size_limit = num_parse(limit, INT64_MAX, &n) == 0 ? n : 0;
}

/* The opening has failed: in the server's words, when it said something. */
static enum smtp_result
not_opened(struct smtp *s, struct answer *a, const struct buf *why)
{
	enum smtp_result result;

	a->code = s->e.code;
	buf_reset(&a->text);
	buf_addspan(&a->text, buf_span(&s->e.text));
	if (a->code == 0)
		own_words(a, "4.4.2", buf_str(why));
	else if (a->code < 400)
		own_words(a, "4.5.0", "the server's answers make no sense");
	else
		take_enhanced(a);
	clean(&a->text);
	result = because(s, a);
	smtp_quit(s);
	return result;
}

static bool
has_tls(const struct smtp *s)
{
	return s->d.io.via.state != NULL;
}

static void
log_fallback(const struct smtp *s, const char *reason)
{
	log_event(EV_REMOTE_TLS, LS("host", s->host), LS("reason", reason), LS("so", "in the clear"));
}

/*
 * TLS, if the server has it: with anybody, since without it everybody could listen (RFC 7435). A server that takes the
 * command back is spoken to in the clear at once; *again: this connection is of no use any more, another one without TLS may be.
 */
static enum smtp_result
try_tls(struct smtp *s, struct answer *a, bool *again)
{
	const struct tls_peer peer = { .host = s->name, .unverified = true };
	struct buf why = BUF_INIT(1024);
	enum smtp_result result = SMTP_OK;

	if (s->limits->no_tls || !esmtp_offers(&s->e, "STARTTLS", NULL))
		return SMTP_OK;
	if (esmtp_starttls(&s->e, &peer, &why) == 0) {
		take_offers(s);
	} else if (has_tls(s)) {
		result = not_opened(s, a, &why);
	} else {
		log_fallback(s, buf_str(&why));
		*again = s->e.code == 0 || s->e.code == 220;
	}
	buf_free(&why);
	return result;
}

/* Not the server's words, but for this message its last. */
static enum smtp_result
falls_short(struct smtp *s, struct answer *a, const char *enhanced, const char *text)
{
	own_words(a, enhanced, text);
	buf_addf(&a->text, " by %s", s->host);
	clean(&a->text);
	(void)because(s, a);
	s->open = true;
	smtp_quit(s); /* RFC 8689, 4.2.1 */
	return SMTP_REFUSED;
}

/* What a handshake that came to nothing means: the server cannot be spoken to now, or not as the sender wants it. */
static enum smtp_result
no_handshake(struct smtp *s, struct answer *a, int error, const struct buf *why)
{
	if (s->e.code < 400 && error != EACCES && error != EPROTO)
		s->e.code = 0; /* 220 was not its last word */
	if (s->e.code >= 400 || s->e.code == 0)
		return not_opened(s, a, why);
	own_words(a, "5.7.10", buf_str(why));
	clean(&a->text);
	(void)because(s, a);
	hang_up(s);
	return SMTP_REFUSED;
}

/* TLS with the host that we mean (its certificate names it, RFC 6125), which passes the message on likewise. */
static enum smtp_result
require_tls(struct smtp *s, struct answer *a)
{
	const struct tls_peer peer = { .host = s->name, .ca_file = s->limits->ca };
	struct buf why = BUF_INIT(1024);
	enum smtp_result result = SMTP_OK;

	if (!esmtp_offers(&s->e, "STARTTLS", NULL)) {
		result = falls_short(s, a, "5.7.10", "Encryption needed: the message requires TLS, which is not offered");
	} else if (esmtp_starttls(&s->e, &peer, &why) == -1) {
		result = no_handshake(s, a, errno, &why);
	} else if (!esmtp_offers(&s->e, "REQUIRETLS", NULL)) {
		result = falls_short(s, a, "5.7.30", "REQUIRETLS support required, which is not offered");
	} else {
		take_offers(s);
		s->promised = true;
	}
	buf_free(&why);
	return result;
}

enum tls_wish { IN_THE_CLEAR, IF_POSSIBLE, PROMISED };

static enum smtp_result
open_once(struct smtp *s, const struct ip *ip, uint16_t port, enum tls_wish tls, bool *again)
{
	struct answer a = ANSWER;
	struct buf why = BUF_INIT(1024);
	enum smtp_result result = SMTP_OK;

	hang_up(s);
	*again = false;
	if (dialogue_connect(&s->d, ip, port, s->host, NULL, deadline_in(s->limits->connect_ms), &a.text) == -1) {
		strlcpy(a.enhanced, "4.4.1", sizeof(a.enhanced));
		result = because(s, &a);
	} else if (esmtp_greet(&s->e, &why) == -1) {
		result = not_opened(s, &a, &why);
	} else {
		take_offers(s);
		if (tls == PROMISED)
			result = require_tls(s, &a);
		else if (tls == IF_POSSIBLE)
			result = try_tls(s, &a, again);
	}
	answer_free(&a);
	buf_free(&why);
	return result;
}

/* As certificates and SNI have it: an address without brackets. */
static void
name_host(struct smtp *s, const struct ip *ip, const char *host)
{
	struct buf name = BUF_INIT(sizeof(s->name) - 1);

	strlcpy(s->host, host, sizeof(s->host));
	if (host[0] == '[')
		ip_add(&name, ip);
	else
		buf_adds(&name, host);
	strlcpy(s->name, buf_str(&name), sizeof(s->name));
	buf_free(&name);
}

enum smtp_result
smtp_open(struct smtp *s, const struct ip *ip, uint16_t port, const char *host, bool promised)
{
	enum smtp_result result;
	bool again;

	name_host(s, ip, host);
	result = open_once(s, ip, port, promised ? PROMISED : IF_POSSIBLE, &again);
	if (again)
		result = open_once(s, ip, port, IN_THE_CLEAR, &again);
	s->open = result == SMTP_OK;
	s->sent = 0;
	s->born = deadline_in(0);
	return result;
}

void
smtp_quit(struct smtp *s)
{
	struct answer a = ANSWER;

	if (s->open) {
		dialogue_say(&s->d, false, "QUIT");
		(void)await(s, &a, QUIT_WAIT_MS);
	}
	answer_free(&a);
	hang_up(s);
}

/* --- outcomes --------------------------------------------------------------- */

static void
outcome(struct job *j, struct job_rcpt *r, const struct answer *a)
{
	job_outcome(j, r, reply_outcome(a->code), a->code, a->enhanced,
	    buf_span(&a->text));
}

static void
outcome_for_rest(struct job *j, const struct answer *a)
{
	size_t i;

	for (i = 0; i < j->rcpt_count; i++)
		outcome(j, &j->rcpts[i], a);
}

static void
fail_rest(struct job *j, const char *enhanced, const char *text)
{
	size_t i;

	for (i = 0; i < j->rcpt_count; i++)
		job_outcome(j, &j->rcpts[i], FAILED, 0, enhanced,
		    span_of(text));
}

static size_t
left(const struct job *j)
{
	size_t n = 0, i;

	for (i = 0; i < j->rcpt_count; i++)
		n += !j->rcpts[i].done;
	return n;
}

/* --- what the server must be able to do -------------------------------------- */

static bool
has_8bit(const struct job *j)
{
	off_t at = (off_t)j->head_octets;
	char piece[16384];
	ssize_t n, i;

	while ((n = pread(j->msg_fd, piece, sizeof(piece), at)) > 0) {
		for (i = 0; i < n; i++)
			if ((unsigned char)piece[i] > 0x7f)
				return true;
		at += n;
	}
	return false;
}

/* As SIZE counts (RFC 1870, 3): with CRLF. The lines for mailboxes only have
 * a CR each that is counted here too: an estimate may be large. */
static uint64_t
wire_size(const struct job *j)
{
	return j->wire_octets > j->head_octets ? j->wire_octets - j->head_octets
	                                       : 0;
}

/*
 * Can this server take this message at all? What was declared 8BITMIME goes to
 * nobody who did not offer it (RFC 6152, 3), unless it is 7 bits after all;
 * what came in undeclared leaves undeclared.
 */
static bool
able(struct smtp *s, struct job *j)
{
	struct buf text = BUF_INIT(512);

	if (j->smtputf8 && !s->smtputf8)
		buf_addf(&text, "%s does not take internationalized addresses "
		                "(SMTPUTF8)", s->host);
	if (text.len > 0)
		fail_rest(j, "5.6.7", buf_str(&text));
	else if (j->body_8bit && !s->eightbit && has_8bit(j)) {
		buf_addf(&text, "%s does not take 8-bit content (8BITMIME)",
		    s->host);
		fail_rest(j, "5.6.3", buf_str(&text));
	} else if (s->size_limit > 0 && wire_size(j) > s->size_limit) {
		buf_addf(&text, "the message has %llu octets, %s takes %llu",
		    (unsigned long long)wire_size(j), s->host,
		    (unsigned long long)s->size_limit);
		fail_rest(j, "5.3.4", buf_str(&text));
	}
	buf_free(&text);
	return left(j) > 0;
}

/* --- envelope --------------------------------------------------------------- */

static void
say_mail(struct smtp *s, const struct job *j)
{
	struct buf line = BUF_INIT(2 * LIMIT_SMTP_COMMAND);

	buf_addf(&line, "MAIL FROM:<%s>", j->sender);
	if (s->has_size)
		buf_addf(&line, " SIZE=%llu", (unsigned long long)wire_size(j));
	if (j->body_8bit && s->eightbit)
		buf_adds(&line, " BODY=8BITMIME");
	if (j->smtputf8)
		buf_adds(&line, " SMTPUTF8");
	if (j->requiretls && s->promised)
		buf_adds(&line, " REQUIRETLS");
	if (s->dsn && (strcmp(j->ret, "FULL") == 0 || strcmp(j->ret, "HDRS") == 0))
		buf_addf(&line, " RET=%s", j->ret);
	if (s->dsn && *j->envid != '\0') {
		buf_adds(&line, " ENVID=");
		xtext_add(&line, j->envid);
	}
	dialogue_say(&s->d, false, "%s", buf_str(&line));
	buf_free(&line);
}

static void
say_rcpt(struct smtp *s, const struct job_rcpt *r)
{
	struct buf line = BUF_INIT(2 * LIMIT_SMTP_COMMAND);
	const char *semicolon = strchr(r->orcpt, ';');
	bool notify = strcmp(r->notify, "-") != 0 &&
	    strspn(r->notify, "ACDEFILNRSUVY,") == strlen(r->notify);

	buf_addf(&line, "RCPT TO:<%s>", r->address);
	if (s->dsn && notify && *r->notify != '\0')
		buf_addf(&line, " NOTIFY=%s", r->notify);
	if (s->dsn && semicolon != NULL) {
		buf_adds(&line, " ORCPT=");
		buf_add(&line, r->orcpt, (size_t)(semicolon - r->orcpt) + 1);
		xtext_add(&line, semicolon + 1);
	}
	dialogue_say(&s->d, false, "%s", buf_str(&line));
	buf_free(&line);
}

/* --- one transaction ---------------------------------------------------------- */

struct transaction {
	struct smtp *s;
	struct job *j;
	size_t next;      /* the first recipient that was not asked for yet */
	size_t taken;     /* recipients the server said yes to */
	bool *yes;        /* which; one for each recipient of the job */
	bool reset_asked, mail_asked, mail_known, mail_taken, data_asked;
	struct answer a;
};

/* Ask for recipients [from, to), and before or behind them what belongs into
 * the same segment. */
static void
say_batch(struct transaction *t, size_t from, size_t to, bool last)
{
	struct smtp *s = t->s;
	size_t i;

	if (!t->mail_asked) {
		t->reset_asked = s->reset_due;
		if (s->reset_due)
			dialogue_say(&s->d, false, "RSET");
		say_mail(s, t->j);
		t->mail_asked = true;
	}
	for (i = from; i < to; i++)
		if (!t->j->rcpts[i].done)
			say_rcpt(s, &t->j->rcpts[i]);
	if (last) {
		dialogue_say(&s->d, false, "DATA");
		t->data_asked = true;
	}
}

static int
read_answer(struct transaction *t, int64_t wait_ms)
{
	int64_t ms = t->s->limits->command_ms;

	return await(t->s, &t->a, wait_ms < ms ? wait_ms : ms);
}

/* The replies to RSET and MAIL. */
static int
read_mail(struct transaction *t)
{
	t->mail_known = true;
	if (t->reset_asked && read_answer(t, MINUTES(5)) == -1)
		return -1;
	t->s->reset_due = true; /* from MAIL on there is something to reset */
	if (read_answer(t, MINUTES(5)) == -1 || t->a.code == 421)
		return -1;
	t->mail_taken = t->a.code / 100 == 2;
	if (!t->mail_taken)
		outcome_for_rest(t->j, &t->a);
	return 0;
}

static int
read_rcpt(struct transaction *t, size_t i)
{
	if (read_answer(t, MINUTES(5)) == -1 || t->a.code == 421)
		return -1;
	if (t->mail_taken && t->a.code / 100 == 2) {
		t->yes[i] = true;
		t->taken++;
	} else if (t->mail_taken)
		outcome(t->j, &t->j->rcpts[i], &t->a);
	return 0;
}

/* Everything in front of the message, pipelined. asked[] is who was asked:
 * an outcome may come in between. */
static int
envelope_pipelined(struct transaction *t, bool *asked)
{
	size_t to, i;

	while (t->next < t->j->rcpt_count) {
		to = t->next + BATCH < t->j->rcpt_count ? t->next + BATCH
		                                        : t->j->rcpt_count;
		for (i = t->next; i < to; i++)
			asked[i] = !t->j->rcpts[i].done;
		say_batch(t, t->next, to, to == t->j->rcpt_count);
		if (!t->mail_known && read_mail(t) == -1)
			return -1;
		for (i = t->next; i < to; i++)
			if (asked[i] && read_rcpt(t, i) == -1)
				return -1;
		t->next = to;
		if (!t->mail_taken)
			break;
	}
	return 0;
}

static int
envelope_stepwise(struct transaction *t)
{
	size_t i;

	if (t->s->reset_due) {
		dialogue_say(&t->s->d, false, "RSET");
		if (read_answer(t, MINUTES(5)) == -1)
			return -1;
		t->s->reset_due = false;
	}
	say_batch(t, 0, 0, false);
	if (read_mail(t) == -1)
		return -1;
	for (i = 0; i < t->j->rcpt_count && t->mail_taken; i++) {
		if (t->j->rcpts[i].done)
			continue;
		say_rcpt(t->s, &t->j->rcpts[i]);
		if (read_rcpt(t, i) == -1)
			return -1;
	}
	if (t->taken > 0) {
		dialogue_say(&t->s->d, false, "DATA");
		t->data_asked = true;
	}
	return 0;
}

/* The message, behind 354. 0; -1: it could not be sent, or not be read (then
 * *ours says so). */
static int
send_message(struct transaction *t, bool *ours)
{
	struct smtp *s = t->s;
	struct encode e = { false, false };
	struct buf out = BUF_INIT(2 * CHUNK + 16);
	off_t at = (off_t)t->j->head_octets;
	int64_t block_ms = s->limits->command_ms;
	char *piece = mem_grow(NULL, CHUNK, 1);
	bool last;
	ssize_t n;
	int rv;

	if (block_ms > MINUTES(3))
		block_ms = MINUTES(3);
	s->d.total = deadline_earlier(deadline_in(BODY_MOST_MS),
	    deadline_in(BODY_LEAST_MS +
	        (int64_t)wire_size(t->j) * SLOWEST_OCTETS_MS));
	do {
		n = pread(t->j->msg_fd, piece, CHUNK, at);
		buf_reset(&out);
		if (n > 0)
			encode_add(&e, (struct span){ piece, (size_t)n }, &out);
		at += n > 0 ? n : 0;
		last = n == 0 || (n > 0 && at >= (off_t)t->j->octets);
		if (last) /* the end goes along with the last octets */
			encode_end(&e, &out);
		rv = n == -1 ? -1 : io_send(&s->d.io,
		    &(struct iovec){ out.s, out.len }, 1,
		    deadline_earlier(deadline_in(block_ms), s->d.total));
	} while (rv == 0 && !last);
	*ours = n == -1;
	free(piece);
	buf_free(&out);
	return rv;
}

/* The connection broke while we were sending: did the server say why before? */
static void
last_words(struct transaction *t)
{
	t->s->d.io.error = 0;
	if (await(t->s, &t->a, QUIT_WAIT_MS) == -1 || t->a.code < 400)
		own_words(&t->a, "4.4.2",
		    "the connection was lost while the message was sent");
}

static void
outcome_for_taken(struct transaction *t)
{
	size_t i;

	for (i = 0; i < t->j->rcpt_count; i++)
		if (t->yes[i]) {
			t->j->rcpts[i].relayed = !t->s->dsn;
			outcome(t->j, &t->j->rcpts[i], &t->a);
		}
}

/* DATA was answered 354: the message and its end. */
static void
send_body(struct transaction *t)
{
	struct smtp *s = t->s;
	bool ours;

	if (send_message(t, &ours) == -1) {
		if (ours)
			log_error(EV_WARNING, LS("text", "a message cannot be read"),
			    LS("id", t->j->id), LS("reason", strerror(errno)));
		last_words(t);
		if (t->a.code == 0 && ours)
			own_words(&t->a, "4.3.0", "the message could not be read");
		outcome_for_taken(t);
		hang_up(s);
		return;
	}
	/* The server may think long about it: twice the time of a command, as
	 * RFC 5321, 4.5.3.2.6 has it. */
	s->d.total = NEVER;
	s->owing = true;
	if (await(s, &t->a, 2 * s->limits->command_ms) == -1)
		own_words(&t->a, "4.4.2", "the connection was lost before the "
		    "server answered to the end of the message");
	s->owing = false;
	outcome_for_taken(t);
	if (t->a.code == 0 || t->a.code == 421)
		hang_up(s);
	else
		s->reset_due = false;
}

/* 354, though nobody is left to send to: RFC 2920, 3.1. */
static int
send_nothing(struct transaction *t)
{
	io_puts(&t->s->d.io, ".\r\n");
	if (read_answer(t, MINUTES(10)) == -1)
		return -1;
	t->s->reset_due = false;
	return 0;
}

/* A yes to DATA that is not 354: this server's answers belong to other
 * questions, and none may be believed. */
static void
out_of_step(struct transaction *t)
{
	own_words(&t->a, "4.5.0",
	    "the server's answer to DATA is no answer to DATA");
	outcome_for_taken(t);
	hang_up(t->s);
}

static int
read_data(struct transaction *t)
{
	if (!t->data_asked)
		return 0;
	if (read_answer(t, MINUTES(2)) == -1 || t->a.code == 421)
		return -1;
	if (t->a.code == 354 && t->taken > 0)
		send_body(t);
	else if (t->a.code == 354)
		return send_nothing(t);
	else if (t->a.code >= 400)
		outcome_for_taken(t);
	else
		out_of_step(t);
	return 0;
}

enum smtp_result
smtp_send(struct smtp *s, struct job *j)
{
	struct transaction t = { .s = s, .j = j, .a = ANSWER };
	enum smtp_result result = SMTP_OK;
	bool *asked;
	int rv;

	if (!able(s, j))
		return SMTP_OK;
	s->d.total = deadline_in(ENVELOPE_MS);
	t.yes = mem_alloc(j->rcpt_count, sizeof(*t.yes));
	asked = mem_alloc(j->rcpt_count, sizeof(*asked));
	rv = s->pipelining ? envelope_pipelined(&t, asked) : envelope_stepwise(&t);
	if (rv == 0)
		rv = read_data(&t);
	if (rv == -1) {
		(void)because(s, &t.a);
		result = SMTP_NEXT;
		hang_up(s);
	}
	s->sent++;
	free(asked);
	free(t.yes);
	answer_free(&t.a);
	return result;
}

/* --- only a question ----------------------------------------------------------- */

enum smtp_result
smtp_probe(struct smtp *s, const char *address, enum outcome *said)
{
	struct answer a = ANSWER;
	enum smtp_result result = SMTP_NEXT;
	bool utf8 = false;

	for (const char *c = address; *c != '\0'; c++)
		utf8 = utf8 || (unsigned char)*c > 0x7f;
	if (utf8 && !s->smtputf8) {
		own_words(&a, "4.5.0", "the server does not take internationalized addresses (SMTPUTF8)");
	} else {
		dialogue_say(&s->d, false, "MAIL FROM:<>%s", utf8 ? " SMTPUTF8" : "");
		if (await(s, &a, s->limits->command_ms) == 0 && a.code / 100 == 2) {
			dialogue_say(&s->d, false, "RCPT TO:<%s>", address);
			if (await(s, &a, s->limits->command_ms) == 0) {
				*said = reply_outcome(a.code);
				result = SMTP_OK;
			}
		}
	}
	(void)because(s, &a);
	answer_free(&a);
	return result;
}
