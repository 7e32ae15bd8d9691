/*
 * take_batch: what was taken becomes safe.
 *
 * Knows the order: the queue has a copy, that is noted; it has all copies of a message, its UID is noted; the disk has
 * them all, the notes are settled; only then may anything be deleted upstream. Does not know how a copy is made.
 */
#include "collector/take_batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "collector/lists.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"

#define DESCRIPTORS_LEFT 64 /* for everything else */
#define COPIES_LEAST 8
#define HURRIED_MS 5000     /* for the other answers when one has failed */

int
take_failed(struct take *t, const char *what, const char *reason)
{
	if (t->at != TAKE_REFUSED) /* what comes after is a consequence */
		snprintf(t->error, sizeof(t->error), "%s: %s", what, reason);
	t->at = TAKE_REFUSED;
	t->refused = true;
	return -1;
}

int
take_refused(struct take *t, const struct reply *r)
{
	char what[64];

	snprintf(what, sizeof(what), "the queue refuses (%d %s)", r->code, r->enhanced);
	return take_failed(t, what, r->text != NULL ? r->text : "");
}

static int
state_failed(struct take *t)
{
	return take_failed(t, "cannot write the state", "see the log");
}

/* A flight has three descriptors, a copy that has landed one or two. */
void
batch_init(struct take *t)
{
	struct rlimit limit = { .rlim_cur = 256 };
	size_t n, flights, copies;

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	n = limit.rlim_cur > 65536 ? 65536 : (size_t)limit.rlim_cur;
	n = n > DESCRIPTORS_LEFT ? n - DESCRIPTORS_LEFT : 0;
	flights = n / 8 < 2 ? 2 : n / 8 < FLIGHTS ? n / 8 : FLIGHTS;
	copies = n > 3 * flights ? (n - 3 * flights) / 2 : 0;
	t->sync_room = copies < COPIES_LEAST ? COPIES_LEAST : copies < TAKE_BATCH_COPIES ? copies : TAKE_BATCH_COPIES;
	flights_init(&t->flights, t->house->submit_path, flights);
}

void
batch_free(struct take *t)
{
	for (size_t i = 0; i < t->sync_count; i++) {
		file_close(t->kept[i].msg_fd);
		file_close(t->kept[i].env_fd);
	}
	take_next_batch(t);
	flights_free(&t->flights);
}

/* --- in flight ----------------------------------------------------------- */

static void
tell(const struct take *t, const struct take_done *d)
{
	log_event(EV_COLLECT_MESSAGE, LS("account", t->account->name), LS("uid", d->uid), LS("id", d->id),
	    LS("class", sort_class_name(d->class)), LS("rcpts", d->rcpts), LS("evidence", d->evidence),
	    LN("header_cut", d->cut));
}

/* A copy has landed, or the last one has taken off. */
static int
one_less(struct take *t, struct take_done *d)
{
	if (--d->flying > 0 || d->failed)
		return 0;
	if (*d->uid != '\0' &&
	    state_note_uid(t->state, t->account->name, span_of(d->uid), d->listed, d->since_s,
	        d->held ? NULL : d->digest) == -1)
		return state_failed(t);
	tell(t, d);
	return 0;
}

static const char *
user_of(const struct take *t, size_t person)
{
	return sort_account_user(t->account->sort, person);
}

/* It is this message, and not the queue: the others may still come. */
static int
refuse_message(struct take_done *d, const struct reply *r)
{
	free(d->refusal);
	d->refusal = mem_fmt("the queue refuses (%d %s): %s", r->code, r->enhanced, r->text != NULL ? r->text : "");
	return 0;
}

static int
land(struct take *t, deadline_ms until, bool more)
{
	struct flight_copy *copy = &t->sync[t->sync_count];
	struct reply reply = { 0 };
	int rv = flights_land(&t->flights, until, more, copy, &t->kept[t->sync_count], &reply);
	struct take_done *d = &t->done[copy->message];

	if (rv == -1) {
		d->failed = true;
		d->flying--;
		return reply.code >= 500 ? refuse_message(d, &reply) : take_refused(t, &reply);
	}
	t->sync_count++;
	if (state_note_digest(t->state, t->account->name, user_of(t, copy->person), copy->digest) == -1) {
		d->failed = true;
		return state_failed(t);
	}
	return one_less(t, d);
}

