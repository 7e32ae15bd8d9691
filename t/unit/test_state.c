/* test_state: what the collector remembers, and what it does not believe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/store/state.h"

static char dir[] = "/tmp/test_state.XXXXXX";
static const unsigned char digest[STATE_DIGEST_OCTETS] = "a message", other[STATE_DIGEST_OCTETS] = "another";

static struct state *
open_it(void)
{
	struct buf why = BUF_INIT(1000);
	struct state *s = state_open(dir, &why);

	if (s == NULL)
		fail_msg("%s", buf_str(&why));
	buf_free(&why);
	return s;
}

static enum state_uid
uid(struct state *s, const char *account, const char *name, uint64_t octets)
{
	enum state_uid known;
	int64_t since_s;

	assert_int_equal(state_uid(s, account, span_of(name), octets, &known, &since_s), 0);
	return known;
}

static void
notes(void **state)
{
	struct state *s = open_it();
	enum state_uid known;
	int64_t since_s;

	(void)state;
	assert_int_equal(state_recover(s, "a"), 0);
	assert_int_equal(uid(s, "a", "u1", 10), STATE_UID_NEW);
	assert_int_equal(state_seen(s, "a", "ann", digest), 0);
	assert_int_equal(state_note_digest(s, "a", "ann", digest), 0);
	assert_int_equal(state_note_uid(s, "a", SPAN("u1"), 10, 1700000000, NULL), 0);
	assert_int_equal(state_seen(s, "a", "ann", digest), 1);
	assert_int_equal(state_seen(s, "a", "bob", digest), 0);
	assert_int_equal(state_settle(s, "a"), 0);
	assert_int_equal(uid(s, "a", "u1", 10), STATE_UID_TAKEN);
	assert_int_equal(state_uid(s, "a", SPAN("u1"), 10, &known, &since_s), 0);
	assert_int_equal(since_s, 1700000000);
	assert_true(state_first_seen(s, "a", digest) > 1700000000);
	assert_int_equal(uid(s, "a", "u1", 11), STATE_UID_NEW); /* given to another message */
	assert_int_equal(uid(s, "b", "u1", 10), STATE_UID_NEW);
	assert_int_equal(state_seen(s, "b", "ann", digest), 0);
	assert_int_equal(state_forget(s, "a", "ann", digest, SPAN("u1")), 0); /* settled: stays */
	assert_int_equal(uid(s, "a", "u1", 10), STATE_UID_TAKEN);
	assert_int_equal(state_note_digest(s, "a", "ann", other), 0);
	assert_int_equal(state_note_uid(s, "a", SPAN("u2"), 10, 1700000000, NULL), 0);
	assert_int_equal(state_forget(s, "a", "ann", other, SPAN("u2")), 0);
	assert_int_equal(state_recover(s, "a"), 0); /* as the next process would */
	assert_int_equal(uid(s, "a", "u2", 10), STATE_UID_NEW);
	assert_int_equal(state_seen(s, "a", "ann", other), 0);
	assert_int_equal(state_left(s, "a", SPAN("u3"), 9), 0);
	assert_int_equal(uid(s, "a", "u3", 9), STATE_UID_LEFT);
	assert_int_equal(state_deleted(s, "a", &SPAN("u1"), 1), 0);
	assert_int_equal(uid(s, "a", "u1", 10), STATE_UID_NEW);
	assert_int_equal(state_expire(s, "a"), 0);
	assert_int_equal(state_seen(s, "a", "ann", digest), 1);
	state_close(s);
}

