/* test_maildir: mailboxes on disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/store/maildir.h"
#include "lib/sys/file.h"
#include "t/unit/tree.h"

#define NAME "1795315490.0123456789abcde.mx.example,S=6,W=7"

static void
formatted(void **state)
{
	struct buf out = BUF_INIT(500);

	(void)state;
	maildir_name_format(&out, 1795315490, "0123456789abcde",
	    "mx.example", 6, 7, "");
	assert_string_equal(buf_str(&out), NAME);
	buf_reset(&out);
	maildir_name_format(&out, 1, "i", "a/b:c,d", 0, UINT64_MAX, "k3y");
	assert_string_equal(buf_str(&out),
	    "1.i.a\\057b\\072c\\054d,S=0,W=18446744073709551615,K=k3y");
	buf_free(&out);
}

static const struct {
	const char *name, *unique;
	bool has_size, has_wire;
	uint64_t size, wire;
	const char *flags;
} names[] = {
	{ NAME, "1795315490.0123456789abcde.mx.example", true, true, 6, 7, "" },
	{ NAME ":2,", "1795315490.0123456789abcde.mx.example", true, true, 6,
	  7, "" },
	{ NAME ":2,RS", "1795315490.0123456789abcde.mx.example", true, true,
	  6, 7, "RS" },
	{ "1.M2P3.host", "1.M2P3.host", false, false, 0, 0, "" },
	{ "1.M2P3.host:2,S", "1.M2P3.host", false, false, 0, 0, "S" },
	{ "1.M2P3.host:1,S", "1.M2P3.host", false, false, 0, 0, "" },
	{ "1.M2P3.host,W=12:2,S", "1.M2P3.host", false, true, 0, 12, "S" },
	{ "1.M2P3.host,S=x,W=12", "1.M2P3.host,S=x", false, true, 0, 12, "" },
	{ "1.M2P3.host,U=5,S=12", "1.M2P3.host,U=5", true, false, 12, 0, "" },
	{ "1.M2P3.host,S=-1", "1.M2P3.host,S=-1", false, false, 0, 0, "" },
	{ "1.M2P3.host,S=99999999999999999999", "1.M2P3.host,S="
	  "99999999999999999999", false, false, 0, 0, "" },
	{ NAME ",K=k3y:2,S", "1795315490.0123456789abcde.mx.example", true, true, 6, 7, "S" },
	{ "", "", false, false, 0, 0, "" },
	{ ",S=1", "", true, false, 1, 0, "" },
};

static void
make_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_CREAT | O_WRONLY, 0600);

	assert_true(fd != -1);
	close(fd);
}

static void
found_by_key(void **state)
{
	char path[] = "/tmp/test_maildir_keys.XXXXXX";
	static const char *const files[] = { "new/1.a.h,S=1,W=1,K=one", "cur/2.b.h,S=1,W=1,K=two:2,S", "cur/3.c.h,S=1,W=1",
		"new/4.d.h,K=four,S=1", "cur/5.e.h:2,K=five" };
	struct maildir_keys keys = { 0 };
	int dir, fd;

	(void)state;
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(maildir_keys_read(&keys, dir), -1);
	assert_int_equal(mkdirat(dir, "new", 0700), 0);
	assert_int_equal(mkdirat(dir, "cur", 0700), 0);
	assert_int_equal(maildir_keys_read(&keys, dir), 0);
	assert_false(maildir_keys_may_have(&keys, "one"));
	for (size_t i = 0; i < COUNT(files); i++)
		make_file(dir, files[i]);
	assert_int_equal(maildir_keys_read(&keys, dir), 0);
	assert_int_equal(keys.n, 3);
	assert_true(maildir_keys_may_have(&keys, "one"));
	assert_true(maildir_keys_may_have(&keys, "two"));
	assert_true(maildir_keys_may_have(&keys, "four"));
	assert_false(maildir_keys_may_have(&keys, "five")); /* among the flags */
	assert_false(maildir_keys_may_have(&keys, "on"));
	maildir_keys_free(&keys);
	fd = maildir_find_key(dir, "two");
	assert_true(fd != -1);
	close(fd);
	assert_int_equal(maildir_find_key(dir, "five"), -1);
	assert_int_equal(errno, ENOENT);
	for (size_t i = 0; i < COUNT(files); i++)
		assert_int_equal(unlinkat(dir, files[i], 0), 0);
	unlinkat(dir, "new", AT_REMOVEDIR);
	unlinkat(dir, "cur", AT_REMOVEDIR);
	close(dir);
	rmdir(path);
}

static void
parsed(void **state)
{
	struct maildir_name got;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(names); i++) {
		maildir_name_parse(span_of(names[i].name), &got);
		assert_true(span_is(got.unique, names[i].unique));
		assert_int_equal(got.has_size, names[i].has_size);
		assert_int_equal(got.has_wire, names[i].has_wire);
		if (got.has_size)
			assert_int_equal(got.size, names[i].size);
		if (got.has_wire)
			assert_int_equal(got.wire, names[i].wire);
		assert_true(span_is(got.flags, names[i].flags));
	}
}

