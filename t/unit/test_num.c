/* test_num: lib/base/num.c and lib/base/clock.c */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/num.h"

struct row {
	const char *in;
	uint64_t max;
	int error; /* 0: fine */
	uint64_t out;
};

static void
run(int (*parse)(struct span, uint64_t, uint64_t *), const struct row *r,
    size_t n)
{
	uint64_t out;
	int rv;

	for (; n > 0; r++, n--) {
		out = 77;
		errno = 0;
		rv = parse(span_of(r->in), r->max, &out);
		assert_int_equal(rv, r->error != 0 ? -1 : 0);
		assert_int_equal(errno, r->error);
		assert_int_equal(out, r->error != 0 ? 77 : r->out);
	}
}

static void
numbers(void **state)
{
	static const struct row rows[] = {
		{ "0", 10, 0, 0 },
		{ "10", 10, 0, 10 },
		{ "0010", 10, 0, 10 },
		{ "11", 10, ERANGE, 0 },
		{ "18446744073709551615", UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, ERANGE, 0 },
		{ "4294967297", UINT32_MAX, ERANGE, 0 },
		{ "99999999999999999999999999", UINT64_MAX, ERANGE, 0 },
		{ "99999999999999999999999999x", UINT64_MAX, EINVAL, 0 },
		{ "", 10, EINVAL, 0 },
		{ "+1", 10, EINVAL, 0 },
		{ "-1", 10, EINVAL, 0 },
		{ " 1", 10, EINVAL, 0 },
		{ "1 ", 10, EINVAL, 0 },
		{ "1x", 10, EINVAL, 0 },
		{ "1.0", 10, EINVAL, 0 },
		{ "0x1", 10, EINVAL, 0 },
		{ "\xd9\xa1", 10, EINVAL, 0 }, /* a digit, elsewhere */
	};
	uint64_t out;

	(void)state;
	run(num_parse, rows, COUNT(rows));
	assert_int_equal(num_parse(SPAN("1\0"), 10, &out), -1);
}

static void
durations(void **state)
{
	static const struct row rows[] = {
		{ "90", 1000, 0, 90 },
		{ "90s", 1000, 0, 90 },
		{ "15m", 1000, 0, 900 },
		{ "12h", 100000, 0, 43200 },
		{ "5d", 1000000, 0, 432000 },
		{ "2w", 2000000, 0, 1209600 },
		{ "2W", 2000000, 0, 1209600 },
		{ "2w", 1209599, ERANGE, 0 },
		{ "99999999999999999w", UINT64_MAX, ERANGE, 0 },
		{ "", 10, EINVAL, 0 },
		{ "m", 10, EINVAL, 0 },
		{ "1ms", 10, EINVAL, 0 },
		{ "1 m", 100, EINVAL, 0 },
		{ "1y", 100, EINVAL, 0 },
		{ "-1m", 100, EINVAL, 0 },
	};

	(void)state;
	run(num_duration, rows, COUNT(rows));
}

static void
sizes(void **state)
{
	static const struct row rows[] = {
		{ "4096", 5000, 0, 4096 },
		{ "64k", 1 << 20, 0, 65536 },
		{ "50M", 1 << 30, 0, 52428800 },
		{ "2G", UINT64_MAX, 0, 2147483648u },
		{ "1T", UINT64_MAX, 0, UINT64_C(1) << 40 },
		{ "16777216T", UINT64_MAX, ERANGE, 0 },
		{ "65k", 65536, ERANGE, 0 },
		{ "1kB", 65536, EINVAL, 0 },
		{ "k", 65536, EINVAL, 0 },
		{ "", 65536, EINVAL, 0 },
	};

	(void)state;
	run(num_size, rows, COUNT(rows));
}

static void
deadlines(void **state)
{
	deadline_ms d;

	(void)state;
	assert_int_equal(deadline_left(NEVER), -1);
	assert_false(deadline_over(NEVER));
	assert_int_equal(deadline_in(INT64_MAX), NEVER);
	assert_int_equal(deadline_earlier(NEVER, 5), 5);
	d = deadline_in(0);
	assert_true(deadline_over(d));
	assert_int_equal(deadline_left(d), 0);
	assert_int_equal(deadline_left(d - 1000), 0);
	d = deadline_in(60000);
	assert_false(deadline_over(d));
	assert_in_range(deadline_left(d), 50000, 60000);
	assert_int_equal(deadline_left(deadline_in(INT64_C(1) << 40)), INT_MAX);
	/* the 21st century, before 2200 */
	assert_true(clock_real_us() > INT64_C(1577836800000000));
	assert_true(clock_real_us() < INT64_C(7258118400000000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes),
		cmocka_unit_test(deadlines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
