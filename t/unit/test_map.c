/* test_map: compiled tables, one generation at a time. */
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
#include <unistd.h>

#include "lib/base/limits.h"
#include "lib/store/map.h"
#include "lib/sys/file.h"

#define WANTED (1u << MAP_USERS | 1u << MAP_ALIASES)

struct place {
	char dir[32];
	int fd;
};

static int
set_up(void **state)
{
	struct place *p = mem_alloc(1, sizeof(*p));

	(void)strlcpy(p->dir, "/tmp/map.XXXXXX", sizeof(p->dir));
	assert_non_null(mkdtemp(p->dir));
	p->fd = open(p->dir, O_RDONLY | O_DIRECTORY);
	assert_int_not_equal(p->fd, -1);
	*state = p;
	return 0;
}

static int
tear_down(void **state)
{
	static const char *const names[] = { "1/users.cdb", "1/aliases.cdb",
		"2/users.cdb", "2/aliases.cdb", "current" };
	struct place *p = *state;
	size_t i;

	for (i = 0; i < COUNT(names); i++)
		(void)unlinkat(p->fd, names[i], 0);
	(void)unlinkat(p->fd, "1", AT_REMOVEDIR);
	(void)unlinkat(p->fd, "2", AT_REMOVEDIR);
	file_close(p->fd);
	assert_int_equal(rmdir(p->dir), 0);
	free(p);
	return 0;
}

/* Generation name with one user, at line, and no alias; current. */
static void
publish(const struct place *p, const char *name, const char *user,
    unsigned line, const char *value)
{
	struct buf why = BUF_INIT(500);
	struct map_writer *w;
	unsigned first;
	int dir;

	assert_int_equal(mkdirat(p->fd, name, 0755), 0);
	dir = openat(p->fd, name, O_RDONLY | O_DIRECTORY);
	w = map_create(dir, MAP_USERS, 0644, &why);
	assert_non_null(w);
	assert_int_equal(map_put(w, SPAN(" note"), 0, SPAN("x"), &first), 0);
	assert_int_equal(map_put(w, span_of(user), line, span_of(value),
	    &first), 0);
	assert_int_equal(map_finish(w, (uid_t)-1, &why), 0);
	w = map_create(dir, MAP_ALIASES, 0600, &why);
	assert_non_null(w);
	assert_int_equal(map_finish(w, (uid_t)-1, &why), 0);
	(void)unlinkat(p->fd, "current", 0);
	assert_int_equal(symlinkat(name, p->fd, "current"), 0);
	file_close(dir);
	buf_free(&why);
}

static void
one_generation(void **state)
{
	struct buf why = BUF_INIT(500);
	struct generation *g;
	struct map_entry e;

	assert_null(generation_open(((struct place *)*state)->dir, WANTED,
	    &why));
	assert_non_null(strstr(buf_str(&why), "posthouse compile"));
	publish(*state, "1", "ann@example.org", 70000, "name=\"Ann\"");
	g = generation_open(((struct place *)*state)->dir, WANTED, &why);
	assert_non_null(g);
	assert_string_equal(generation_name(g), "1");
	assert_int_equal(map_find(g, MAP_USERS, SPAN("ann@example.org"), &e), 1);
	assert_int_equal(e.line, 70000);
	assert_true(span_is(e.value, "name=\"Ann\""));
	assert_int_equal(map_find(g, MAP_USERS, SPAN("bob@example.org"), &e), 0);
	assert_int_equal(map_find(g, MAP_USERS, SPAN(""), &e), 0);
	assert_int_equal(map_find(g, MAP_ALIASES, SPAN("ann"), &e), 0);
	assert_int_equal(map_find(g, MAP_ROUTES, SPAN("ann"), &e), -1);

	/* Another generation: ours stays until we ask. */
	publish(*state, "2", "bob@example.org", 2, "");
	assert_int_equal(map_find(g, MAP_USERS, SPAN("ann@example.org"), &e), 1);
	assert_true(generation_refresh(&g));
	assert_string_equal(generation_name(g), "2");
	assert_int_equal(map_find(g, MAP_USERS, SPAN("bob@example.org"), &e), 1);
	assert_int_equal(e.line, 2);
	assert_int_equal(e.value.len, 0);

	/* One that cannot be opened leaves the old one in force. */
	assert_int_equal(unlinkat(((struct place *)*state)->fd, "current", 0), 0);
	assert_int_equal(symlinkat("3", ((struct place *)*state)->fd,
	    "current"), 0);
	assert_false(generation_refresh(&g));
	assert_int_equal(map_find(g, MAP_USERS, SPAN("bob@example.org"), &e), 1);
	generation_close(g);
	buf_free(&why);
}