/* The process died between note and settling: within this boot the notes hold, after another they do not. */
static void
recovery(void **state)
{
	struct state *s = open_it();
	char path[100], text[4096], *line;
	ssize_t n;
	int fd;

	(void)state;
	assert_int_equal(state_recover(s, "r"), 0);
	assert_false(state_doubtful(s)); /* nothing was ever taken from it */
	assert_int_equal(state_note_digest(s, "r", "ann", digest), 0);
	assert_int_equal(state_note_uid(s, "r", SPAN("u 1"), 1, 1700000000, NULL), 0);
	state_close(s);
	s = open_it();
	assert_int_equal(uid(s, "r", "u 1", 1), STATE_UID_NEW);
	assert_int_equal(state_recover(s, "r"), 0);
	assert_true(state_doubtful(s));
	assert_int_equal(uid(s, "r", "u 1", 1), STATE_UID_TAKEN);
	assert_int_equal(state_note_digest(s, "r", "bob", digest), 0);
	assert_int_equal(state_note_uid(s, "r", SPAN("u2"), 1, 1700000000, NULL), 0);
	state_close(s);
	snprintf(path, sizeof(path), "%s/r.notes", dir);
	fd = open(path, O_RDWR);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	line = strchr(text, '\n') + 1; /* behind the mark: bob's copy */
	assert_non_null(strstr(line, " + d bob "));
	assert_int_equal(pwrite(fd, "another-boot", 12, line - text), 12);
	assert_int_equal(ftruncate(fd, n - 1), 0); /* u2 was cut off */
	close(fd);
	s = open_it();
	assert_int_equal(state_recover(s, "r"), 0);
	assert_int_equal(uid(s, "r", "u 1", 1), STATE_UID_TAKEN); /* was settled */
	assert_int_equal(uid(s, "r", "u2", 1), STATE_UID_NEW);
	assert_int_equal(state_seen(s, "r", "ann", digest), 1);
	assert_int_equal(state_seen(s, "r", "bob", digest), 0);
	state_close(s);
}

static void
runs(void **state)
{
	struct state *s = open_it();
	struct state_run r = { .started_s = 5, .ended_s = 9, .messages = 3, .octets = 1ULL << 40, .left = 2,
		.error = "no" }, got;

	(void)state;
	assert_int_equal(state_run_last(s, "x", &got), 0);
	assert_int_equal(state_run_save(s, "x", &r), 0);
	assert_int_equal(state_run_last(s, "x", &got), 1);
	assert_memory_equal(&got, &r, sizeof(r));
	state_close(s);
}

static void
take(struct state *s, const char *account, const char *name, uint64_t octets, int64_t since_s)
{
	assert_int_equal(state_note_uid(s, account, span_of(name), octets, since_s, digest), 0);
	assert_int_equal(state_settle(s, account), 0);
}

/* --- when a run is doubtful ---------------------------------------------- */

static const struct state_run good = { .started_s = 1 }, bad = { .started_s = 1, .error = "no" },
                              more = { .started_s = 1, .postponed = true };

static bool
next_is_doubtful(struct state *s, const char *account)
{
	assert_int_equal(state_recover(s, account), 0);
	return state_doubtful(s);
}

static void
doubts(void **state)
{
	struct state *s = open_it();

	(void)state;
	assert_false(next_is_doubtful(s, "d"));
	assert_int_equal(state_run_save(s, "d", &good), 0);
	assert_false(next_is_doubtful(s, "d"));
	assert_int_equal(state_run_save(s, "d", &bad), 0);
	assert_false(next_is_doubtful(s, "d")); /* it failed, but with all it had taken known */
	assert_int_equal(state_seen(s, "d", "ann", digest), 0);
	assert_int_equal(state_note_digest(s, "d", "ann", digest), 0);
	assert_int_equal(state_settle(s, "d"), 0);
	assert_int_equal(state_run_save(s, "d", &bad), 0);
	assert_false(next_is_doubtful(s, "d"));
	assert_int_equal(state_seen(s, "d", "ann", other), 0); /* the queue never answered */
	assert_int_equal(state_run_save(s, "d", &bad), 0);
	assert_true(next_is_doubtful(s, "d"));
	assert_int_equal(state_run_save(s, "d", &bad), 0); /* and it may not have come to that message */
	assert_true(next_is_doubtful(s, "d"));
	assert_int_equal(state_run_save(s, "d", &more), 0);
	assert_true(next_is_doubtful(s, "d"));
	assert_int_equal(state_run_save(s, "d", &good), 0);
	assert_false(next_is_doubtful(s, "d"));
	state_close(s); /* killed with nothing in the air */
	s = open_it();
	assert_false(next_is_doubtful(s, "d"));
	assert_int_equal(state_seen(s, "d", "ann", other), 0);
	state_close(s); /* killed with a copy in the air */
	s = open_it();
	assert_true(next_is_doubtful(s, "d"));
	state_close(s); /* killed before it came to anything */
	s = open_it();
	assert_true(next_is_doubtful(s, "d"));
	assert_int_equal(state_run_save(s, "d", &good), 0);
	/* A second round in the same process. */
	assert_false(state_doubtful(s));
	assert_int_equal(state_seen(s, "d", "ann", other), 0);
	assert_int_equal(state_note_digest(s, "d", "ann", other), 0);
	take(s, "d", "u1", 10, 1);
	assert_int_equal(state_run_save(s, "d", &good), 0);
	assert_int_equal(state_seen(s, "d", "bob", other), 0);
	state_close(s);
	s = open_it();
	assert_true(next_is_doubtful(s, "d"));
	state_close(s);
}

