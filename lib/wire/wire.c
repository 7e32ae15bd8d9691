/*
 * wire: dialogues between our own programs (DESIGN section 5).
 *
 * Knows packets, words and the tables; no verb in particular. Whoever breaks the
 * table's rules gets EPROTO, our own side included: a dialogue that has left its table is over,
 * and the only thing to do with it is wire_close().
 */
#include "lib/wire/wire.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/sys/file.h"
#include "lib/sys/packet.h"

void
wire_open(struct wire *w, int fd, enum wire_who me, const struct wire_msg *table,
    unsigned first_state)
{
	w->fd = fd;
	w->me = me;
	w->table = table;
	w->state = first_state;
	w->buf = NULL;
}

void
wire_close(struct wire *w)
{
	file_close(w->fd);
	free(w->buf);
	w->fd = -1;
	w->buf = NULL;
}

/* How many words the table asks for; *body: may lines follow? */
static size_t
words_wanted(const struct wire_msg *m, bool *body)
{
	size_t n = 0;

	*body = false;
	for (const char *s = m->words; *s != '\0';) {
		size_t len = strcspn(s, " ");

		if (len == 1 && *s == '+')
			*body = true;
		else
			n++;
		s += len;
		s += *s == ' ';
	}
	return n;
}

/* The table's entry for what who may say now; NULL: it may not. */
static const struct wire_msg *
entry(const struct wire *w, struct span verb, enum wire_who who)
{
	for (const struct wire_msg *m = w->table; m->verb != NULL; m++)
		if (m->who == who && (m->said_in & w->state) != 0 && span_is(verb, m->verb))
			return m;
	return NULL;
}

static void
enter(struct wire *w, const struct wire_msg *m)
{
	if (m->leads_to != WIRE_SAME)
		w->state = m->leads_to;
}

static int
forbidden(void)
{
	errno = EPROTO;
	return -1;
}

int
wire_send(struct wire *w, deadline_ms until, const int *fds, struct span body, const char *verb,
    const char *const *words, size_t n)
{
	const struct wire_msg *m = entry(w, span_of(verb), w->me);
	struct buf out = BUF_INIT(LIMIT_PACKET);
	bool body_allowed;
	int rv;

	if (m == NULL || n != words_wanted(m, &body_allowed) || (body.len > 0 && !body_allowed))
		return forbidden();
	buf_adds(&out, verb);
	for (size_t i = 0; i < n; i++) {
		buf_addc(&out, ' ');
		word_encode(&out, words[i], strlen(words[i]), NULL);
	}
	if (body.len > 0) {
		buf_addc(&out, '\n');
		buf_addspan(&out, body);
	}
	if (buf_over(&out)) {
		errno = EMSGSIZE;
		rv = -1;
	} else
		rv = packet_send(w->fd, out.s, out.len, fds, (int)m->fds, until);
	if (rv == 0)
		enter(w, m);
	buf_wipe(&out); /* it may have held a password */
	buf_free(&out);
	return rv;
}

/* Decode the words of the packet's first line in place. */
static int
split_words(struct wire_packet *p, struct span line)
{
	while (line.s != NULL) {
		struct span word = span_cut(&line, ' ');
		/* Into w->buf, which is ours to write; the separator behind it becomes the NUL. */
		char *s = (char *)(uintptr_t)word.s;
		ssize_t len;

		if (p->n == WIRE_WORDS)
			return forbidden();
		len = word_decode(s, s, word.len);
		if (len == -1 || memchr(s, '\0', (size_t)len) != NULL)
			return forbidden();
		p->word[p->n++] = s;
	}
	return 0;
}

static int
understand(struct wire *w, struct wire_packet *p, struct span text, int nfds)
{
	bool has_body = memchr(text.s, '\n', text.len) != NULL, body_allowed;
	struct span line = span_cut(&text, '\n'), verb = span_cut(&line, ' ');

	p->msg = entry(w, verb, w->me == CLIENT ? SERVER : CLIENT);
	if (p->msg == NULL || nfds != (int)p->msg->fds)
		return forbidden();
	if (split_words(p, line) == -1)
		return -1;
	if (p->n != words_wanted(p->msg, &body_allowed) || (has_body && !body_allowed))
		return forbidden();
	if (has_body)
		p->body = text;
	enter(w, p->msg);
	return 0;
}

int
wire_recv(struct wire *w, deadline_ms until, struct wire_packet *p)
{
	int nfds = LIMIT_PACKET_FDS;
	ssize_t n;

	*p = (struct wire_packet){ .body = { "", 0 }, .fds = { -1, -1, -1, -1 } };
	if (w->buf == NULL)
		w->buf = mem_grow(NULL, LIMIT_PACKET + 1, 1); /* what no packet fills costs nothing */
	n = packet_recv(w->fd, w->buf, p->fds, &nfds, until);
	if (n <= 0)
		return (int)n;
	for (int i = nfds; i < LIMIT_PACKET_FDS; i++)
		p->fds[i] = -1;
	if (understand(w, p, (struct span){ w->buf, (size_t)n }, nfds) == 0)
		return 1;
	wire_drop(p);
	return forbidden();
}

int
wire_fd(struct wire_packet *p, size_t i)
{
	int fd = i < LIMIT_PACKET_FDS ? p->fds[i] : -1;

	if (fd != -1)
		p->fds[i] = -1;
	return fd;
}

void
wire_drop(struct wire_packet *p)
{
	for (size_t i = 0; i < LIMIT_PACKET_FDS; i++)
		file_close(wire_fd(p, i));
}

bool
wire_is(const struct wire_packet *p, const char *verb)
{
	return strcmp(p->msg->verb, verb) == 0;
}
