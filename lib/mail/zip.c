/*
 * zip: the names in an archive (PKWARE's APPNOTE, 4.3), streamed.
 *
 * Programs find files by the central directory at the end, or by the header in front of each: the names of both are told. A
 * record is looked for at every octet, whatever sizes and offsets say, for who wants to hide a name lies in these. What was
 * compressed is unpacked as far as it takes to see whether it is an archive, too.
 */
#include "lib/mail/zip.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/mail/inflate.h"
#include "lib/mail/uni.h"

#define WINDOW 16384 /* octets; a record as far as it is of interest fits twice */
#define EXTRA 1024   /* octets of a record's extra fields looked at */
#define DEFLATED 8   /* the compression method */

struct record {
	bool central;
	unsigned method;
	size_t head, name, extra; /* octets */
};

struct level {
	unsigned depth;
	struct buf window;
	uint64_t at;              /* of its first octet in the archive */
	/* a file in it that may be an archive */
	bool inside, nested;      /* nested: it is one */
	uint64_t next;            /* octet of the archive to unpack next */
	struct inflate *inflate;  /* NULL: never needed */
	char first[4];            /* octets that came out */
	size_t have;
	struct level *inner;      /* NULL: likewise */
};

struct zip {
	void (*name)(void *, struct span);
	void *arg;
	const char *fault;
	unsigned names;
	uint64_t inflated;
	struct level *outer;
};

static struct level *
level_new(unsigned depth)
{
	struct level *l = mem_alloc(1, sizeof(*l));

	l->depth = depth;
	buf_init(&l->window, WINDOW);
	return l;
}

static void
level_free(struct level *l)
{
	while (l != NULL) {
		struct level *inner = l->inner;

		buf_free(&l->window);
		inflate_free(l->inflate);
		free(l);
		l = inner;
	}
}

static void
level_begin(struct level *l)
{
	buf_reset(&l->window);
	l->at = l->next = 0;
	l->inside = l->nested = false;
}

struct zip *
zip_new(void (*name)(void *, struct span), void *arg)
{
	struct zip *z = mem_alloc(1, sizeof(*z));

	z->name = name;
	z->arg = arg;
	z->outer = level_new(1);
	return z;
}

void
zip_free(struct zip *z)
{
	if (z == NULL)
		return;
	level_free(z->outer);
	free(z);
}

void
zip_begin(struct zip *z)
{
	level_begin(z->outer);
}

const char *
zip_fault(const struct zip *z)
{
	return z->fault;
}

static void
fault(struct zip *z, const char *what)
{
	if (z->fault == NULL)
		z->fault = what;
}

/* --- names ---------------------------------------------------------------- */

static unsigned
two(const char *s)
{
	return (unsigned char)s[0] | (unsigned)(unsigned char)s[1] << 8;
}

static bool
ends_path(char c)
{
	return c == '/' || c == '\\';
}

/* Behind the last directory. What is no UTF-8 is in the characters of the first PCs (appendix D). A directory is no name,
 * and costs nothing: it is not counted either, and records may lie in one another. */
static void
tell(struct zip *z, struct span path)
{
	struct buf readable = BUF_INIT(4 * ZIP_NAME);
	size_t i = path.len;

	if (i == 0 || ends_path(path.s[i - 1]))
		return;
	if (!utf8_valid(path.s, path.len) && uni_decode(SPAN("CP437"), path, &readable)) {
		path = buf_span(&readable);
		i = path.len;
	}
	while (i > 0 && !ends_path(path.s[i - 1]))
		i--;
	if (++z->names > ZIP_NAMES)
		fault(z, "too many names in archives");
	else
		z->name(z->arg, (struct span){ path.s + i, path.len - i });
	buf_free(&readable);
}

/* The name once more, in UTF-8 (APPNOTE, 4.6.9). */
static void
tell_extra(struct zip *z, struct span extra)
{
	while (extra.len >= 4) {
		unsigned id = two(extra.s), n = two(extra.s + 2);

		extra = (struct span){ extra.s + 4, extra.len - 4 };
		if (n > extra.len)
			return;
		if (id == 0x7075 && n > 5)
			tell(z, (struct span){ extra.s + 5, n - 5 });
		extra = (struct span){ extra.s + n, extra.len - n };
	}
}

/* --- what is inside ------------------------------------------------------- */

static void feed(struct zip *, struct level *, struct span);
static void scan(struct zip *, struct level *, bool more);

/* The first octets tell what it is. */
static bool
seems_archive(struct level *l, struct span *s)
{
	while (l->have < sizeof(l->first) && s->len > 0) {
		l->first[l->have++] = s->s[0];
		*s = (struct span){ s->s + 1, s->len - 1 };
	}
	return memcmp(l->first, "PK\3\4", l->have) == 0;
}

