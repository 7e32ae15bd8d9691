/* test_quota: how much lies in a mailbox, by Maildir++'s file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/store/full.h"
#include "lib/store/quota.h"
#include "lib/sys/file.h"
#include "t/unit/tree.h"

static const struct {
	const char *text;
	int rv;
	uint64_t octets, messages;
} texts[] = {
	{ "2G", 0, UINT64_C(2) << 30, 0 },
	{ "50000msgs", 0, 0, 50000 },
	{ "2G,50000msgs", 0, UINT64_C(2) << 30, 50000 },
	{ "10msgs, 4096", 0, 4096, 10 },
	{ "", -1, 0, 0 },
	{ "0", -1, 0, 0 },
	{ "msgs", -1, 0, 0 },
	{ "2G,", -1, 0, 0 },
	{ "2G,3G", -1, 0, 0 },
	{ "1msgs,2msgs", -1, 0, 0 },
	{ "-1", -1, 0, 0 },
	{ "2 G", -1, 0, 0 },
	{ "99999999999G", -1, 0, 0 },
};

static void
parsed(void **state)
{
	struct quota q;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		if (quota_parse(span_of(texts[i].text), &q) != texts[i].rv)
			fail_msg("\"%s\"", texts[i].text);
		if (texts[i].rv == 0) {
			assert_int_equal(q.octets, texts[i].octets);
			assert_int_equal(q.messages, texts[i].messages);
			assert_true(quota_given(&q));
		}
	}
}

static void
put(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
	file_close(fd);
}

static void
file_is(int dir, const char *name, const char *want)
{
	struct buf b = BUF_INIT(10000);

	assert_int_equal(file_slurp_at(dir, name, &b), 0);
	assert_string_equal(buf_str(&b), want);
	buf_free(&b);
}

static void
tree_make(char t[32])
{
	(void)strlcpy(t, "/tmp/posthouse-quota-XXXXXX", 32);
	assert_non_null(mkdtemp(t));
}

static int
box(char t[32])
{
	static const char *const dirs[] = { "tmp", "new", "cur", ".Sent", ".Sent/new", ".Sent/cur", ".Trash", ".Trash/cur" };
	int fd;

	tree_make(t);
	fd = open(t, O_RDONLY | O_DIRECTORY);
	assert_int_not_equal(fd, -1);
	for (size_t i = 0; i < COUNT(dirs); i++)
		assert_int_equal(mkdirat(fd, dirs[i], 0700), 0);
	return fd;
}

/* 1000 by its name, 5 by its size, 30 in a folder; the bin is not counted. */
static void
fill(int dir)
{
	put(dir, "new/1.a.h,S=1000,W=1010", "x");
	put(dir, "cur/2.b.h:2,S", "12345");
	put(dir, ".Sent/cur/3.c.h,S=30:2,S", "");
	put(dir, ".Trash/cur/4.d.h,S=7000:2,S", "");
}

static void
counted(void **state)
{
	const struct quota q = { 2000, 10 };
	struct quota use;
	char t[32];
	int dir = box(t);

	(void)state;
	fill(dir);
	assert_int_equal(quota_note(dir, 1, 1), 0);
	assert_int_equal(quota_look(dir, &q, &use), 0);
	assert_int_equal(use.octets, 1035);
	assert_int_equal(faccessat(dir, "maildirsize", F_OK, 0), -1); /* nobody counts here yet, looking is no counting */
	assert_int_equal(quota_fits(dir, &q, 965, &use), 1);
	assert_int_equal(use.octets, 1035);
	assert_int_equal(use.messages, 3);
	file_is(dir, "maildirsize", "2000S,10C\n1035 3\n");
	assert_int_equal(quota_note(dir, 900, 1), 0);
	assert_int_equal(quota_note(dir, -1000, -1), 0);
	file_is(dir, "maildirsize", "2000S,10C\n1035 3\n900 1\n-1000 -1\n");
	assert_int_equal(quota_fits(dir, &q, 1065, &use), 1);
	assert_int_equal(use.octets, 935);
	assert_int_equal(use.messages, 3);
	assert_int_equal(quota_look(dir, &q, &use), 0); /* what the file says, not what lies there */
	assert_int_equal(use.octets, 935);
	assert_int_equal(quota_note(dir, 5000, 1), 0);
	assert_int_equal(quota_look(dir, &q, &use), 0); /* full? it is counted */
	assert_int_equal(use.octets, 1035);
	close(dir);
	assert_int_equal(tree_remove(t), 0);
}