static int
add_key(void *arg, struct span key, const struct map_entry *e)
{
	buf_addf(arg, "%.*s:%u ", (int)key.len, key.s, e->line);
	return span_is(key, "stop") ? 7 : 0;
}

static void
put_and_each(void **state)
{
	struct place *p = *state;
	struct buf why = BUF_INIT(500), keys = BUF_INIT(500);
	struct generation *g;
	struct map_writer *w;
	char *large = mem_alloc(LIMIT_MAP_LINE + 1, 1);
	unsigned first;
	int dir;

	memset(large, 'x', LIMIT_MAP_LINE + 1);
	assert_int_equal(mkdirat(p->fd, "1", 0755), 0);
	dir = openat(p->fd, "1", O_RDONLY | O_DIRECTORY);
	w = map_create(dir, MAP_USERS, 0400, &why);
	assert_int_equal(map_put(w, SPAN(" note"), 1, SPAN("x"), &first), 0);
	assert_int_equal(map_put(w, SPAN("b"), 3, SPAN("x"), &first), 0);
	assert_int_equal(map_put(w, SPAN("a"), 4, SPAN("y"), &first), 0);
	assert_int_equal(map_put(w, SPAN("b"), 9, SPAN("z"), &first), 1);
	assert_int_equal(first, 3);
	assert_int_equal(map_put(w, SPAN("c"), 5, SPAN("z"), &first), 0);
	assert_int_equal(map_put(w, SPAN("d"), 6, (struct span){ large,
	    LIMIT_MAP_LINE + 1 }, &first), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(map_put(w, SPAN("d"), 6, (struct span){ large,
	    LIMIT_MAP_LINE }, &first), 0);
	assert_int_equal(map_finish(w, (uid_t)-1, &why), 0);
	file_close(dir);
	assert_int_equal(symlinkat("1", p->fd, "current"), 0);

	g = generation_open(p->dir, 1u << MAP_USERS, &why);
	assert_non_null(g);
	assert_int_equal(map_each(g, MAP_USERS, add_key, &keys), 0);
	assert_string_equal(buf_str(&keys), "b:3 a:4 c:5 d:6 ");
	generation_close(g);
	free(large);
	buf_free(&why);
	buf_free(&keys);
}

static void
many_keys(void **state)
{
	enum { N = 50000 };
	struct place *p = *state;
	struct buf why = BUF_INIT(500);
	struct generation *g;
	struct map_writer *w;
	struct map_entry e;
	char key[32];
	unsigned i, first;
	int dir;

	assert_int_equal(mkdirat(p->fd, "1", 0755), 0);
	dir = openat(p->fd, "1", O_RDONLY | O_DIRECTORY);
	w = map_create(dir, MAP_USERS, 0644, &why);
	for (i = 1; i <= N; i++) {
		(void)snprintf(key, sizeof(key), "u%u@example.org", i);
		assert_int_equal(map_put(w, span_of(key), i, span_of(key),
		    &first), 0);
	}
	for (i = 1; i <= N; i += 777) {
		(void)snprintf(key, sizeof(key), "u%u@example.org", i);
		assert_int_equal(map_put(w, span_of(key), i + N, SPAN(""),
		    &first), 1);
		assert_int_equal(first, i);
	}
	assert_int_equal(map_finish(w, (uid_t)-1, &why), 0);
	file_close(dir);
	assert_int_equal(symlinkat("1", p->fd, "current"), 0);
	g = generation_open(p->dir, 1u << MAP_USERS, &why);
	assert_non_null(g);
	for (i = 1; i <= N; i++) {
		(void)snprintf(key, sizeof(key), "u%u@example.org", i);
		assert_int_equal(map_find(g, MAP_USERS, span_of(key), &e), 1);
		assert_int_equal(e.line, i);
		assert_true(span_is(e.value, key));
	}
	generation_close(g);
	buf_free(&why);
}

static void
not_a_table(void **state)
{
	struct place *p = *state;
	struct buf why = BUF_INIT(500);

	assert_int_equal(mkdirat(p->fd, "1", 0755), 0);
	assert_int_equal(file_replace_at(p->fd, "1/users.cdb", "short", 5,
	    0644), 0);
	assert_int_equal(symlinkat("1", p->fd, "current"), 0);
	assert_null(generation_open(p->dir, 1u << MAP_USERS, &why));
	assert_non_null(strstr(buf_str(&why), "1/users.cdb"));
	buf_free(&why);
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_PLACE(one_generation),
		IN_PLACE(put_and_each),
		IN_PLACE(many_keys),
		IN_PLACE(not_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
