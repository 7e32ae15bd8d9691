/*
 * rewrite: a message that a filter changes, written anew into its own file before anything names it (DESIGN section 3).
 *
 * Knows the file: head, our Received, the header, a body that may be long. Only the header is held; the body moves within the
 * file, a block at a time. A new body is written behind the old end first, since nobody knows yet how long the
 * header will be. What a filter gives for a field cannot end that field.
 */
#include "smtpd/rewrite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"

#define BLOCK (64 * 1024)
#define MADE_MAX 4096 /* fields from one filter */

static uint64_t
count_lines(struct span s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += s.s[i] == '\n';
	return n;
}

/* --- octets at a place -------------------------------------------------------- */

static int
read_at(int fd, char *to, size_t n, uint64_t at)
{
	while (n > 0) {
		ssize_t got = pread(fd, to, n, (off_t)at);

		if (got == -1 && errno == EINTR)
			continue;
		if (got == 0)
			errno = EIO;
		if (got <= 0)
			return -1;
		to += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

static int
write_at(int fd, const char *from, size_t n, uint64_t at)
{
	while (n > 0) {
		ssize_t put = pwrite(fd, from, n, (off_t)at);

		if (put == -1 && errno == EINTR)
			continue;
		if (put == -1)
			return -1;
		from += put;
		at += (uint64_t)put;
		n -= (size_t)put;
	}
	return 0;
}

/* As memmove(3): upwards from its end, downwards from its beginning. */
static int
move(int fd, uint64_t from, uint64_t to, uint64_t n)
{
	char *block = mem_alloc(BLOCK, 1);
	uint64_t done = 0;
	int rv = 0;

	while (from != to && done < n && rv == 0) {
		size_t some = n - done < BLOCK ? (size_t)(n - done) : BLOCK;
		uint64_t at = to < from ? done : n - done - some;

		rv = read_at(fd, block, some, from + at);
		if (rv == 0)
			rv = write_at(fd, block, some, to + at);
		done += some;
	}
	free(block);
	return rv;
}

/* --- reading -------------------------------------------------------------------- */

static void
put_field(struct rewrite *w, size_t at, struct rewrite_line line)
{
	if (w->count == w->cap) {
		w->cap = w->cap == 0 ? 64 : 2 * w->cap;
		w->fields = mem_grow(w->fields, w->cap, sizeof *w->fields);
	}
	if (at > w->count)
		at = w->count;
	memmove(w->fields + at + 1, w->fields + at, (w->count - at) * sizeof *w->fields);
	w->fields[at] = line;
	w->count++;
}

/* A line that is no field begins the body. How far the header goes. */
static uint64_t
read_fields(struct rewrite *w, struct span text, size_t ours)
{
	struct span rest = text;
	struct field field;

	while (rest.len > 0) {
		struct span before = rest;

		if (!header_next(&rest, &field)) {
			w->divided = true;
			break;
		}
		if (field.name.len == 0) {
			rest = before;
			break;
		}
		put_field(w, w->count, (struct rewrite_line){ field.raw, w->count == ours, false });
	}
	return (uint64_t)(text.len - rest.len);
}

int
rewrite_open(struct rewrite *w, int fd, uint64_t octets, uint64_t lines, uint64_t head_octets, size_t ours)
{
	size_t all = octets < LIMIT_HEADER ? (size_t)octets : LIMIT_HEADER;
	uint64_t used;

	*w = (struct rewrite){ .fd = fd, .head_octets = head_octets, .octets = octets, .lines = lines, .spare_at = octets };
	w->text = mem_alloc(all + 1, 1);
	if (read_at(fd, w->text, all, 0) == -1)
		return -1;
	used = read_fields(w, (struct span){ w->text + head_octets, all - (size_t)head_octets }, ours);
	w->header_octets = (size_t)used;
	if (head_octets + used == all && all < octets && !w->divided) {
		errno = EMSGSIZE;
		return -1;
	}
	w->body_at = head_octets + used;
	w->head_lines = count_lines((struct span){ w->text, (size_t)head_octets });
	w->body_lines = lines - count_lines((struct span){ w->text, (size_t)w->body_at });
	return 0;
}

void
rewrite_free(struct rewrite *w)
{
	for (size_t i = 0; i < w->made_count; i++)
		free(w->made[i]);
	free(w->made);
	free(w->fields);
	free(w->text);
	memset(w, 0, sizeof *w);
	w->fd = -1;
}

/* --- fields ----------------------------------------------------------------------- */

/* RFC 5322, 3.6.8 */
static bool
is_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.s[i] <= ' ' || name.s[i] >= 0x7f || name.s[i] == ':')
			return false;
	return name.len > 0;
}

