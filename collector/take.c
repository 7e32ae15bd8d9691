/*
 * take: sorted copies into the queue.
 *
 * The message is written once, into the file of the first person's copy, while it comes in; copies for others
 * are made from that by the kernel. Whose it is follows from the header and is known before the body comes; who has
 * got it already follows from the digest and is known at the end.
 */
#include "collector/take.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "collector/mark.h"
#include "collector/take_batch.h"
#include "lib/base/ascii.h"
#include "lib/base/log.h"
#include "lib/mail/date.h"
#include "lib/sys/file.h"

#define BLOCK 65536
#define HEAD_MAX 8192

void
take_init(struct take *t, struct house *h, struct account *a, struct state *state, const char *server)
{
	*t = (struct take){ .house = h, .account = a, .state = state, .server = server, .hold_dir = -1, .file = -1 };
	batch_init(t);
	t->arena = arena_new();
	buf_init(&t->raw, LIMIT_HEADER);
	buf_init(&t->out, 2 * BLOCK);
}

void
take_free(struct take *t)
{
	take_abort(t);
	batch_free(t);
	arena_free(t->arena);
	buf_free(&t->raw);
	buf_free(&t->out);
	file_close(t->hold_dir);
}

/* --- the hold area ------------------------------------------------------- */

static int
open_hold_dir(struct take *t)
{
	struct buf path = BUF_INIT(4096);
	int state = open(t->house->state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	buf_adds(&path, "hold/");
	word_encode(&path, t->account->name, strlen(t->account->name), "/.");
	if (state != -1 && file_mkdirs_at(state, buf_str(&path), 0700) == 0)
		t->hold_dir = openat(state, buf_str(&path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	file_close(state);
	buf_free(&path);
	return t->hold_dir;
}

static int
open_hold(struct take *t)
{
	bool linkable;

	if (t->hold_dir == -1 && open_hold_dir(t) == -1)
		return take_failed(t, "cannot make the hold area", strerror(errno));
	t->file = file_unnamed_at(t->hold_dir, 0600, &linkable);
	if (t->file == -1)
		return take_failed(t, "cannot write to the hold area", strerror(errno));
	t->held = true;
	return 0;
}

/* The name is the digest: the same loop twice is one file. */
static int
keep_held(struct take *t, const unsigned char digest[DIGEST_OCTETS])
{
	char name[2 * 16 + 5];

	for (size_t i = 0; i < 16; i++)
		snprintf(name + 2 * i, 3, "%02x", digest[i]);
	strlcat(name, ".eml", sizeof(name));
	if (fsync(t->file) == -1 || (file_link_fd(t->file, t->hold_dir, name) == -1 && errno != EEXIST) ||
	    fsync(t->hold_dir) == -1)
		return take_failed(t, "cannot write to the hold area", strerror(errno));
	return 0;
}

/* --- what we write above the message ------------------------------------- */

static bool
has_field(const struct sort_header *h, const char *name)
{
	for (size_t i = 0; i < h->n; i++)
		if (span_case_is(h->v[i].name, name))
			return true;
	return false;
}

static uint64_t
count_lines(const char *s, size_t n)
{
	uint64_t lines = 0;
	const char *end = s + n;

	while (s < end && (s = memchr(s, '\n', (size_t)(end - s))) != NULL) {
		lines++;
		s++;
	}
	return lines;
}

/* Head and trace of one person's copy. */
static void
write_head(struct take *t, size_t person, struct buf *b)
{
	const struct conf *conf = &t->house->conf;

	if (!has_field(&t->header, "Return-Path"))
		buf_adds(b, "Return-Path: <>\n");
	buf_addf(b, "Delivered-To: %s\n", t->account->people[person].address);
	t->head = b->len;
	buf_addf(b, "Received: from %s\n\tby %s (Posthouse) with %s%s id %s;\n\t", t->server, conf->hostname,
	    t->account->up.protocol == UPSTREAM_IMAP ? "IMAP" : "POP3",
	    t->account->up.tls == UPSTREAM_TLS_IMPLICIT || t->account->up.tls == UPSTREAM_TLS_STARTTLS ? "S" : "",
	    t->submit->id);
	date_add(b, time(NULL));
	buf_addc(b, '\n');
	mark_write(b, t->account->name, t->account->sort, person, &t->result, t->cut);
	t->above = b->len;
	t->above_lines = count_lines(b->s, b->len);
}

static int
flush(struct take *t)
{
	if (t->out.len == 0)
		return 0;
	if (file_write_all(t->file, t->out.s, t->out.len) == -1)
		return take_failed(t, "cannot write the message", strerror(errno));
	t->written += t->out.len - t->unwritten_head;
	t->lines += count_lines(t->out.s + t->unwritten_head, t->out.len - t->unwritten_head);
	t->unwritten_head = 0;
	buf_reset(&t->out);
	return 0;
}

/* CRLF becomes LF; everything else stays, NULs and lone CRs too. */
static int
write_text(struct take *t, const char *s, size_t n)
{
	while (n > 0) {
		const char *cr;
		size_t run;

		if (t->cr && *s != '\n')
			buf_addc(&t->out, '\r');
		t->cr = false;
		cr = memchr(s, '\r', n);
		run = cr != NULL ? (size_t)(cr - s) : n;
		if (run > BLOCK)
			run = BLOCK;
		else
			t->cr = cr != NULL;
		buf_add(&t->out, s, run);
		run += t->cr;
		s += run;
		n -= run;
		if (t->out.len >= BLOCK && flush(t) == -1)
			return -1;
	}
	return 0;
}

/* --- the header ---------------------------------------------------------- */

/* Octets up to and with the empty line; 0: it is not there yet. Looks at what is new. */
static size_t
header_end(const char *s, size_t n, size_t from)
{
	size_t i = from > 3 ? from - 3 : 0;
	const char *lf;

	if (n >= 1 && s[0] == '\n')
		return 1;
	if (n >= 2 && s[0] == '\r' && s[1] == '\n')
		return 2;
	for (; i < n && (lf = memchr(s + i, '\n', n - i)) != NULL; i = (size_t)(lf - s) + 1) {
		size_t at = (size_t)(lf - s) + 1;

		if (at < n && s[at] == '\n')
			return at + 1;
		if (at + 1 < n && s[at] == '\r' && s[at + 1] == '\n')
			return at + 2;
	}
	return 0;
}

/* An mbox separator on top would stand amid our own fields: it is no part of the message. */
static struct span
without_separator(struct span s)
{
	struct span rest = s;

	if ((s.len >= 5 && memcmp(s.s, "From ", 5) == 0) || (s.len >= 6 && memcmp(s.s, ">From ", 6) == 0)) {
		span_cut(&rest, '\n');
		if (rest.s != NULL)
			return rest;
	}
	return s;
}

static size_t
first_person(const struct sort_result *r)
{
	size_t i = 0;

	while (!r->gets[i])
		i++;
	return i;
}

/* A file from the queue, and what stands above the message in it. */
static int
open_copy(struct take *t, size_t person, struct buf *head)
{
	struct reply reply = { 0 };

	t->submit = flights_ground(&t->flights);
	if (submit_open(t->submit, &reply) == -1)
		return take_refused(t, &reply);
	write_head(t, person, head);
	return 0;
}

static int
write_header(struct take *t, struct span header)
{
	struct span piece;

	while (mark_without_foreign(&header, &piece))
		if (write_text(t, piece.s, piece.len) == -1)
			return -1;
	return 0;
}

static void
sort(struct take *t)
{
	if (t->assigned == NULL) {
		account_sort(t->account, &t->header, t->arena, &t->result, NULL);
		if (t->has_it != NULL && t->result.gets[*t->has_it]) {
			t->result.gets[*t->has_it] = false;
			t->result.count--;
		}
		return;
	}
	t->result = (struct sort_result){ .class = SORT_ASSIGNED, .count = 1, .field = "", .reason = "",
		.unknown = "", .list = "", .gets = arena_alloc(t->arena, t->account->people_count * sizeof(bool)) };
	t->result.gets[*t->assigned] = true;
}

/* The header is whole: whose is it? */
static int
begin_file(struct take *t)
{
	struct span header = without_separator(buf_span(&t->raw));

	sort_header_read(header, t->arena, &t->header);
	sort(t);
	t->digest = sort_digest_new(&t->header);
	t->begun = true;
	t->at = TAKE_BODY;
	if (t->result.count == 0) {
		if (open_hold(t) == -1)
			return -1;
	} else {
		t->first = first_person(&t->result);
		if (open_copy(t, t->first, &t->out) == -1)
			return -1;
		t->unwritten_head = t->out.len;
		t->file = t->submit->msg_fd;
	}
	return write_header(t, header);
}

static int
take_header(struct take *t, const char **s, size_t *n)
{
	size_t before = t->raw.len, room = LIMIT_HEADER - before, end;
	size_t take = *n < room ? *n : room;

	buf_add(&t->raw, *s, take);
	end = header_end(t->raw.s, t->raw.len, before);
	if (end == 0 && t->raw.len < LIMIT_HEADER) {
		*s += take;
		*n -= take;
		return 0;
	}
	t->cut = end == 0;
	if (end == 0)
		end = t->raw.len;
	t->raw.len = end;
	*s += end - before;
	*n -= end - before;
	return begin_file(t);
}

/* --- a message ----------------------------------------------------------- */

static void
forget_message(struct take *t)
{
	arena_reset(t->arena);
	sort_digest_free(t->digest);
	buf_reset(&t->raw);
	buf_reset(&t->out);
	if (t->held)
		file_close(t->file);
	t->digest = NULL;
	t->file = -1;
	t->cut = t->cr = t->begun = t->held = false;
	t->submit = NULL;
	t->unwritten_head = 0;
	t->written = t->lines = t->head = t->above = 0;
	t->at = TAKE_HEADER;
}

void
take_begin(struct take *t)
{
	forget_message(t);
}

void
take_abort(struct take *t)
{
	if (t->submit != NULL)
		submit_abort(t->submit);
	forget_message(t);
}

int
take_octets(struct take *t, const char *s, size_t n)
{
	if (t->at == TAKE_HEADER && take_header(t, &s, &n) == -1)
		return -1;
	if (t->at != TAKE_BODY || n == 0)
		return t->at == TAKE_REFUSED ? -1 : 0;
	sort_digest_body(t->digest, s, n);
	return write_text(t, s, n);
}

struct asking {
	struct take *t;
	bool known;  /* to anybody */
	bool failed;
};

static bool
seen(void *arg, const char *user, const unsigned char *digest)
{
	struct asking *q = arg;
	int rv = state_seen(q->t->state, q->t->account->name, user, digest);

	q->known = q->known || rv == 1;
	q->failed = q->failed || rv == -1;
	return rv == 1;
}

/* The person's copy is in the submit file; octets and lines of all of it. */
static int
commit_copy(struct take *t, size_t person, const unsigned char digest[DIGEST_OCTETS], uint64_t octets, uint64_t lines)
{
	const struct person *p = &t->account->people[person];
	struct buf client = BUF_INIT(512);
	struct envelope env = { .arrived_s = time(NULL), .sender = "", .octets = octets, .wire_octets = octets + lines,
		.head_octets = t->head, .body_8bit = true, .ret = "", .envid = "", .rcpts = p->rcpts,
		.rcpt_count = p->rcpt_count };
	struct reply reply = { 0 };
	int rv;

	buf_addf(&client, "collected from %s", t->account->name);
	env.client = buf_str(&client);
	env.again = state_doubtful(t->state);
	state_key(t->state, t->account->name, sort_account_user(t->account->sort, person), digest, env.key);
	rv = submit_fill(t->submit, &env, &reply);
	buf_free(&client);
	return rv == -1 ? take_refused(t, &reply) : batch_fly(t, person, digest);
}

/* All of from behind its own head, to the end of to. */
static int
copy_text(int from, uint64_t above, uint64_t octets, int to)
{
	off_t at = (off_t)above;

	while ((uint64_t)at < octets) {
		ssize_t n = copy_file_range(from, &at, to, NULL, (size_t)(octets - (uint64_t)at), 0);

		if (n <= 0) {
			errno = n == 0 ? EIO : errno;
			return -1;
		}
	}
	return 0;
}

static int
copy_for(struct take *t, size_t person, int source, uint64_t above, uint64_t end,
    const unsigned char digest[DIGEST_OCTETS])
{
	struct buf head = BUF_INIT(HEAD_MAX);
	int rv = open_copy(t, person, &head);

	if (rv == 0 && (file_write_all(t->submit->msg_fd, head.s, head.len) == -1 ||
	    copy_text(source, above, end, t->submit->msg_fd) == -1))
		rv = take_failed(t, "cannot write the message", strerror(errno));
	buf_free(&head);
	return rv == -1 ? -1 : commit_copy(t, person, digest, t->above + (end - above), t->above_lines + t->lines);
}

/* A copy each for those who have not got it. */
static int
commit_copies(struct take *t, const unsigned char digest[DIGEST_OCTETS])
{
	uint64_t above = t->above, end = t->above + t->written;
	bool first = t->result.count > 0 && t->result.gets[t->first];
	int source = -1, rv = 0;

	if (t->result.count > first && (source = dup(t->file)) == -1)
		return take_failed(t, "cannot write the message", strerror(errno));
	if (first)
		rv = commit_copy(t, t->first, digest, end, t->above_lines + t->lines);
	else
		submit_abort(t->submit);
	for (size_t i = t->first + 1; rv == 0 && t->result.count > 0 && i < t->account->people_count; i++)
		if (t->result.gets[i])
			rv = copy_for(t, i, source, above, end, digest);
	file_close(source);
	return rv;
}

/* Who has got it already does not get it again; a copy that is still in flight counts when it has landed. */
static int
leave_out_seen(struct take *t, const unsigned char digest[DIGEST_OCTETS], bool *known)
{
	struct asking asking = { .t = t };

	if (flights_has(&t->flights, digest) && batch_land(t) == -1)
		return -1;
	sort_duplicates(t->account->sort, &t->result, digest, seen, &asking, NULL);
	*known = asking.known;
	return asking.failed ? take_failed(t, "cannot read the state", "see the log") : 0;
}

static int
hand_over(struct take *t, struct take_done *done)
{
	unsigned char digest[DIGEST_OCTETS];
	bool known = false;
	int rv;

	sort_digest_end(t->digest, digest);
	t->digest = NULL;
	memcpy(done->digest, digest, DIGEST_OCTETS);
	done->held = t->held;
	if (t->held)
		rv = keep_held(t, digest);
	else if ((rv = leave_out_seen(t, digest, &known)) == 0)
		rv = commit_copies(t, digest);
	done->since_s = known ? state_first_seen(t->state, t->account->name, digest) : time(NULL);
	return rv;
}

int
take_end(struct take *t, const char *uid, uint64_t listed, size_t number)
{
	struct take_done *done;
	int rv;

	if (t->at == TAKE_REFUSED)
		return -1;
	if (t->at == TAKE_HEADER && begin_file(t) == -1) /* it has no body */
		return -1;
	if (t->cr)
		buf_addc(&t->out, '\r');
	t->cr = false;
	if (flush(t) == -1)
		return -1;
	done = batch_message(t, uid, listed, number);
	rv = hand_over(t, done);
	done->failed = done->failed || rv == -1;
	if (rv == 0)
		rv = batch_whole(t, done);
	if (rv == 0)
		forget_message(t);
	return rv;
}