int
batch_land(struct take *t)
{
	deadline_ms hurried = t->refused ? deadline_in(HURRIED_MS) : NEVER;
	int rv = 0;

	while (t->flights.count > 0)
		if (land(t, hurried, false) == -1) {
			rv = -1;
			hurried = deadline_earlier(hurried, deadline_in(HURRIED_MS));
		}
	return rv;
}

/* Copies that the disk has not taken. */
static void
forget_failed(struct take *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct flight_copy *c = &t->sync[i];

		if (!t->kept[i].failed)
			continue;
		t->done[c->message].failed = true;
		if (state_forget(t->state, t->account->name, user_of(t, c->person), c->digest,
		    span_of(t->done[c->message].uid)) == -1)
			(void)state_failed(t);
	}
}

/* Have the disk take every copy that the queue has, and the notes of it; then those that are queued may go on: once one
 * has left the house, nothing of it would be found here after a power cut. */
static int
sync_all(struct take *t)
{
	struct reply reply = { 0 };
	size_t n = t->sync_count;
	int rv = n > 0 ? submit_sync_kept(t->kept, n, &reply) : 0;

	t->sync_count = 0;
	if (rv == -1) {
		(void)take_refused(t, &reply);
		forget_failed(t, n);
	}
	if (state_settle(t->state, t->account->name) == -1)
		rv = state_failed(t);
	submit_synced(t->kept, n);
	return rv;
}

int
batch_fly(struct take *t, size_t person, const unsigned char digest[DIGEST_OCTETS])
{
	struct flight_copy copy = { .person = person, .message = t->done_count - 1 };
	struct take_done *d = &t->done[copy.message];

	memcpy(copy.digest, digest, DIGEST_OCTETS);
	if (d->id[0] == '\0')
		strlcpy(d->id, t->submit->id, sizeof(d->id));
	d->flying++;
	flights_take_off(&t->flights, &copy);
	t->submit = NULL;
	if (t->sync_count + t->flights.count >= t->sync_room)
		return batch_land(t) == -1 || sync_all(t) == -1 ? -1 : 0;
	while (flights_full(&t->flights))
		if (land(t, NEVER, true) == -1)
			return -1;
	return 0;
}

/* --- messages ------------------------------------------------------------ */

struct take_done *
batch_message(struct take *t, const char *uid, uint64_t listed, size_t number)
{
	struct take_done *d = &t->done[t->done_count++];

	*d = (struct take_done){ .uid = mem_dup(uid), .listed = listed, .number = number, .flying = 1 };
	return d;
}

int
batch_whole(struct take *t, struct take_done *d)
{
	const struct sort_result *r = &t->result;
	struct buf people = BUF_INIT(LIMIT_LOG_VALUE);

	for (size_t i = 0; i < t->account->people_count; i++)
		if (r->count > 0 && r->gets[i])
			buf_addf(&people, "%s%s", people.len > 0 ? "," : "", t->account->people[i].address);
	d->class = r->class;
	if (r->class == SORT_FALLBACK)
		lists_note(t->account, r->list);
	d->cut = t->cut;
	d->evidence = mem_dup(*r->field != '\0' ? r->field : r->reason);
	d->rcpts = mem_dup(buf_str(&people));
	buf_free(&people);
	return one_less(t, d);
}

int
take_settle(struct take *t)
{
	int rv = batch_land(t);

	return sync_all(t) == -1 ? -1 : rv;
}

void
take_rest(struct take *t)
{
	flights_rest(&t->flights);
}

void
take_next_batch(struct take *t)
{
	for (size_t i = 0; i < t->done_count; i++) {
		free(t->done[i].uid);
		free(t->done[i].rcpts);
		free(t->done[i].refusal);
		free(t->done[i].evidence);
	}
	t->done_count = 0;
}