/* Full by the file, though not in truth: it is looked at again. */
static void
doubted(void **state)
{
	const struct quota q = { 2000, 0 };
	const struct timespec old[2] = { { .tv_sec = time(NULL) - 2 * QUOTA_FRESH_S }, { .tv_sec = time(NULL) - 2 * QUOTA_FRESH_S } };
	struct quota use;
	char t[32];
	int dir = box(t);

	(void)state;
	fill(dir);
	put(dir, "maildirsize", "2000S\n1035 3\n900 1\n"); /* two lines: a sum */
	assert_int_equal(quota_fits(dir, &q, 965, &use), 1);
	file_is(dir, "maildirsize", "2000S\n1035 3\n");
	put(dir, "maildirsize", "2000S\n1999 3\n"); /* fresh, and one line: believed */
	assert_int_equal(quota_fits(dir, &q, 965, &use), 0);
	assert_int_equal(utimensat(dir, "maildirsize", old, 0), 0);
	assert_int_equal(quota_fits(dir, &q, 965, &use), 1);
	assert_int_equal(quota_fits(dir, &q, 966, &use), 0);
	put(dir, "maildirsize", "2000S,10C\n1 1\n"); /* other limits */
	assert_int_equal(quota_fits(dir, &q, 966, &use), 0);
	file_is(dir, "maildirsize", "2000S\n1035 3\n");
	close(dir);
	assert_int_equal(tree_remove(t), 0);
}

static void
broken(void **state)
{
	static const char *const wrong[] = { "", "2000S", "2000S\n", "2000S\n1 x\n", "2000S\n1\n", "2000S\n1 1 1\n", "2000S\n\n1 1\n",
		"2000S\n9223372036854775807 1\n", "2000S\n-5 -5 x\n", "\xff\xfe" };
	const struct quota q = { 2000, 0 };
	struct quota use;
	char t[32];
	int dir = box(t);

	(void)state;
	fill(dir);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		put(dir, "maildirsize", wrong[i]);
		assert_int_equal(quota_fits(dir, &q, 1, &use), 1);
		file_is(dir, "maildirsize", "2000S\n1035 3\n");
	}
	put(dir, "maildirsize", "2000S\n      -70    -1\n"); /* as others pad; less than nothing is nothing */
	assert_int_equal(quota_fits(dir, &q, 1, &use), 1);
	assert_int_equal(use.octets, 0);
	assert_int_equal(use.messages, 0);
	close(dir);
	assert_int_equal(tree_remove(t), 0);
}

static void
grown(void **state)
{
	const struct quota q = { 1000000, 100000 };
	struct quota use;
	char t[32];
	int dir = box(t);

	(void)state;
	fill(dir);
	assert_int_equal(quota_fits(dir, &q, 1, &use), 1);
	for (int i = 0; i < 2000; i++)
		assert_int_equal(quota_note(dir, 1, 1), 0);
	assert_int_equal(quota_fits(dir, &q, 1, &use), 1); /* over 5,120 octets */
	file_is(dir, "maildirsize", "1000000S,100000C\n1035 3\n");
	close(dir);
	assert_int_equal(tree_remove(t), 0);
}

static void
nothing_there(void **state)
{
	const struct quota q = { 10, 1 };
	struct quota use;
	char t[32];
	int dir;

	(void)state;
	tree_make(t);
	dir = open(t, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mkdirat(dir, "tmp", 0700), 0);
	assert_int_equal(quota_fits(dir, &q, 10, &use), 1);
	assert_int_equal(quota_fits(dir, &q, 11, &use), 0);
	assert_int_equal(quota_fits(dir, &q, UINT64_MAX, &use), 0);
	close(dir);
	assert_int_equal(tree_remove(t), 0);
}

static void
told(void **state)
{
	const struct quota q = { 1048576 * 2, 50 }, use = { 1048576, 40 }, over = { UINT64_MAX, 1 };
	struct buf b = BUF_INIT(200);

	(void)state;
	assert_int_equal(quota_percent(&q, &use), 80);
	assert_int_equal(quota_percent(&q, &over), 999);
	quota_describe(&b, &q, &use);
	assert_string_equal(buf_str(&b), "1.0 of 2.0 MiB, 40 of 50 messages");
	buf_free(&b);
}

static void
marked(void **state)
{
	char t[32];

	(void)state;
	tree_make(t);
	assert_int_equal(full_since(t, "../a@b.example", 1000), 0);
	assert_int_equal(full_mark(t, "../a@b.example", 1000), 1000);
	assert_int_equal(full_since(t, "../a@b.example", 1000), 1000);
	assert_int_equal(full_since(t, "../a@b.example", 1000 + FULL_BELIEVED_S), 0);
	assert_int_equal(full_mark(t, "../a@b.example", 5000), 1000);
	assert_int_equal(full_since(t, "../a@b.example", 5001), 1000);
	assert_int_equal(full_since(t, "c@b.example", 5001), 0);
	full_clear(t, "../a@b.example");
	full_clear(t, "../a@b.example");
	assert_int_equal(full_since(t, "../a@b.example", 5001), 0);
	assert_int_equal(full_outcome(0, 5001, 60), SENT);
	assert_int_equal(full_outcome(1000, 1059, 60), RETRY);
	assert_int_equal(full_outcome(1000, 1060, 60), FAILED);
	assert_int_equal(full_mark("/nonexistent", "a@b.example", 1), -1);
	assert_int_equal(tree_remove(t), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsed), cmocka_unit_test(counted), cmocka_unit_test(doubted), cmocka_unit_test(broken),
		cmocka_unit_test(grown), cmocka_unit_test(nothing_there), cmocka_unit_test(told), cmocka_unit_test(marked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
