/*
 * session: the TRANSACTION and UPDATE states of POP3, for somebody who has
 * logged in. Knows commands and their answers; files are drop.c's, octets encode.c's.
 */
#include "pop3d/session.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"
#include "pop3d/answer.h"
#include "pop3d/command.h"
#include "pop3d/encode.h"
#include "pop3d/entry.h"

#define READ_OCTETS 65536
#define PUT_OCTETS 16384 /* an answer up to this size goes out with others */

static deadline_ms
soon(const struct session *s)
{
	return deadline_in(s->timeout_ms);
}

/* --- numbers -------------------------------------------------------------- */

/* The message with this number; NULL after the -ERR was said. */
static struct drop_msg *
message(struct session *s, uint64_t number, size_t *index)
{
	if (number == 0 || number > s->drop.n) {
		io_puts(&s->io, "-ERR no such message\r\n");
		return NULL;
	}
	*index = (size_t)number - 1;
	if (s->drop.msgs[*index].deleted) {
		io_puts(&s->io, "-ERR message is marked as deleted\r\n");
		return NULL;
	}
	return &s->drop.msgs[*index];
}

/* How many there are, and how large they are together, without those marked deleted. */
static void
totals(struct session *s, uint64_t *count, uint64_t *octets)
{
	*count = *octets = 0;
	for (size_t i = 0; i < s->drop.n; i++)
		if (!s->drop.msgs[i].deleted) {
			(*count)++;
			*octets += drop_size(&s->drop, i);
		}
}

/* --- commands ------------------------------------------------------------- */

static void
cmd_stat(void *arg, const struct words_given *given)
{
	struct session *s = arg;
	uint64_t count, octets;

	(void)given;
	totals(s, &count, &octets);
	answer_f(&s->io, "+OK %llu %llu\r\n", (unsigned long long)count,
	    (unsigned long long)octets);
}

static void
scan_listing(struct session *s, size_t i)
{
	answer_number(&s->io, i + 1, ' ');
	answer_number(&s->io, drop_size(&s->drop, i), '\r');
	io_put(&s->io, "\n", 1);
}

static void
unique_listing(struct session *s, size_t i)
{
	char uid[LIMIT_UIDL + 1];

	answer_number(&s->io, i + 1, ' ');
	drop_uid(&s->drop, i, uid);
	io_puts(&s->io, uid);
	io_put(&s->io, "\r\n", 2);
}

/* LIST and UIDL: of one message, or of all. */
static void
listing(struct session *s, const struct words_given *given,
    void (*line)(struct session *, size_t))
{
	size_t i;

	if (given->numbers == 1) {
		if (message(s, given->number[0], &i) == NULL)
			return;
		io_puts(&s->io, "+OK ");
		line(s, i);
		return;
	}
	io_puts(&s->io, "+OK\r\n");
	for (i = 0; i < s->drop.n; i++)
		if (!s->drop.msgs[i].deleted)
			line(s, i);
	io_puts(&s->io, ".\r\n");
}

static void
cmd_list(void *arg, const struct words_given *given)
{
	listing(arg, given, scan_listing);
}

static void
cmd_uidl(void *arg, const struct words_given *given)
{
	listing(arg, given, unique_listing);
}

/* A message in the middle of its answer cannot be called off: only the end of
 * the connection tells the client that it is not whole. */
static void
break_off(struct session *s, const char *why)
{
	s->why = why;
	log_event(EV_WARNING, LS("text", "a message could not be sent whole"),
	    LS("mailbox", s->mailbox), LS("reason", why));
}

/* The first piece or the next one. 1: more to come, 0: that was all, -1: broken off. */
static int
send_piece(struct session *s, int fd, struct encode *e, bool first)
{
	ssize_t n = read(fd, s->in, READ_OCTETS);
	struct iovec iov = { s->out, 0 };
	bool last;

	if (n == -1) {
		break_off(s, strerror(errno));
		return -1;
	}
	iov.iov_len = encode_some(e, s->in, (size_t)n, s->out);
	/* A short read of a file is its end: saves the read that says so. */
	last = n < READ_OCTETS || e->done;
	if (last)
		iov.iov_len += encode_end(e, s->out + iov.iov_len);
	if (last && first && iov.iov_len <= PUT_OCTETS)
		io_put(&s->io, s->out, iov.iov_len);
	else if (io_send(&s->io, &iov, 1, soon(s)) == -1) {
		s->why = "connection lost";
		return -1;
	}
	return last ? 0 : 1;
}

static void
send_message(struct session *s, size_t i, struct encode *e, const char *how)
{
	struct drop_msg *m = &s->drop.msgs[i];
	int fd = drop_read(&s->drop, i), more;
	uint64_t octets = m->sized ? m->octets : 0;

	if (fd == -1) {
		io_puts(&s->io, errno == ENOENT
		        ? "-ERR message has been removed by another program\r\n"
		        : "-ERR [SYS/TEMP] message cannot be read now\r\n");
		return;
	}
	if (s->in == NULL) {
		s->in = mem_grow(NULL, READ_OCTETS, 1);
		s->out = mem_grow(NULL, ENCODE_ROOM(READ_OCTETS) + ENCODE_END, 1);
	}
	e->keep_crlf = m->crlf;
	if (e->top || !m->sized)
		answer_f(&s->io, "+OK %s\r\n", how);
	else
		answer_f(&s->io, "+OK %llu octets\r\n", (unsigned long long)octets);
	more = send_piece(s, fd, e, true);
	while (more == 1)
		more = send_piece(s, fd, e, false);
	file_close(fd);
	if (more == 0 && !e->top) {
		m->read = s->conf->pop3d_seen;
		s->retrieved++;
	}
}

