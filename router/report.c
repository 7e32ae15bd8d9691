/*
 * report: errors and warnings for people, with a bound on how many are shown.
 */
#include "router/report.h"

#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/sys/file.h"

#define LINE_MAX_OCTETS 2000 /* of one message: an entry may be longer than a screen */

void
report_open(struct report *r, int fd, unsigned long limit)
{
	*r = (struct report){ .fd = fd, .limit = limit };
	buf_init(&r->line, LINE_MAX_OCTETS);
}

/* What maps hold reaches a terminal: control characters do not. */
static void
make_printable(struct buf *b)
{
	size_t i;

	for (i = 0; i < b->len; i++)
		if ((unsigned char)b->s[i] < ' ' || b->s[i] == 0x7f)
			b->s[i] = '?';
}

static void
print(struct report *r)
{
	if (r->limit != 0 && r->printed >= r->limit)
		return;
	r->printed++;
	make_printable(&r->line);
	if (buf_over(&r->line)) { /* cut, but still a line */
		r->line.over = false;
		r->line.len -= 4;
		buf_adds(&r->line, "...");
	}
	if (file_write_all(r->fd, r->line.s, r->line.len) == -1 ||
	    file_write_all(r->fd, "\n", 1) == -1)
		r->printed--; /* nobody reads us; the count still tells */
}

static void
begin(struct report *r, const char *file, unsigned line)
{
	buf_reset(&r->line);
	buf_adds(&r->line, file);
	if (line > 0)
		buf_addf(&r->line, ":%u", line);
	buf_adds(&r->line, ": ");
}

void
report_error(struct report *r, const char *file, unsigned line,
    const char *text, ...)
{
	va_list ap;

	begin(r, file, line);
	va_start(ap, text);
	buf_addv(&r->line, text, ap);
	va_end(ap);
	r->errors++;
	print(r);
}

void
report_warning(struct report *r, const char *file, unsigned line,
    const char *text, ...)
{
	va_list ap;

	begin(r, file, line);
	buf_adds(&r->line, "warning: ");
	va_start(ap, text);
	buf_addv(&r->line, text, ap);
	va_end(ap);
	r->warnings++;
	print(r);
}

void
report_lines(struct report *r, struct span text)
{
	struct span line;

	while (text.s != NULL && text.len > 0) {
		line = span_cut(&text, '\n');
		buf_reset(&r->line);
		buf_addspan(&r->line, line);
		r->errors++;
		print(r);
	}
}

void
report_close(struct report *r)
{
	unsigned long hidden = r->errors + r->warnings - r->printed;

	buf_reset(&r->line);
	if (r->errors > 0)
		buf_addf(&r->line, "%lu error%s", r->errors,
		    r->errors == 1 ? "" : "s");
	if (r->warnings > 0)
		buf_addf(&r->line, "%s%lu warning%s", r->errors > 0 ?
		    " and " : "", r->warnings, r->warnings == 1 ? "" : "s");
	if (hidden > 0)
		buf_addf(&r->line, ", %lu of them not shown (--limit 0 shows "
		    "all)", hidden);
	if (r->line.len > 0) {
		buf_addc(&r->line, '\n');
		/* The exit code tells the same. */
		if (file_write_all(r->fd, r->line.s, r->line.len) == -1)
			r->printed = 0;
	}
	buf_free(&r->line);
}
