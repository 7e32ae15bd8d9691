/* lib/store/uidl.c: the file of unique-ids that another server gave. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/store/uidl.h"
#include "lib/sys/file.h"

static char dir[] = "/tmp/posthouse-uidl-XXXXXX";
static int dir_fd;

static int
make_dir(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
	return dir_fd == -1 ? -1 : 0;
}

static int
remove_dir(void **state)
{
	(void)state;
	(void)unlinkat(dir_fd, UIDL_FILE, 0);
	close(dir_fd);
	return rmdir(dir);
}

static void
put(const char *octets, size_t n)
{
	assert_int_equal(file_replace_at(dir_fd, UIDL_FILE, octets, n, 0600), 0);
}

static const char *
find(const struct uidl *u, const char *name)
{
	return uidl_find(u, span_of(name));
}

static void
finds_by_name(void **state)
{
	static const char text[] = "u3 c\nu1 a name with blanks\nu2 ab\nu4 abc\n\nbad\n nouid\nuid \nb\xffx d\nz\0z e\nlast f";
	struct uidl u;

	(void)state;
	put(text, sizeof(text) - 1);
	assert_int_equal(uidl_read(&u, dir_fd), 0);
	assert_int_equal(u.n, 5);
	assert_string_equal(find(&u, "a name with blanks"), "u1");
	assert_string_equal(find(&u, "ab"), "u2");
	assert_string_equal(find(&u, "abc"), "u4");
	assert_string_equal(find(&u, "c"), "u3");
	assert_string_equal(find(&u, "f"), "last");
	assert_null(find(&u, "a"));
	assert_null(find(&u, "abcd"));
	assert_null(find(&u, "e"));
	assert_null(find(&u, ""));
	uidl_free(&u);
}

static void
nothing_there(void **state)
{
	struct uidl u;

	(void)state;
	(void)unlinkat(dir_fd, UIDL_FILE, 0);
	assert_int_equal(uidl_read(&u, dir_fd), 0);
	assert_int_equal(u.n, 0);
	assert_null(find(&u, "a"));
	uidl_free(&u);
	put("", 0);
	assert_int_equal(uidl_read(&u, dir_fd), 0);
	assert_null(find(&u, "a"));
	uidl_free(&u);
}

static void
writes_what_it_reads(void **state)
{
	struct uidl u = { 0 };
	char name[16], uid[80];

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "%u", i * 7 % 1000);
		(void)snprintf(uid, sizeof(uid), "u%u", i * 7 % 1000);
		assert_true(uidl_add(&u, span_of(uid), span_of(name)));
	}
	memset(uid, 'x', 71);
	assert_true(uidl_add(&u, (struct span){ uid, 70 }, SPAN("long")));
	assert_false(uidl_add(&u, (struct span){ uid, 71 }, SPAN("longer")));
	assert_false(uidl_add(&u, SPAN(""), SPAN("empty")));
	assert_false(uidl_add(&u, SPAN("a b"), SPAN("blank")));
	assert_false(uidl_add(&u, SPAN("a"), SPAN("a\nb")));
	assert_false(uidl_add(&u, SPAN("a"), SPAN("")));
	assert_int_equal(uidl_write(&u, dir_fd), 0);
	uidl_free(&u);
	assert_int_equal(uidl_read(&u, dir_fd), 0);
	assert_int_equal(u.n, 1001);
	assert_string_equal(find(&u, "0"), "u0");
	assert_string_equal(find(&u, "999"), "u999");
	assert_string_equal(find(&u, "500"), "u500");
	assert_int_equal(strlen(find(&u, "long")), 70);
	uidl_free(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_by_name),
		cmocka_unit_test(nothing_there),
		cmocka_unit_test(writes_what_it_reads),
	};

	return cmocka_run_group_tests_name("uidl", tests, make_dir, remove_dir);
}