/* --- listings ------------------------------------------------------------ */

static int64_t test_now = 1800000000;

static int64_t
test_clock(void)
{
	return test_now;
}

/* A whole listing of UIDs u0 to u<n - 1>, each of 10 octets; how many were new. */
static unsigned
list(struct state *s, unsigned n)
{
	unsigned fresh = 0;
	char name[20];

	assert_int_equal(state_listing_begin(s, "l", 0), 0);
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "u%u", i);
		fresh += uid(s, "l", name, 10) == STATE_UID_NEW;
	}
	assert_int_equal(state_listing_end(s, "l"), 0);
	return fresh;
}

static void
listings(void **state)
{
	struct state *s = open_it();
	int64_t since_s;
	enum state_uid known;

	(void)state;
	state_set_clock(s, test_clock);
	assert_int_equal(state_recover(s, "l"), 0);
	take(s, "l", "old", 10, test_now - 100);
	take(s, "l", "young", 10, test_now - 50);
	assert_int_equal(state_left(s, "l", SPAN("left"), 10), 0);
	assert_int_equal(state_listing_begin(s, "l", test_now - 60), 0);
	assert_int_equal(uid(s, "l", "old", 10), STATE_UID_OLD);
	assert_int_equal(uid(s, "l", "young", 10), STATE_UID_TAKEN);
	assert_int_equal(uid(s, "l", "left", 10), STATE_UID_LEFT);
	assert_int_equal(uid(s, "l", "new", 10), STATE_UID_NEW);
	assert_int_equal(uid(s, "l", "old", 10), STATE_UID_DOUBLED);
	assert_int_equal(uid(s, "l", "new", 11), STATE_UID_DOUBLED);
	state_listing_drop(s);
	assert_int_equal(state_listing_begin(s, "l", 0), 0);
	assert_int_equal(uid(s, "l", "young", 11), STATE_UID_NEW); /* given to another message */
	state_listing_drop(s);
	/* Without a listing the database is asked. */
	assert_int_equal(state_uid(s, "l", SPAN("old"), 10, &known, &since_s), 0);
	assert_int_equal(known, STATE_UID_TAKEN);
	assert_int_equal(since_s, test_now - 100);
	/* What is noted, not settled, under a listing of another time. */
	assert_int_equal(state_listing_begin(s, "unknown", 0), 0);
	assert_int_equal(uid(s, "unknown", "old", 10), STATE_UID_NEW);
	assert_int_equal(state_listing_end(s, "unknown"), 0);
	state_close(s);
}

/* A UID goes when it was missing on three days, and for 90. */
static void
pruning(void **state)
{
	struct state *s = open_it();
	const int64_t day = 86400;
	const struct {
		unsigned days, listed, fresh;
	} steps[] = {
		{ 0, 10, 10 },
		{ 0, 10, 0 },
		{ 1, 0, 0 },    /* an empty listing forgets nothing */
		{ 0, 10, 0 },
		{ 1, 5, 0 },
		{ 1, 10, 0 },
		{ 1, 5, 0 },    /* u5 to u9 are missing from now on: one day */
		{ 0, 5, 0 },    /* ... the same day */
		{ 100, 5, 0 },  /* two */
		{ 0, 5, 0 },
		{ 1, 10, 0 },   /* and there again */
		{ 1, 5, 0 },    /* one */
		{ 1, 5, 0 },    /* two */
		{ 1, 5, 0 },    /* three */
		{ 1, 10, 0 },   /* back: all begins anew */
		{ 1, 5, 0 },
		{ 1, 5, 0 },
		{ 1, 5, 0 },
		{ 80, 5, 0 },
		{ 7, 5, 0 },    /* day 89 */
		{ 2, 5, 0 },    /* day 91: gone now */
		{ 0, 10, 5 },
	};
	char name[20];

	(void)state;
	state_set_clock(s, test_clock);
	assert_int_equal(state_recover(s, "l"), 0);
	for (size_t i = 0; i < COUNT(steps); i++) {
		test_now += steps[i].days * day;
		if (list(s, steps[i].listed) != steps[i].fresh)
			fail_msg("step %zu", i);
		for (unsigned k = 0; i == 0 && k < 10; k++) {
			snprintf(name, sizeof(name), "u%u", k);
			take(s, "l", name, 10, test_now);
		}
	}
	state_close(s);
}