/* --- on disk ------------------------------------------------------------- */

struct place {
	char dir[32];
	int root, msg;
};

static int
set_up(void **state)
{
	struct place *p = mem_alloc(1, sizeof(*p));
	bool linkable;

	(void)strlcpy(p->dir, "/tmp/maildir.XXXXXX", sizeof(p->dir));
	assert_non_null(mkdtemp(p->dir));
	p->root = open(p->dir, O_RDONLY | O_DIRECTORY);
	p->msg = file_unnamed_at(p->root, 0660, &linkable);
	assert_int_not_equal(p->msg, -1);
	assert_int_equal(file_write_all(p->msg, "hello\n", 6), 0);
	*state = p;
	return 0;
}

static int
tear_down(void **state)
{
	struct place *p = *state;

	file_close(p->root);
	file_close(p->msg);
	assert_int_equal(tree_remove(p->dir), 0);
	free(p);
	return 0;
}

static void
content_is(int dir, const char *path, const char *text, nlink_t links)
{
	struct buf got = BUF_INIT(100);
	struct stat st;

	assert_int_equal(file_slurp_at(dir, path, &got), 0);
	assert_string_equal(buf_str(&got), text);
	assert_int_equal(fstatat(dir, path, &st, 0), 0);
	assert_int_equal(st.st_nlink, links);
	buf_free(&got);
}

static void
linked(void **state)
{
	struct place *p = *state;
	int ann = maildir_open(p->root, "example.org/ann");
	int bob = maildir_open(p->root, "example.org/bob");
	struct stat st;
	bool copied = true;

	assert_int_not_equal(ann, -1);
	assert_int_not_equal(bob, -1);
	assert_int_equal(fstatat(p->root, "example.org/ann/tmp", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(maildir_deliver(ann, p->msg, NAME, &copied), 0);
	assert_false(copied);
	assert_int_equal(maildir_deliver(bob, p->msg, NAME, &copied), 0);
	content_is(p->root, "example.org/ann/new/" NAME, "hello\n", 2);
	/* Again: it is there already. */
	assert_int_equal(maildir_deliver(ann, p->msg, NAME, &copied), 0);
	content_is(p->root, "example.org/ann/new/" NAME, "hello\n", 2);
	/* A maildir whose directories somebody removed. */
	assert_int_equal(unlinkat(bob, "new/" NAME, 0), 0);
	assert_int_equal(unlinkat(bob, "new", AT_REMOVEDIR), 0);
	assert_int_equal(maildir_deliver(bob, p->msg, NAME, &copied), 0);
	content_is(bob, "new/" NAME, "hello\n", 2);
	file_close(ann);
	file_close(bob);
}

/* /dev/shm is another file system: the message cannot be linked. */
static void
copied_over(void **state)
{
	struct place *p = *state;
	char shm[] = "/dev/shm/maildir.XXXXXX";
	struct stat here, there;
	int root, ann;
	bool copied = false;

	if (mkdtemp(shm) == NULL)
		skip();
	root = open(shm, O_RDONLY | O_DIRECTORY);
	assert_int_equal(fstat(root, &there), 0);
	assert_int_equal(fstat(p->root, &here), 0);
	if (here.st_dev == there.st_dev)
		skip();
	ann = maildir_open(root, "ann");
	assert_int_not_equal(ann, -1);
	/* What a crash left behind is no hindrance. */
	assert_int_equal(file_replace_at(ann, "tmp/" NAME, "hel", 3, 0600), 0);
	assert_int_equal(maildir_deliver(ann, p->msg, NAME, &copied), 0);
	assert_true(copied);
	content_is(ann, "new/" NAME, "hello\n", 1);
	assert_int_equal(faccessat(ann, "tmp/" NAME, F_OK, 0), -1);
	assert_int_equal(maildir_deliver(ann, p->msg, NAME, &copied), 0);
	content_is(ann, "new/" NAME, "hello\n", 1);
	file_close(ann);
	file_close(root);
	assert_int_equal(tree_remove(shm), 0);
}

static void
kept_inside(void **state)
{
	static const char *const paths[] = { "../x", "/tmp/x", "a/../../x",
		"out/x", "out", "" };
	struct place *p = *state;
	bool copied;
	char *name;
	size_t i;
	int ann;

	assert_int_equal(symlinkat("/tmp", p->root, "out"), 0);
	for (i = 0; i < COUNT(paths); i++)
		assert_int_equal(maildir_open(p->root, paths[i]), -1);
	assert_int_equal(access("/tmp/x", F_OK), -1);
	ann = maildir_open(p->root, "ann");
	name = mem_alloc(NAME_MAX + 2, 1);
	memset(name, 'n', NAME_MAX + 1);
	assert_int_equal(maildir_deliver(ann, p->msg, name, &copied), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	free(name);
	file_close(ann);
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formatted),
		cmocka_unit_test(found_by_key),
		cmocka_unit_test(parsed),
		IN_PLACE(linked),
		IN_PLACE(copied_over),
		IN_PLACE(kept_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