static void
cmd_retr(void *arg, const struct words_given *given)
{
	struct session *s = arg;
	struct encode e = { 0 };
	size_t i;

	if (message(s, given->number[0], &i) != NULL)
		send_message(s, i, &e, "message follows");
}

static void
cmd_top(void *arg, const struct words_given *given)
{
	struct session *s = arg;
	struct encode e = { .top = true, .lines_left = given->number[1] };
	size_t i;

	if (message(s, given->number[0], &i) != NULL)
		send_message(s, i, &e, "top of message follows");
}

static void
cmd_dele(void *arg, const struct words_given *given)
{
	struct session *s = arg;
	size_t i;
	struct drop_msg *m = message(s, given->number[0], &i);

	if (m == NULL)
		return;
	m->deleted = true;
	io_puts(&s->io, "+OK marked to be deleted\r\n");
}

static void
cmd_rset(void *arg, const struct words_given *given)
{
	struct session *s = arg;

	(void)given;
	for (size_t i = 0; i < s->drop.n; i++)
		s->drop.msgs[i].deleted = false;
	answer_f(&s->io, "+OK %zu messages\r\n", s->drop.n);
}

static void
cmd_noop(void *arg, const struct words_given *given)
{
	struct session *s = arg;

	(void)given;
	io_puts(&s->io, "+OK\r\n");
}

static void
cmd_capa(void *arg, const struct words_given *given)
{
	struct session *s = arg;

	(void)given;
	answer_capa(&s->io, &(struct capa){
		.sasl = s->of->sasl, .stls = s->of->stls, .inside = true, .login_delay_s = s->conf->pop3d_login_delay });
}

static void
cmd_lang(void *arg, const struct words_given *given)
{
	struct session *s = arg;

	answer_lang(&s->io, given->text);
}

/* The UPDATE state: not to be stopped half-way. */
static void
cmd_quit(void *arg, const struct words_given *given)
{
	struct session *s = arg;
	size_t failed, removed;
	sigset_t term, before;

	(void)given;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &before);
	failed = drop_commit(&s->drop, &removed);
	if (failed > 0)
		answer_f(&s->io,
		    "-ERR [SYS/TEMP] %zu messages deleted, %zu could not be: %s\r\n",
		    removed, failed, strerror(errno));
	else if (removed > 0)
		answer_f(&s->io, "+OK %zu messages deleted\r\n", removed);
	else
		io_puts(&s->io, "+OK\r\n");
	s->deleted = removed;
	s->why = "quit";
	entry_leave(s->conf, s->drop.dir); /* who hears the answer may come again at once */
	sigprocmask(SIG_SETMASK, &before, NULL);
}

// clang-format off
static const struct command commands[] = {
	{ "STAT", ARGS_NONE,    cmd_stat },
	{ "LIST", ARGS_MAYBE,   cmd_list },
	{ "UIDL", ARGS_MAYBE,   cmd_uidl },
	{ "RETR", ARGS_NUMBER,  cmd_retr },
	{ "TOP",  ARGS_NUMBERS, cmd_top },
	{ "DELE", ARGS_NUMBER,  cmd_dele },
	{ "RSET", ARGS_NONE,    cmd_rset },
	{ "NOOP", ARGS_NONE,    cmd_noop },
	{ "CAPA", ARGS_NONE,    cmd_capa },
	{ "LANG", ARGS_WORD,    cmd_lang },
	{ "QUIT", ARGS_NONE,    cmd_quit },
	{ NULL,   ARGS_NONE,    NULL },
};
// clang-format on

/* --- the dialogue --------------------------------------------------------- */

void
session_init(struct session *s, const struct conf *conf, const char *mailbox, const struct handover *of)
{
	*s = (struct session){ .drop = s->drop, .conf = conf, .timeout_ms = (int64_t)conf->pop3d_timeout * 1000,
		.mailbox = mailbox, .of = of };
}

void
session_serve(struct session *s)
{
	answer_f(&s->io, "+OK %s has %zu messages\r\n", s->mailbox, s->drop.n);
	while (s->why == NULL) {
		const char *over = answer_next(&s->io, commands, s, &s->errors,
		    s->timeout_ms);

		if (s->why == NULL)
			s->why = over;
	}
	if (io_flush(&s->io, soon(s)) == -1 && strcmp(s->why, "quit") == 0)
		s->why = "connection lost after quit";
	log_event(EV_POP3_LOGOUT, LS("mailbox", s->mailbox), LS("client", s->of->client),
	    LS("why", s->why), LN("retrieved", s->retrieved),
	    LN("deleted", s->deleted), LN("octets", s->io.octets_out));
	free(s->in);
	free(s->out);
	s->in = s->out = NULL;
}