static void
fading(void **state)
{
	struct state *s = open_it();
	unsigned char lone[STATE_DIGEST_OCTETS] = "deleted upstream",
	              often[STATE_DIGEST_OCTETS] = "again";
	const int64_t day = 86400, begin = test_now;

	(void)state;
	state_set_clock(s, test_clock);
	assert_int_equal(state_recover(s, "f"), 0);
	assert_int_equal(state_note_digest(s, "f", "ann", digest), 0);
	assert_int_equal(state_note_digest(s, "f", "ann", lone), 0);
	assert_int_equal(state_note_digest(s, "f", "ann", often), 0);
	take(s, "f", "u1", 10, test_now); /* digest's */
	for (int i = 0; i < 10; i++) {
		test_now += 10 * day;
		assert_int_equal(state_seen(s, "f", "ann", often), 1);
		assert_int_equal(state_settle(s, "f"), 0);
		assert_int_equal(state_expire(s, "f"), 0);
	}
	assert_int_equal(state_seen(s, "f", "ann", lone), 0);
	assert_int_equal(state_seen(s, "f", "ann", digest), 1); /* its UID is still there */
	assert_int_equal(state_first_seen(s, "f", digest), begin);
	assert_int_equal(state_first_seen(s, "f", often), begin);
	assert_int_equal(state_deleted(s, "f", &SPAN("u1"), 1), 0);
	test_now += 91 * day;
	assert_int_equal(state_expire(s, "f"), 0);
	assert_int_equal(state_seen(s, "f", "ann", digest), 0);
	assert_int_equal(state_seen(s, "f", "ann", often), 0);
	state_close(s);
}

struct seen {
	unsigned boxes, uids;
	uint64_t listed[4];
	struct state_box_summary box;
};

static void
see_box(void *arg, const struct state_box_summary *b)
{
	struct seen *seen = arg;

	seen->listed[seen->boxes++ % 4] = b->listed;
	seen->box = *b;
}

static void
boxes(void **state)
{
	struct state *s = open_it();
	struct seen seen = { 0 };

	(void)state;
	assert_int_equal(state_recover(s, "i"), 0);
	assert_int_equal(state_box(s, "i", "INBOX", 7), 0);
	take(s, "i", "1", 10, 1);
	assert_int_equal(uid(s, "i", "1", 10), STATE_UID_TAKEN);
	assert_int_equal(state_box(s, "i", "Junk", 7), 0);
	assert_int_equal(uid(s, "i", "1", 10), STATE_UID_NEW);
	assert_int_equal(state_box(s, "i", "", 0), 0);
	assert_int_equal(uid(s, "i", "1", 10), STATE_UID_NEW);
	assert_int_equal(state_box(s, "i", "INBOX", 7), 0);
	assert_int_equal(uid(s, "i", "1", 10), STATE_UID_TAKEN);
	/* A note means the folder it was made for. */
	assert_int_equal(state_note_uid(s, "i", SPAN("2"), 10, 1, NULL), 0);
	assert_int_equal(state_box(s, "i", "Junk", 7), 0);
	assert_int_equal(state_settle(s, "i"), 0);
	assert_int_equal(uid(s, "i", "2", 10), STATE_UID_NEW);
	assert_int_equal(state_box(s, "i", "INBOX", 7), 0);
	assert_int_equal(uid(s, "i", "2", 10), STATE_UID_TAKEN);
	/* A listing that was not ended says nothing about the next folder. */
	assert_int_equal(state_listing_begin(s, "i", 0), 0);
	assert_int_equal(uid(s, "i", "1", 10), STATE_UID_TAKEN);
	assert_int_equal(state_box(s, "i", "Junk", 7), 0);
	assert_int_equal(uid(s, "i", "1", 10), STATE_UID_NEW);
	/* Each folder has its own last listing. */
	assert_int_equal(state_listing_begin(s, "i", 0), 0);
	assert_int_equal(uid(s, "i", "5", 10), STATE_UID_NEW);
	assert_int_equal(state_listing_end(s, "i"), 0);
	assert_int_equal(state_box(s, "i", "INBOX", 7), 0);
	assert_int_equal(state_listing_begin(s, "i", 0), 0);
	assert_int_equal(uid(s, "i", "1", 10), STATE_UID_TAKEN);
	assert_int_equal(uid(s, "i", "2", 10), STATE_UID_TAKEN);
	assert_int_equal(state_listing_end(s, "i"), 0);
	assert_int_equal(state_run_save(s, "i", &good), 0);
	assert_int_equal(state_each_box(s, "i", see_box, &seen), 0);
	assert_int_equal(seen.boxes, 3); /* "", INBOX, Junk */
	assert_int_equal(seen.listed[1], 2);
	assert_int_equal(seen.listed[2], 1);
	assert_int_equal(state_box(s, "i", "INBOX", 8), 0); /* UIDVALIDITY has changed */
	assert_int_equal(uid(s, "i", "1", 10), STATE_UID_NEW);
	state_close(s);
}

