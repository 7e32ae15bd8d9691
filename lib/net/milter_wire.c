/*
 * milter_wire: the packets of the Milter protocol.
 *
 * Knows their format and no socket. What a milter says is checked here: strings end where they say, numbers are there;
 * whether it may say so now is for milter.c.
 */
#include "lib/net/milter_wire.h"

#include <errno.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/num.h"
#include "lib/mail/reply.h"

#define LENGTH_OCTETS 4

/* --- writing ---------------------------------------------------------------- */

static void
put_u32(char *at, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		at[i] = (char)(unsigned char)(n >> (24 - 8 * i));
}

void
milter_add_u32(struct buf *out, uint32_t n)
{
	char octets[4];

	put_u32(octets, n);
	buf_add(out, octets, sizeof octets);
}

void
milter_add_u16(struct buf *out, uint16_t n)
{
	buf_addc(out, (char)(unsigned char)(n >> 8));
	buf_addc(out, (char)(unsigned char)(n & 0xff));
}

void
milter_add_string(struct buf *out, struct span s)
{
	const char *nul;

	while (s.len > 0 && (nul = memchr(s.s, '\0', s.len)) != NULL) {
		size_t n = (size_t)(nul - s.s);

		buf_add(out, s.s, n);
		buf_addc(out, ' ');
		s = (struct span){ nul + 1, s.len - n - 1 };
	}
	buf_addspan(out, s);
	buf_addc(out, '\0');
}

size_t
milter_begin(struct buf *out, enum milter_command command)
{
	size_t begun = out->len;

	milter_add_u32(out, 0);
	buf_addc(out, (char)command);
	return begun;
}

void
milter_end(struct buf *out, size_t begun)
{
	if (!buf_over(out))
		put_u32(out->s + begun, (uint32_t)(out->len - begun - LENGTH_OCTETS));
}

void
milter_add_options(struct buf *out, const struct milter_options *o)
{
	size_t begun = milter_begin(out, MILTER_OPTIONS);

	milter_add_u32(out, o->version);
	milter_add_u32(out, o->actions);
	milter_add_u32(out, o->steps);
	milter_end(out, begun);
}

/* --- reading ----------------------------------------------------------------- */

static int
broken(void)
{
	errno = EPROTO;
	return -1;
}

static bool
take_u32(struct span *in, uint32_t *out)
{
	if (in->len < 4)
		return false;
	*out = 0;
	for (int i = 0; i < 4; i++)
		*out = *out << 8 | (unsigned char)in->s[i];
	*in = (struct span){ in->s + 4, in->len - 4 };
	return true;
}

/* Up to its NUL, which must be there. */
static bool
take_string(struct span *in, struct span *out)
{
	const char *nul = in->len > 0 ? memchr(in->s, '\0', in->len) : NULL;
	size_t n;

	if (nul == NULL)
		return false;
	n = (size_t)(nul - in->s);
	*out = (struct span){ in->s, n };
	*in = (struct span){ nul + 1, in->len - n - 1 };
	return true;
}

