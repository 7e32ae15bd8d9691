/*
 * input: the message that a program hands to sendmail on standard input.
 *
 * Makes lines of it, ended by LF: programs here write LF, some CRLF, and what
 * draws its progress on one line (cron runs such things) a CR alone. None may lose
 * its mail for that, and no CR may go out on the wire that is not part of a
 * line end. A line of one dot ends the message unless told otherwise.
 */
#include "queue/input.h"

#include <errno.h>
#include <unistd.h>

#define READ_OCTETS 65536

void
input_init(struct input *in, int fd, bool ignore_dots)
{
	*in = (struct input){ .fd = fd, .ignore_dots = ignore_dots,
		.line_start = true };
	buf_init(&in->text, INPUT_MAX + 2 * READ_OCTETS);
}

void
input_free(struct input *in)
{
	buf_free(&in->text);
}

static void
put(struct input *in, char c)
{
	if (in->dot && c == '\n') {
		in->ended = true;
		return;
	}
	if (in->dot)
		buf_addc(&in->text, '.');
	in->dot = in->line_start && c == '.' && !in->ignore_dots;
	in->line_start = c == '\n';
	if (!in->dot)
		buf_addc(&in->text, c);
}

void
input_feed(struct input *in, const char *s, size_t n)
{
	for (size_t i = 0; i < n && !in->ended; i++) {
		if (in->cr && s[i] != '\n')
			put(in, '\n');
		in->cr = !in->ended && s[i] == '\r';
		if (!in->cr && !in->ended)
			put(in, s[i]);
	}
}

/* Whatever the last line is, it ends. */
void
input_end(struct input *in)
{
	if (!in->ended && (in->cr || in->dot || !in->line_start))
		put(in, '\n');
	in->ended = true;
}

int
input_fill(struct input *in, size_t n)
{
	char s[READ_OCTETS];

	while (!in->ended && in->text.len < n) {
		ssize_t got = read(in->fd, s, sizeof(s));

		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return -1;
		if (got == 0)
			input_end(in);
		else
			input_feed(in, s, (size_t)got);
	}
	return 0;
}