static void
keys(void **state)
{
	struct state *s = open_it();
	char key[LIMIT_KEY], again[LIMIT_KEY];

	(void)state;
	state_key(s, "k", "ann", digest, key);
	state_key(s, "k", "ann", digest, again);
	assert_string_equal(key, again);
	assert_int_equal(strlen(key), 20);
	assert_int_equal(strspn(key, "0123456789abcdefghijklmnopqrstuvwxyz"), 20);
	state_key(s, "k", "bob", digest, again);
	assert_string_not_equal(key, again);
	state_key(s, "k", "ann", other, again);
	assert_string_not_equal(key, again);
	state_key(s, "ka", "nn", digest, again);
	assert_string_not_equal(key, again);
	assert_int_equal(state_drop_account(s, "k"), 1);
	state_key(s, "k", "ann", digest, again);
	assert_string_not_equal(key, again); /* who has it forgotten wants all again */
	state_close(s);
}

/* --- for people ---------------------------------------------------------- */

static void
see_uid(void *arg, const struct state_uid_line *l)
{
	struct seen *seen = arg;

	seen->uids++;
	assert_int_equal(l->octets, 10);
	assert_true(l->uid.len == 2);
}

static void
shown(void **state)
{
	struct state *s = open_it(), *reader;
	struct state_summary sum;
	struct state_run run = { .started_s = 1 };
	struct seen seen = { 0 };

	(void)state;
	assert_int_equal(state_summary(s, "nobody", &sum), 0);
	assert_false(sum.known);
	state_set_clock(s, test_clock);
	assert_int_equal(state_recover(s, "p"), 0);
	assert_int_equal(state_note_digest(s, "p", "ann", digest), 0);
	assert_int_equal(state_note_digest(s, "p", "bob", digest), 0);
	take(s, "p", "u1", 10, 1);
	take(s, "p", "u2", 10, 1);
	assert_int_equal(state_left(s, "p", SPAN("u3"), 10), 0);
	assert_int_equal(state_listing_begin(s, "p", 0), 0);
	assert_int_equal(uid(s, "p", "u1", 10), STATE_UID_TAKEN);
	assert_int_equal(uid(s, "p", "u3", 10), STATE_UID_LEFT);
	assert_int_equal(state_listing_end(s, "p"), 0);
	assert_int_equal(state_run_save(s, "p", &run), 0);
	assert_int_equal(state_recover(s, "p"), 0);
	assert_int_equal(state_note_uid(s, "p", SPAN("u4"), 10, 1, NULL), 0);
	reader = open_it(); /* while the other one is at work */
	assert_int_equal(state_summary(reader, "p", &sum), 0);
	assert_true(sum.known);
	assert_true(sum.doubtful);
	assert_int_equal(sum.noted, 1);
	assert_int_equal(sum.digests, 1);
	assert_int_equal(state_each_box(reader, "p", see_box, &seen), 0);
	assert_int_equal(seen.boxes, 1);
	assert_int_equal(seen.box.listed_s, test_now);
	assert_int_equal(seen.box.listed, 2);
	assert_int_equal(seen.box.taken, 2);
	assert_int_equal(seen.box.left, 1);
	assert_int_equal(seen.box.gone, 1);
	assert_int_equal(state_each_uid(reader, "p", "", see_uid, &seen), 0);
	assert_int_equal(seen.uids, 3);
	assert_int_equal(state_settle(s, "p"), 0);
	assert_int_equal(uid(reader, "p", "u4", 10), STATE_UID_TAKEN);

	assert_int_equal(state_drop_uid(reader, "p", "", SPAN("none")), 0);
	assert_int_equal(state_seen(reader, "p", "ann", digest), 1);
	assert_int_equal(state_drop_uid(reader, "p", "", SPAN("u1")), 1);
	assert_int_equal(uid(reader, "p", "u1", 10), STATE_UID_NEW);
	assert_int_equal(uid(reader, "p", "u2", 10), STATE_UID_TAKEN);
	assert_int_equal(state_seen(reader, "p", "ann", digest), 0);
	assert_int_equal(state_drop_account(reader, "p"), 1);
	assert_int_equal(uid(reader, "p", "u2", 10), STATE_UID_NEW);
	assert_int_equal(state_drop_account(reader, "nobody"), 0);
	state_close(reader);
	state_close(s);
}

