/*
 * pop3_session: saying and hearing.
 *
 * Every wait has a deadline, every line and listing a limit; nothing here decides anything.
 */
#include <errno.h>
#include <string.h>

#include "collector/pop3.h"
#include "collector/pop3_body.h"

#define SAY_MAX 1024
#define HEAR_MAX (LIMIT_SASL + 16) /* octets of a line; RFC 2449, 4 says 512, challenges may be longer */

int
pop3_failed(struct pop3 *s, const char *what, struct span text)
{
	return fetch_failed(s->f, what, text);
}

void
pop3_say(struct pop3 *s, const char *fmt, ...)
{
	struct buf line = BUF_INIT(SAY_MAX);
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&line, fmt, ap);
	va_end(ap);
	s->d->broken = s->d->broken || buf_over(&line);
	dialogue_say(s->d, false, "%s", buf_str(&line));
	buf_free(&line);
}

enum pop3_status
pop3_hear(struct pop3 *s, struct span *text)
{
	enum pop3_status status;
	struct span line;

	*text = (struct span){ "", 0 };
	if (dialogue_line(s->d, HEAR_MAX, true, fetch_patience(s->f), &line, &s->f->why) == -1)
		return POP3_STRANGE;
	status = pop3_status(line, text);
	if (status == POP3_STRANGE)
		pop3_failed(s, "no POP3 reply", (struct span){ line.s, line.len < 80 ? line.len : 80 });
	return status;
}

int
pop3_hear_line(struct pop3 *s, struct span *line)
{
	if (dialogue_line(s->d, HEAR_MAX, false, fetch_patience(s->f), line, &s->f->why) == -1)
		return -1;
	return pop3_listing_end(line) ? 0 : 1;
}

/* More octets. 0; -1 */
static int
wait_for_more(struct pop3 *s, const char *where)
{
	int rv = io_fill(&s->d->io, deadline_earlier(fetch_patience(s->f), s->d->total));

	if (rv == 1)
		return 0;
	return pop3_failed(s, where, span_of(rv == 0 ? "closed by the server" : strerror(errno)));
}

int
pop3_hear_text(struct pop3 *s, int (*sink)(void *, const char *, size_t), void *arg)
{
	char text[16384 + 2];
	struct pop3_body body = { 0 };

	while (body.state != BODY_END) {
		struct span in = io_unread(&s->d->io);
		size_t n;

		if (in.len == 0) {
			if (wait_for_more(s, "the connection broke inside a message") == -1)
				return -1;
			continue;
		}
		if (in.len > sizeof(text) - 2)
			in.len = sizeof(text) - 2;
		io_skip(&s->d->io, pop3_body_feed(&body, in.s, in.len, text, &n));
		if (sink(arg, text, n) == -1)
			return -1;
	}
	return 0;
}

int
pop3_peek_status(struct pop3 *s)
{
	struct span next, text;

	for (;;) {
		next = io_unread(&s->d->io);
		if (next.len >= 4 || memchr(next.s, '\n', next.len) != NULL)
			break;
		if (wait_for_more(s, "the connection broke behind a message that is shorter than the server says") == -1)
			return -1;
	}
	switch (pop3_status(next, &text)) {
	case POP3_OK:
	case POP3_ERR:
		return 0;
	default:
		return pop3_failed(s, "a message goes on behind its end", SPAN("the server does not stuff dots "
		    "(RFC 1939, 3)"));
	}
}

struct top {
	struct buf *out;
	uint64_t octets, most;
};

static int
top_octets(void *arg, const char *octets, size_t n)
{
	struct top *t = arg;

	t->octets += n;
	buf_add(t->out, octets, n);
	return t->octets > t->most ? -1 : 0;
}

int
pop3_hear_top(struct pop3 *s, struct buf *out)
{
	struct top t = { .out = out, .most = 2 * s->f->size_max };
	struct span text;

	switch (pop3_hear(s, &text)) {
	case POP3_OK:
		if (pop3_hear_text(s, top_octets, &t) == 0)
			return 1;
		return s->f->why.len > 0 ? -1 : pop3_failed(s, "no end of a header", SPAN("TOP"));
	case POP3_ERR:
		return 0;
	default:
		return -1;
	}
}

int
pop3_top(struct pop3 *s, uint32_t number, unsigned lines, struct buf *out)
{
	pop3_say(s, "TOP %u %u", (unsigned)number, lines);
	return pop3_hear_top(s, out);
}