/* Unpacked octets of the file in l. False: nobody wants more of them. */
static bool
take_inside(struct zip *z, struct level *l, struct span s)
{
	bool known = l->have == sizeof(l->first);

	if (!known && !seems_archive(l, &s))
		return false;
	if (l->have < sizeof(l->first))
		return true;
	if (l->depth >= ZIP_DEPTH) {
		fault(z, "archives lie too deep in one another");
		return false;
	}
	if (l->inner == NULL)
		l->inner = level_new(l->depth + 1);
	if (!known) {
		level_begin(l->inner);
		l->nested = true;
		feed(z, l->inner, (struct span){ l->first, sizeof(l->first) });
	}
	feed(z, l->inner, s);
	return true;
}

static bool
unpack(struct zip *z, struct level *l, struct span in)
{
	enum inflate_result result = INFLATE_MORE;
	char out[4096];
	size_t made;

	do {
		if (z->inflated >= ZIP_INFLATED) {
			fault(z, "an archive holds too much to look into");
			return false;
		}
		result = inflate_some(l->inflate, &in, out, sizeof(out), &made);
		z->inflated += made;
		if (!take_inside(z, l, (struct span){ out, made }))
			return false;
	} while (result == INFLATE_MORE && (in.len > 0 || made == sizeof(out)));
	return result == INFLATE_MORE;
}

static void
end_inside(struct zip *z, struct level *l)
{
	if (l->nested)
		scan(z, l->inner, false);
	l->inside = l->nested = false;
}

/* As far as this octet of the archive, which is in the window or behind it. */
static void
unpack_to(struct zip *z, struct level *l, uint64_t end)
{
	if (!l->inside || l->next >= end)
		return;
	l->inside = unpack(z, l, (struct span){ l->window.s + (l->next - l->at), (size_t)(end - l->next) });
	l->next = end;
	if (!l->inside)
		end_inside(z, l);
}

static void
begin_inside(struct level *l, uint64_t from)
{
	if (l->inflate == NULL)
		l->inflate = inflate_new();
	else
		inflate_begin(l->inflate);
	l->inside = true;
	l->nested = false;
	l->next = from;
	l->have = 0;
}

/* --- records -------------------------------------------------------------- */

/* The fixed part of the record that begins at s, if it is there as a whole. */
static bool
read_head(struct span s, struct record *r)
{
	r->central = s.s[2] == 1;
	r->head = r->central ? 46 : 30;
	if (s.len < r->head)
		return false;
	r->method = two(s.s + (r->central ? 10 : 8));
	r->name = two(s.s + (r->central ? 28 : 26));
	r->extra = two(s.s + (r->central ? 30 : 28));
	return true;
}

/* Octets of the record to wait for. */
static size_t
of_interest(const struct record *r)
{
	return r->head + (r->name > ZIP_NAME ? 0 : r->name + (r->extra > EXTRA ? EXTRA : r->extra));
}

static void
take_record(struct zip *z, struct level *l, struct span s, const struct record *r)
{
	uint64_t at = l->at + (uint64_t)(s.s - l->window.s);

	unpack_to(z, l, at);
	if (r->name > 0 && r->name <= ZIP_NAME) {
		tell(z, (struct span){ s.s + r->head, r->name });
		tell_extra(z, (struct span){ s.s + r->head + r->name, r->extra > EXTRA ? EXTRA : r->extra });
	}
	if (!r->central && r->method == DEFLATED && !l->inside)
		begin_inside(l, at + r->head + r->name + r->extra);
}

/* "PK\1\2" or "PK\3\4", or what may become one when more octets come. */
static size_t
find_record(struct span s, size_t from)
{
	const char *p;

	for (; from < s.len && (p = memchr(s.s + from, 'P', s.len - from)) != NULL; from++) {
		size_t left = s.len - (size_t)(p - s.s);

		from = (size_t)(p - s.s);
		if ((left < 2 || p[1] == 'K') && (left < 3 || p[2] == 1 || p[2] == 3) && (left < 4 || p[3] == p[2] + 1))
			return from;
	}
	return s.len;
}

static void
scan(struct zip *z, struct level *l, bool more)
{
	struct span s = buf_span(&l->window);
	size_t i = 0;

	for (; (i = find_record(s, i)) < s.len && z->names <= ZIP_NAMES; i++) {
		struct span rest = { s.s + i, s.len - i };
		struct record r = { .central = false };

		if (rest.len >= 4 && read_head(rest, &r) && rest.len >= of_interest(&r))
			take_record(z, l, rest, &r);
		else if (more)
			break;
	}
	unpack_to(z, l, l->at + i);
	if (!more)
		end_inside(z, l);
	buf_drop(&l->window, i);
	l->at += i;
}

static void
feed(struct zip *z, struct level *l, struct span octets)
{
	while (octets.len > 0 && z->names <= ZIP_NAMES) {
		size_t room = WINDOW - l->window.len, n = octets.len < room ? octets.len : room;

		buf_add(&l->window, octets.s, n);
		octets = (struct span){ octets.s + n, octets.len - n };
		scan(z, l, true);
	}
}

void
zip_feed(struct zip *z, struct span octets)
{
	feed(z, z->outer, octets);
}

void
zip_end(struct zip *z)
{
	scan(z, z->outer, false);
}