/* --- other forms --------------------------------------------------------- */

static const char old_form[] =
    "CREATE TABLE IF NOT EXISTS uid ("
    " account TEXT NOT NULL, uid BLOB NOT NULL, octets INTEGER NOT NULL, state TEXT NOT NULL,"
    " since_s INTEGER NOT NULL, PRIMARY KEY (account, uid)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS digest ("
    " account TEXT NOT NULL, digest BLOB NOT NULL, user TEXT NOT NULL, since_s INTEGER NOT NULL,"
    " PRIMARY KEY (account, digest, user)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS run ("
    " account TEXT PRIMARY KEY, started_s INTEGER, ended_s INTEGER, messages INTEGER, octets INTEGER,"
    " left_there INTEGER, error TEXT) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS digest_age ON digest (account, since_s);"
    "PRAGMA user_version = 1;"
    "INSERT INTO uid VALUES ('m', x'7531', 10, 'taken', 1700000000), ('m', x'7532', 11, 'left', 1700000001),"
    " ('n', x'7531', 10, 'taken', 1700000002);"
    "INSERT INTO digest VALUES ('m', x'61206d6573736167650000000000000000000000000000000000000000000000',"
    " 'ann', 1700000003);"
    "INSERT INTO digest VALUES ('q', x'61206d6573736167650000000000000000000000000000000000000000000000',"
    " 'bob', 1700000004);"
    "INSERT INTO run VALUES ('m', 1, 2, 3, 4, 5, 'no');";

static void
make_database(const char *in, const char *sql)
{
	char path[100];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/collect.db", in);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void
remove_database(const char *in)
{
	static const char *const names[] = { "collect.db", "collect.db-wal", "collect.db-shm", "m.notes", "copy.db" };
	char path[100];

	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", in, names[i]);
		unlink(path);
	}
}

