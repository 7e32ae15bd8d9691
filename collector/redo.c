/*
 * redo: from the fallback's mailbox into the queue, once more.
 */
#include "collector/redo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/lock.h"
#include "lib/sys/file.h"
#include "lib/sys/sandbox.h"

#define HEAD_ROOM 8192 /* octets of what we write above a message */
#define BLOCK 65536

/* --- stored -------------------------------------------------------------- */

bool
stored_open(struct stored *s, const char *site, int fd, const char *name)
{
	struct stat st;
	char block[BLOCK];
	ssize_t n;

	*s = (struct stored){ .fd = fd, .top = BUF_INIT(LIMIT_HEADER + HEAD_ROOM) };
	strlcpy(s->name, name, sizeof(s->name));
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		return false;
	s->size = (uint64_t)st.st_size;
	while (s->top.len < s->top.max && (n = pread(fd, block, sizeof(block), (off_t)s->top.len)) > 0) {
		size_t room = s->top.max - s->top.len;

		buf_add(&s->top, block, (size_t)n < room ? (size_t)n : room);
		if (memmem(s->top.s, s->top.len, "\n\n", 2) != NULL)
			break;
	}
	return mark_read(buf_span(&s->top), site, &s->mark);
}

void
stored_close(struct stored *s)
{
	file_close(s->fd);
	buf_free(&s->top);
}

void
stored_header(const struct stored *s, struct arena *arena, struct sort_header *out)
{
	struct span below = { s->top.s + s->mark.end, s->top.len - s->mark.end };

	if (below.len > LIMIT_HEADER)
		below.len = LIMIT_HEADER;
	sort_header_read(below, arena, out);
}

size_t
redo_places(struct house *h, const struct account *a, struct arena *arena, struct box_place *places, size_t max)
{
	const struct person *p = &a->people[a->fallback];
	size_t n = 0;

	for (size_t i = 0; i < p->rcpt_count && n < max; i++) {
		struct mailbox m = { 0 };

		if (p->rcpts[i].action != RCPT_LOCAL || router_mailbox(&h->router, p->rcpts[i].address, arena, &m) != 1)
			continue;
		places[n++] = (struct box_place){ m.root, m.maildir };
	}
	return n;
}

/* --- redo ---------------------------------------------------------------- */

static void
shut_in(const struct house *h)
{
	struct sandbox box = { .mode = h->conf.sandbox, .calls = CALL_UNIX,
		.paths = { { h->state_dir, MAY_READ | MAY_WRITE }, { h->instance.run, MAY_READ | MAY_WRITE },
		    { h->instance.maps, MAY_READ }, { "/etc", MAY_READ }, { "/usr/share", MAY_READ } } };

	sandbox_enter(&box);
}

int
redo_begin(struct redo *r, struct house *h, struct account *a, struct box *box, struct buf *why)
{
	r->account = a;
	r->box = box;
	r->lock = -1;
	r->state = state_open(h->state_dir, why);
	if (r->state != NULL)
		r->lock = lock_claim(h, a->name, why);
	if (r->lock == -1) {
		state_close(r->state);
		r->state = NULL;
		return -1;
	}
	shut_in(h);
	take_init(&r->take, h, a, r->state, "");
	if (state_recover(r->state, a->name) == 0)
		return 0;
	buf_adds(why, "cannot use the state: see the log");
	redo_end(r);
	return -1;
}

void
redo_end(struct redo *r)
{
	if (r->state == NULL)
		return;
	take_free(&r->take);
	state_close(r->state);
	file_close(r->lock);
	r->state = NULL;
}

static int
take_failed_why(const struct redo *r, struct buf *why)
{
	buf_adds(why, r->take.error);
	return -1;
}

/* All of it below our head. 0; -1. */
static int
feed(struct take *t, const struct stored *s, struct buf *why)
{
	char block[BLOCK];
	ssize_t n;

	for (off_t at = (off_t)s->mark.end; (n = pread(s->fd, block, sizeof(block), at)) != 0; at += n) {
		if (n == -1) {
			buf_addf(why, "cannot read %s: %s", s->name, strerror(errno));
			return -1;
		}
		if (take_octets(t, block, (size_t)n) == -1) {
			buf_adds(why, t->error);
			return -1;
		}
	}
	return 0;
}

int
redo_message(struct redo *r, struct stored *s, const size_t *person, bool keep, struct buf *why)
{
	struct take *t = &r->take;
	char *server = mem_dupn(s->mark.server.s, s->mark.server.len);
	struct redone *d;
	int rv;

	if (t->done_count == TAKE_BATCH && redo_settle(r, why) == -1) {
		free(server);
		return -1;
	}
	d = &r->v[t->done_count];
	strlcpy(d->name, s->name, sizeof(d->name));
	d->keep = keep;
	t->server = server;
	t->assigned = person;
	t->has_it = keep ? &r->account->fallback : NULL;
	take_begin(t);
	rv = feed(t, s, why);
	if (rv == -1)
		take_abort(t);
	else if (take_end(t, "", s->size, 0) == -1)
		rv = take_failed_why(r, why);
	t->server = "";
	t->assigned = t->has_it = NULL;
	free(server);
	return rv;
}

int
redo_settle(struct redo *r, struct buf *why)
{
	struct take *t = &r->take;
	int rv = take_settle(t) == -1 ? take_failed_why(r, why) : 0;

	for (size_t i = 0; i < t->done_count; i++)
		if (!t->done[i].failed && !r->v[i].keep && box_remove(r->box, r->v[i].name, why) == -1) {
			rv = -1;
			break;
		}
	take_next_batch(t);
	return rv;
}