/* "Name: value" with LF line ends, each but the last followed by a blank (RFC 5322, 2.2.3); no CR, no NUL. False: it is too long. */
static bool
make_field(struct rewrite *w, struct span name, struct span value, bool leading, struct span *out)
{
	struct buf b = BUF_INIT(LIMIT_HEADER - w->header_octets);

	buf_addspan(&b, name);
	buf_adds(&b, leading ? ":" : ": ");
	while (value.len > 0 && (value.s[value.len - 1] == '\n' || value.s[value.len - 1] == '\r'))
		value.len--;
	for (size_t i = 0; i < value.len; i++) {
		if (value.s[i] != '\r' && value.s[i] != '\0')
			buf_addc(&b, value.s[i]);
		if (value.s[i] == '\n' && (i + 1 == value.len || !ascii_space((unsigned char)value.s[i + 1])))
			buf_addc(&b, '\t');
	}
	buf_addc(&b, '\n');
	if (buf_over(&b) || w->made_count == MADE_MAX) {
		w->over = true;
		buf_free(&b);
		return false;
	}
	w->header_octets += b.len;
	w->made = mem_grow(w->made, w->made_count + 1, sizeof *w->made);
	w->made[w->made_count++] = b.s;
	w->changed = true;
	*out = buf_span(&b);
	return true;
}

void
rewrite_insert(struct rewrite *w, size_t at, struct span name, struct span value, bool leading)
{
	struct span raw;

	if (is_name(name) && make_field(w, name, value, leading, &raw))
		put_field(w, at, (struct rewrite_line){ raw, false, false });
}

void
rewrite_append(struct rewrite *w, struct span name, struct span value, bool leading)
{
	rewrite_insert(w, w->count, name, value, leading);
}

static bool
is_named(struct span raw, struct span name)
{
	return raw.len > name.len && ascii_caseeq(raw.s, name.s, name.len) &&
	    (raw.s[name.len] == ':' || ascii_space((unsigned char)raw.s[name.len]));
}

void
rewrite_change(struct rewrite *w, size_t n, struct span name, struct span value, bool leading)
{
	size_t i, seen = 0;
	struct span raw;

	for (i = 0; i < w->count; i++)
		if (!w->fields[i].ours && is_named(w->fields[i].raw, name) && ++seen >= n)
			break;
	if (i < w->count && value.len == 0)
		w->fields[i].gone = w->changed = true;
	else if (i < w->count && is_name(name) && make_field(w, name, value, leading, &raw))
		w->fields[i] = (struct rewrite_line){ raw, false, false };
	else if (i == w->count && value.len > 0)
		rewrite_append(w, name, value, leading);
}

/* --- the body ------------------------------------------------------------------------ */

/* CRLF becomes LF; a CR elsewhere stays, for a filter may have its reasons. */
int
rewrite_body(struct rewrite *w, struct span piece)
{
	char *text = mem_alloc(piece.len + 1, 1);
	size_t n = 0;
	int rv;

	w->spare = true;
	for (size_t i = 0; i < piece.len; i++) {
		if (w->cr && piece.s[i] != '\n')
			text[n++] = '\r';
		w->cr = piece.s[i] == '\r';
		if (!w->cr)
			text[n++] = piece.s[i];
		w->spare_lines += piece.s[i] == '\n';
		w->eightbit = w->eightbit || (unsigned char)piece.s[i] > 0x7f;
	}
	rv = write_at(w->fd, text, n, w->spare_at);
	w->spare_at += n;
	free(text);
	return rv;
}

static void
add_header(const struct rewrite *w, const struct buf *head, struct buf *out, uint64_t body_octets)
{
	if (head != NULL)
		buf_addspan(out, buf_span(head));
	else
		buf_add(out, w->text, (size_t)w->head_octets);
	for (size_t i = 0; i < w->count; i++)
		if (!w->fields[i].gone)
			buf_addspan(out, w->fields[i].raw);
	if (w->divided || (body_octets > 0 && (w->changed || w->spare)))
		buf_addc(out, '\n');
}

int
rewrite_finish(struct rewrite *w, const struct buf *head)
{
	struct buf top = BUF_INIT(64 * 1024 * 1024);
	uint64_t from = w->spare ? w->octets : w->body_at;
	uint64_t n = (w->spare ? w->spare_at : w->octets) - from;
	int rv = 0;

	if (!w->changed && !w->spare && head == NULL)
		return 0;
	if (w->cr && write_at(w->fd, "\r", 1, w->spare_at) == -1) /* the body's last octet */
		return -1;
	n += w->cr;
	w->cr = false;
	add_header(w, head, &top, n);
	errno = EMSGSIZE;
	if (buf_over(&top) || move(w->fd, from, top.len, n) == -1 || write_at(w->fd, top.s, top.len, 0) == -1 ||
	    ftruncate(w->fd, (off_t)(top.len + n)) == -1)
		rv = -1;
	w->lines = count_lines(buf_span(&top)) + (w->spare ? w->spare_lines : w->body_lines);
	w->octets = top.len + n;
	w->head_octets = head != NULL ? head->len : w->head_octets;
	buf_free(&top);
	return rv;
}

size_t
rewrite_ours(const struct rewrite *w)
{
	size_t at = 0;

	for (size_t i = 0; i < w->count && !w->fields[i].ours; i++)
		at += !w->fields[i].gone;
	return at;
}