static void
forms(void **unused)
{
	char in[] = "/tmp/test_state.XXXXXX", path[100], copy[100];
	struct buf why = BUF_INIT(1000);
	struct state *s;
	struct state_run run;
	enum state_uid known;
	int64_t since_s;
	int fd;

	(void)unused;
	assert_non_null(mkdtemp(in));
	make_database(in, old_form);
	for (int i = 0; i < 2; i++) { /* the second time nothing is left to do */
		s = state_open(in, &why);
		assert_non_null(s);
		assert_int_equal(state_uid(s, "m", SPAN("u1"), 10, &known, &since_s), 0);
		assert_int_equal(known, STATE_UID_TAKEN);
		assert_int_equal(since_s, 1700000000);
		assert_int_equal(uid(s, "m", "u2", 11), STATE_UID_LEFT);
		assert_int_equal(uid(s, "n", "u1", 10), STATE_UID_TAKEN);
		assert_int_equal(uid(s, "n", "u2", 11), STATE_UID_NEW);
		assert_int_equal(state_seen(s, "m", "ann", digest), 1);
		assert_int_equal(state_first_seen(s, "m", digest), 1700000003);
		assert_int_equal(state_seen(s, "q", "bob", digest), 1);
		assert_int_equal(state_seen(s, "n", "ann", digest), 0);
		assert_int_equal(state_run_last(s, "m", &run), 1);
		assert_string_equal(run.error, "no");
		state_close(s);
	}
	/* A copy is a whole database. */
	snprintf(path, sizeof(path), "%s/collect.db", in);
	snprintf(copy, sizeof(copy), "%s/copy.db", in);
	assert_int_equal(state_copy(path, copy, &why), 0);
	unlink(path);
	assert_int_equal(rename(copy, path), 0);
	s = state_open(in, &why);
	assert_non_null(s);
	assert_int_equal(uid(s, "m", "u1", 10), STATE_UID_TAKEN);
	state_close(s);

	make_database(in, "PRAGMA user_version = 99");
	assert_null(state_open(in, &why));
	assert_non_null(strstr(buf_str(&why), "a newer Posthouse wrote it (form 99"));
	remove_database(in);

	buf_reset(&why);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(write(fd, "this is no database\n", 20), 20);
	close(fd);
	assert_null(state_open(in, &why));
	assert_non_null(strstr(buf_str(&why), "it is damaged: put collect.db back from a backup"));
	remove_database(in);
	assert_int_equal(rmdir(in), 0);
	buf_free(&why);
}

#define PROCESSES 16

/* The first run of a house: all accounts' processes open a database that nobody has made yet. */
static void
opened_by_all_at_once(void **unused)
{
	char in[] = "/tmp/test_state.XXXXXX";
	struct buf why = BUF_INIT(1000);
	int failed = 0, status, go[2];
	char c;

	(void)unused;
	assert_non_null(mkdtemp(in));
	for (int round = 0; round < 10; round++) {
		assert_int_equal(pipe(go), 0);
		for (int i = 0; i < PROCESSES; i++)
			if (fork() == 0) {
				struct state *s;

				close(go[1]);
				(void)!read(go[0], &c, 1); /* until all are there */
				s = state_open(in, &why);
				state_close(s);
				_exit(s == NULL ? 1 : 0);
			}
		close(go[0]);
		close(go[1]);
		for (int i = 0; i < PROCESSES; i++) {
			assert_true(wait(&status) > 0);
			failed += status != 0;
		}
		remove_database(in);
	}
	assert_int_equal(failed, 0);
	assert_int_equal(rmdir(in), 0);
}

static int
make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
remove_dir(void **state)
{
	char path[100];
	const char *const names[] = { "collect.db", "collect.db-wal", "collect.db-shm", "a.notes", "r.notes", "d.notes", "l.notes",
		"f.notes", "i.notes", "p.notes" };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static void
facts(void **state)
{
	struct buf value = BUF_INIT(100);
	struct state *s = open_it();
	int64_t since_s;

	(void)state;
	assert_int_equal(state_fact(s, "a", "pipelining", &value, &since_s), 0);
	assert_int_equal(state_fact_set(s, "a", "pipelining", "no"), 0);
	assert_int_equal(state_fact(s, "b", "pipelining", &value, &since_s), 0);
	assert_int_equal(state_fact_set(s, "a", "pipelining", "yes"), 0);
	assert_int_equal(state_fact(s, "a", "pipelining", &value, &since_s), 1);
	assert_string_equal(buf_str(&value), "yes");
	assert_true(since_s > 1700000000);
	assert_int_equal(state_expire(s, "a"), 0);
	assert_int_equal(state_fact_set(s, "a", "pipelining", NULL), 0);
	assert_int_equal(state_fact(s, "a", "pipelining", &value, &since_s), 0);
	buf_free(&value);
	state_close(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(notes), cmocka_unit_test(recovery),
		cmocka_unit_test(runs), cmocka_unit_test(facts), cmocka_unit_test(doubts), cmocka_unit_test(listings),
		cmocka_unit_test(pruning), cmocka_unit_test(fading), cmocka_unit_test(boxes), cmocka_unit_test(keys),
		cmocka_unit_test(shown), cmocka_unit_test(forms), cmocka_unit_test(opened_by_all_at_once) };

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
