/*
 * answer: what both states of a POP3 session have in common. Knows lines and the form of
 * answers; what a command does is in the table it is given.
 */
#include "pop3d/answer.h"

#include <string.h>

#include "lib/base/limits.h"
#include "lib/sys/proc.h"

void
answer_f(struct io *io, const char *format, ...)
{
	struct buf line = BUF_INIT(LIMIT_POP3_REPLY);
	va_list ap;

	va_start(ap, format);
	buf_addv(&line, format, ap);
	va_end(ap);
	io_put(io, line.s, line.len);
	buf_free(&line);
}

void
answer_number(struct io *io, uint64_t v, char behind)
{
	char digits[24], *p = digits + sizeof(digits);

	*--p = behind;
	do
		*--p = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	io_put(io, p, (size_t)(digits + sizeof(digits) - p));
}

void
answer_capa(struct io *io, const struct capa *c)
{
	io_puts(io, "+OK\r\nTOP\r\nUIDL\r\n");
	if (c->sasl != NULL)
		answer_f(io, "USER\r\nSASL %s\r\n", c->sasl);
	if (c->stls)
		io_puts(io, "STLS\r\n");
	io_puts(io, "PIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nEXPIRE NEVER\r\nUTF8\r\nLANG\r\n");
	if (c->login_delay_s > 0)
		answer_f(io, "LOGIN-DELAY %llu\r\n", (unsigned long long)c->login_delay_s);
	if (c->inside)
		io_puts(io, "IMPLEMENTATION Posthouse-" POSTHOUSE_VERSION "\r\n");
	io_puts(io, ".\r\n");
}

void
answer_lang(struct io *io, struct span tag)
{
	if (tag.s == NULL)
		io_puts(io, "+OK languages:\r\nen English\r\n.\r\n");
	else if (span_is(tag, "*") || span_case_is(tag, "en"))
		io_puts(io, "+OK en it is English\r\n");
	else
		io_puts(io, "-ERR no such language here\r\n");
}

static const char *
answer_error(struct io *io, unsigned *errors, const char *what)
{
	if (++*errors >= ERRORS_MAX) {
		io_puts(io, "-ERR too many errors\r\n");
		return "too many errors";
	}
	io_puts(io, what);
	return NULL;
}

const char *
answer_command(struct io *io, const struct command *table, void *arg, unsigned *errors, struct span line)
{
	const struct command *command;
	struct words_given given;

	switch (command_parse(table, line, &command, &given)) {
	case COMMAND_OK:
		command->run(arg, &given);
		return NULL;
	case COMMAND_ARGS:
		return answer_error(io, errors, "-ERR wrong arguments\r\n");
	case COMMAND_UNKNOWN:
		break;
	}
	return answer_error(io, errors, "-ERR unknown command\r\n");
}

const char *
answer_line(struct io *io, size_t max, int64_t timeout_ms, unsigned *errors, struct span *line)
{
	if (proc_stopping) /* the signal may have come between two waits */
		return "stopped";
	*line = (struct span){ NULL, 0 };
	switch (io_line(io, max, deadline_in(timeout_ms), line)) {
	case LINE_OK:
		return NULL;
	case LINE_LONG:
		*line = (struct span){ NULL, 0 };
		return answer_error(io, errors, "-ERR line too long\r\n");
	case LINE_BARE:
		*line = (struct span){ NULL, 0 };
		return answer_error(io, errors, "-ERR a line ends with CRLF, and has no NUL\r\n");
	case LINE_EOF:
		return "connection closed";
	case LINE_TIMEOUT:
		return "timeout"; /* RFC 1939, 3: no answer, no UPDATE */
	case LINE_ERROR:
		break;
	}
	return proc_stopping ? "stopped" : "connection lost";
}

const char *
answer_next(struct io *io, const struct command *table, void *arg, unsigned *errors,
    int64_t timeout_ms)
{
	struct span line;
	const char *over = answer_line(io, LIMIT_POP3_COMMAND, timeout_ms, errors, &line);

	return over == NULL && line.s != NULL ? answer_command(io, table, arg, errors, line) : over;
}
