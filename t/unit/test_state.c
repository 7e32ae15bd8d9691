/* test_state: what the collector remembers, and what it does not believe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
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
	assert_int_equal(state_note_uid(s, "a", SPAN("u1"), 10, 1700000000), 0);
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
	assert_int_equal(state_note_uid(s, "a", SPAN("u2"), 10, 1700000000), 0);
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
	char path[100];
	int fd;

	(void)state;
	assert_int_equal(state_recover(s, "r"), 0);
	assert_int_equal(state_note_digest(s, "r", "ann", digest), 0);
	assert_int_equal(state_note_uid(s, "r", SPAN("u 1"), 1, 1700000000), 0);
	state_close(s);
	s = open_it();
	assert_int_equal(uid(s, "r", "u 1", 1), STATE_UID_NEW);
	assert_int_equal(state_recover(s, "r"), 0);
	assert_int_equal(uid(s, "r", "u 1", 1), STATE_UID_TAKEN);
	assert_int_equal(state_note_digest(s, "r", "bob", digest), 0);
	assert_int_equal(state_note_uid(s, "r", SPAN("u2"), 1, 1700000000), 0);
	state_close(s);
	snprintf(path, sizeof(path), "%s/r.notes", dir);
	fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, "another-boot", 12, 0), 12); /* of the first line */
	assert_int_equal(lseek(fd, 0, SEEK_END) > 12, 1);
	assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - 1), 0); /* the second was cut off */
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
	const char *const names[] = { "collect.db", "collect.db-wal", "collect.db-shm", "a.notes", "r.notes" };

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
		cmocka_unit_test(runs), cmocka_unit_test(facts) };

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
