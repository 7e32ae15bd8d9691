/* Tests of lib/net/callers.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/net/callers.h"

static struct callers all;

static struct caller *
enter(const char *address)
{
	struct ip ip;

	assert_int_equal(ip_parse(span_of(address), &ip), 0);
	return caller_enter(&all, &ip);
}

static void
test_counts(void **state)
{
	struct caller *a, *b, *c;

	(void)state;
	callers_init(&all, false);
	a = enter("192.0.2.1");
	assert_ptr_equal(enter("192.0.2.1"), a);
	b = enter("192.0.2.255");
	c = enter("192.0.3.0");
	assert_int_equal(a->count, 2);
	assert_int_equal(a->network->count, 3);
	assert_ptr_equal(b->network, a->network);
	assert_int_equal(c->network->count, 1);
	assert_int_equal(all.connections, 4);
	caller_leave(&all, a);
	caller_leave(&all, a);
	assert_int_equal(b->network->count, 1);
	caller_leave(&all, b);
	caller_leave(&all, c);
	assert_int_equal(all.connections, 0);
	assert_int_equal(all.idle_count, 0);
}

static void
test_v6(void **state)
{
	struct caller *a, *b, *c;

	(void)state;
	callers_init(&all, false);
	a = enter("2001:db8:1:2::3");
	assert_ptr_equal(enter("2001:db8:1:2:ffff::"), a);
	b = enter("2001:db8:1:3::");
	assert_ptr_equal(b->network, a->network);
	c = enter("2001:db8:2:2::3");
	assert_ptr_not_equal(c->network, a->network);
	caller_leave(&all, a);
	caller_leave(&all, a);
	caller_leave(&all, b);
	caller_leave(&all, c);
}

/* Who is gone is remembered for its minute, and of many only the last ones. */
static void
test_minute(void **state)
{
	struct caller *a;

	(void)state;
	callers_init(&all, true);
	a = enter("192.0.2.1");
	caller_leave(&all, a);
	assert_int_equal(all.idle_count, 1);
	assert_ptr_equal(enter("192.0.2.1"), a);
	assert_int_equal(a->came, 2);
	assert_int_equal(all.idle_count, 0);
	a->since_ms -= 60000;
	caller_leave(&all, a);
	assert_int_equal(all.idle_count, 0);
	for (unsigned i = 0; i < 30000; i++) {
		struct ip ip = { false, { 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i } };

		caller_leave(&all, caller_enter(&all, &ip));
	}
	assert_int_equal(all.idle_count, 20000);
	TAILQ_FOREACH(a, &all.idle, idler)
		a->since_ms -= 60000;
	a = enter("192.0.2.1");
	assert_int_equal(all.idle_count, 0);
	a->since_ms -= 60000;
	caller_leave(&all, a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_v6),
		cmocka_unit_test(test_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