ssize_t
milter_packet(struct span in, char *command, struct span *data)
{
	struct span rest = in;
	uint32_t n;

	if (!take_u32(&rest, &n))
		return 0;
	if (n == 0)
		return broken();
	if (n > MILTER_REPLY_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	if (rest.len < n)
		return 0;
	*command = rest.s[0];
	*data = (struct span){ rest.s + 1, n - 1 };
	return (ssize_t)n + LENGTH_OCTETS;
}

int
milter_read_options(struct span data, struct milter_options *o)
{
	uint32_t stage;
	struct span names;

	memset(o, 0, sizeof *o);
	if (!take_u32(&data, &o->version) || !take_u32(&data, &o->actions) || !take_u32(&data, &o->steps))
		return broken();
	while (data.len > 0) {
		if (!take_u32(&data, &stage) || !take_string(&data, &names))
			return broken();
		if (stage < STAGES)
			o->macros[stage] = names;
	}
	return 0;
}

enum shape { NOTHING, OCTETS, STRING, STRINGS, PAIR, NUMBERED_PAIR };

static const struct {
	char answer;
	enum shape shape;
} answers[] = {
	{ MILTER_ACCEPT, NOTHING },
	{ MILTER_CONTINUE, NOTHING },
	{ MILTER_DISCARD, NOTHING },
	{ MILTER_CONN_FAIL, NOTHING },
	{ MILTER_REJECT, NOTHING },
	{ MILTER_SKIP, NOTHING },
	{ MILTER_TEMPFAIL, NOTHING },
	{ MILTER_SHUTDOWN, NOTHING },
	{ MILTER_PROGRESS, NOTHING },
	{ MILTER_REPLYCODE, STRING },
	{ MILTER_ADD_RCPT, STRING },
	{ MILTER_DELETE_RCPT, STRING },
	{ MILTER_QUARANTINE, STRING },
	{ MILTER_ADD_RCPT_ARGS, STRINGS },
	{ MILTER_CHANGE_FROM, STRINGS },
	{ MILTER_REPLACE_BODY, OCTETS },
	{ MILTER_ADD_HEADER, PAIR },
	{ MILTER_INSERT_HEADER, NUMBERED_PAIR },
	{ MILTER_CHANGE_HEADER, NUMBERED_PAIR },
};

static bool
read_shape(enum shape shape, struct span data, struct milter_said *said)
{
	switch (shape) {
	case NOTHING:
		return true; /* some send an empty string along */
	case OCTETS:
		said->name = data;
		return true;
	case STRING:
		return take_string(&data, &said->name);
	case STRINGS: /* the second may be left out */
		return take_string(&data, &said->name) && (data.len == 0 || take_string(&data, &said->value));
	case NUMBERED_PAIR:
		if (!take_u32(&data, &said->index))
			return false;
		break;
	case PAIR:
		break;
	}
	return take_string(&data, &said->name) && take_string(&data, &said->value);
}

int
milter_read(char command, struct span data, struct milter_said *said)
{
	*said = (struct milter_said){ .answer = command, .name = SPAN(""), .value = SPAN("") };
	for (size_t i = 0; i < COUNT(answers); i++)
		if (answers[i].answer == command)
			return read_shape(answers[i].shape, data, said) ? 0 : broken();
	return broken();
}

/* Filters double each "%", since sendmail takes a reply for a format. */
static void
add_printable(struct buf *text, struct span line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (line.s[i] == '%' && i + 1 < line.len && line.s[i + 1] == '%')
			i++;
		if ((unsigned char)line.s[i] >= ' ' && line.s[i] != 0x7f)
			buf_addc(text, line.s[i]);
	}
}

/* One line's text behind its code and enhanced code; the first one's count for all. */
static int
add_reply_line(struct span line, int *code, char enhanced[12], struct buf *text)
{
	uint64_t n;
	char own[12];

	line = span_trim(line);
	if (line.len < 3 || num_parse((struct span){ line.s, 3 }, 599, &n) == -1 || n < 400 ||
	    (line.len > 3 && line.s[3] != ' ' && line.s[3] != '-') || (*code != 0 && *code != (int)n))
		return broken();
	line = span_trim((struct span){ line.s + (line.len > 3 ? 4 : 3), line.len - (line.len > 3 ? 4 : 3) });
	reply_enhanced(line, (int)n, own);
	line = span_trim((struct span){ line.s + strlen(own), line.len - strlen(own) });
	if (*code == 0)
		strlcpy(enhanced, own, sizeof own);
	else
		buf_addc(text, '\n');
	*code = (int)n;
	add_printable(text, line);
	return 0;
}

int
milter_read_reply(struct span said, int *code, char enhanced[12], struct buf *text)
{
	*code = 0;
	enhanced[0] = '\0';
	while (said.s != NULL && said.len > 0)
		if (add_reply_line(span_cut(&said, '\n'), code, enhanced, text) == -1)
			return -1;
	return *code != 0 && !buf_over(text) ? 0 : broken();
}

/* Blanks stand between them, or commas. */
bool
milter_next_macro(struct span *list, struct span *name)
{
	while (list->s != NULL && list->len > 0) {
		size_t n = 0;

		while (n < list->len && list->s[n] != ' ' && list->s[n] != ',')
			n++;
		*name = span_trim((struct span){ list->s, n });
		n += n < list->len;
		*list = (struct span){ list->s + n, list->len - n };
		if (name->len > 2 && name->s[0] == '{' && name->s[name->len - 1] == '}')
			*name = (struct span){ name->s + 1, name->len - 2 };
		if (name->len > 0)
			return true;
	}
	return false;
}
