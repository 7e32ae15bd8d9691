/*
 * sort_header: a header as it comes from a provider, made readable.
 *
 * Drops what cannot mean anything and guesses nothing: a bare CR starts no field, a line of blanks ends
 * no header, a line that is no field takes its continuation lines along.
 */
#include <string.h>

#include "collector/sort_parts.h"
#include "lib/base/ascii.h"
#include "lib/mail/header.h"

/* NULs out, CRLF to LF, any other CR to a blank. */
static struct span
clean(struct span in, struct arena *arena)
{
	char *s = arena_alloc(arena, in.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++)
		if (in.s[i] != '\0')
			s[n++] = in.s[i];
	in = (struct span){ s, n };
	n = 0;
	for (size_t i = 0; i < in.len; i++) {
		if (in.s[i] != '\r')
			s[n++] = in.s[i];
		else if (i + 1 == in.len || in.s[i + 1] != '\n')
			s[n++] = ' ';
	}
	return (struct span){ s, n };
}

static struct span
without_separator(struct span s)
{
	struct span rest = s;

	if ((s.len >= 5 && memcmp(s.s, "From ", 5) == 0) || (s.len >= 6 && memcmp(s.s, ">From ", 6) == 0)) {
		span_cut(&rest, '\n');
		return rest.s != NULL ? rest : (struct span){ "", 0 };
	}
	return s;
}

/* A line break and the white space around it become one blank. */
static void
unfold(struct span in, struct buf *out)
{
	struct span rest = in;

	while (rest.s != NULL) {
		struct span line = span_cut(&rest, '\n');

		while (line.len > 0 && out->len > 0 && ascii_space((unsigned char)line.s[0]))
			line = (struct span){ line.s + 1, line.len - 1 };
		while (out->len > 0 && ascii_space((unsigned char)out->s[out->len - 1]))
			out->s[--out->len] = '\0';
		if (out->len > 0)
			buf_addc(out, ' ');
		buf_addspan(out, line);
	}
}

static struct span
readable(struct span value, struct arena *arena)
{
	struct buf line = BUF_INIT(value.len + 1), text = BUF_INIT(value.len * 4 + 1);
	struct span out;

	unfold(value, &line);
	uni_from_header(span_trim(buf_span(&line)), &text);
	out = (struct span){ arena_dupn(arena, buf_str(&text), text.len), text.len };
	buf_free(&line);
	buf_free(&text);
	return out;
}

void
sort_header_read(struct span octets, struct arena *arena, struct sort_header *out)
{
	struct span rest = without_separator(clean(octets, arena));
	size_t room = 0;
	struct field f;

	*out = (struct sort_header){ 0 };
	while (header_next(&rest, &f)) {
		if (f.name.len == 0)
			continue;
		if (out->n == room) {
			struct sort_field *more;

			room = room == 0 ? 32 : room * 2;
			more = arena_alloc(arena, room * sizeof(*more));
			if (out->n > 0)
				memcpy(more, out->v, out->n * sizeof(*more));
			out->v = more;
		}
		out->v[out->n++] = (struct sort_field){ f.name, readable(f.value, arena) };
	}
}
