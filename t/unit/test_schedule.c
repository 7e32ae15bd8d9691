/* test_schedule: when an account is due, with the clock in our hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/store/schedule.h"

static const struct {
	const char *in, *why; /* NULL: it is good */
} texts[] = {
	{ "every 5m", NULL },
	{ "mon-fri 07:00-19:00 every 5m; sat,sun every 1h", NULL },
	{ "Fri-Mon 22:00-6:00 every 90s;", NULL },
	{ "  every 24h ;  when-queued 5", NULL },
	{ "00:00-24:00 every 1s", NULL },
	{ "none", NULL },
	{ "manual", NULL },
	{ "when-queued 3", NULL },
	{ "", "is meant" },
	{ ";", "is meant" },
	{ "every 5m;;every 1h", "is meant" },
	{ "5m", "is meant" },
	{ "none; every 5m", "is meant" },
	{ "mon-fry every 5m", "is meant" },
	{ "mon - fri every 5m", "is meant" },
	{ "every", "is meant" },
	{ "every 0", "the interval is" },
	{ "every 25h", "at most 24h" },
	{ "every 5m 07:00-19:00", "the interval is" },
	{ "07:00 every 5m", "hours are written" },
	{ "7-19 every 5m", "is meant" },
	{ "07:00-24:01 every 5m", "hours are written" },
	{ "24:00-07:00 every 5m", "hours are written" },
	{ "07:60-19:00 every 5m", "hours are written" },
	{ "07:0-19:00 every 5m", "hours are written" },
	{ "when-queued", "how many" },
	{ "when-queued 0", "how many" },
	{ "when-queued -1", "how many" },
	{ "every 1m;every 1m;every 1m;every 1m;every 1m;every 1m;every 1m;every 1m;every 1m;every 1m;every 1m;every 1m;"
	  "every 1m;every 1m;every 1m;every 1m;every 1m", "too many" },
};

static void
reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct buf why = BUF_INIT(4096);
		struct schedule s;
		int rv = schedule_parse(span_of(texts[i].in), &s, &why);

		if ((rv == 0) != (texts[i].why == NULL) || (rv == -1 && strstr(buf_str(&why), texts[i].why) == NULL))
			fail_msg("\"%s\": %s", texts[i].in, buf_str(&why));
		buf_free(&why);
	}
}

/* "2026-11-20 18:59" or "...:30", the local time; behind it, where the clock shows that twice: "^" the first, "*" the
 * second. */
static int64_t
at(const char *text)
{
	struct tm tm = { .tm_isdst = -1 };
	const char *rest;

	if (strcmp(text, "-") == 0)
		return 0;
	rest = strptime(text, "%Y-%m-%d %H:%M", &tm);
	assert_non_null(rest);
	if (*rest == ':')
		rest = strptime(rest, ":%S", &tm);
	tm.tm_isdst = *rest == '*' ? 0 : *rest == '^' ? 1 : -1;
	return (int64_t)mktime(&tm);
}

#define OFFICE "mon-fri 07:00-19:00 every 5m; sat,sun every 1h"
/* 2026-11-20 is a Friday. In Berlin the clock goes from 02:00 to 03:00 on 2026-03-29, from 03:00 to 02:00 on
 * 2026-10-25. */
static const struct {
	const char *schedule, *last, *now, *next; /* "never" */
} times[] = {
	{ "every 5m", "-", "2026-11-20 10:00", "2026-11-20 10:00" },
	{ "every 5m", "2026-11-20 09:58", "2026-11-20 10:00", "2026-11-20 10:03" },
	{ "every 5m", "2026-11-20 09:55", "2026-11-20 10:00", "2026-11-20 10:00" },
	{ "every 5m", "2026-11-19 09:55", "2026-11-20 10:00", "2026-11-20 10:00" },
	{ "every 5m", "2026-11-20 23:58", "2026-11-20 23:59", "2026-11-21 00:03" },
	{ OFFICE, "2026-11-20 18:54", "2026-11-20 18:59", "2026-11-20 18:59" },
	{ OFFICE, "2026-11-20 18:58", "2026-11-20 18:59", "2026-11-21 00:00" },
	{ OFFICE, "2026-11-20 18:54", "2026-11-20 19:00", "2026-11-21 00:00" },
	{ OFFICE, "2026-11-20 18:54", "2026-11-20 19:01", "2026-11-21 00:00" },
	{ OFFICE, "-", "2026-11-20 19:01", "2026-11-21 00:00" },
	{ OFFICE, "2026-11-21 00:00", "2026-11-21 00:01", "2026-11-21 01:00" },
	{ OFFICE, "2026-11-21 23:30", "2026-11-21 23:40", "2026-11-22 00:30" }, /* a day is no new beginning */
	{ OFFICE, "2026-11-22 23:30", "2026-11-22 23:40", "2026-11-23 07:00" },
	{ OFFICE, "2026-11-20 12:00", "2026-11-24 06:00", "2026-11-24 07:00" }, /* was down: nothing is made up for */
	/* over midnight: Saturday's small hours are Friday's */
	{ "fri 22:00-06:00 every 1h", "-", "2026-11-21 05:59", "2026-11-21 05:59" },
	{ "fri 22:00-06:00 every 1h", "2026-11-21 04:59:30", "2026-11-21 05:30", "2026-11-21 05:59:30" },
	{ "fri 22:00-06:00 every 1h", "2026-11-21 05:30", "2026-11-21 05:59", "2026-11-27 22:00" },
	{ "fri 22:00-06:00 every 1h", "-", "2026-11-20 05:00", "2026-11-20 22:00" },
	{ "fri 22:00-06:00 every 1h", "-", "2026-11-21 06:00", "2026-11-27 22:00" },
	{ "sat-mon 09:00-10:00 every 1h", "-", "2026-11-24 09:30", "2026-11-28 09:00" },
	{ "22:00-22:00 every 6h", "2026-11-20 22:00", "2026-11-20 23:00", "2026-11-21 04:00" }, /* a day from then on */
	/* an interval longer than its hours: once in each */
	{ "mon-fri 07:00-08:00 every 24h", "2026-11-19 07:40", "2026-11-20 07:00", "2026-11-20 07:40" },
	{ "mon-fri 07:00-08:00 every 24h", "2026-11-19 12:00", "2026-11-19 12:01", "2026-11-20 07:00" },
	{ "mon-fri 07:00-08:00 every 24h", "2026-11-20 07:00", "2026-11-20 07:01", "2026-11-23 07:00" },
	/* several rules: the earliest */
	{ "every 1h; 08:00-09:00 every 10m", "2026-11-20 07:59", "2026-11-20 08:00", "2026-11-20 08:09" },
	{ "every 1h; 08:00-09:00 every 10m", "2026-11-20 07:20", "2026-11-20 07:21", "2026-11-20 08:00" },
	/* the clock is put forward: 02:00 to 03:00 is no time, and the day has its run */
	{ "02:00-03:00 every 24h", "2026-03-28 02:00", "2026-03-28 12:00", "2026-03-29 03:00" },
	{ "02:15-02:45 every 24h", "2026-03-28 02:15", "2026-03-29 00:00", "2026-03-29 03:15" },
	{ "02:00-03:00 every 24h", "2026-03-29 03:00", "2026-03-29 03:01", "2026-03-30 02:00" },
	{ "every 1h", "2026-03-29 01:30", "2026-03-29 01:31", "2026-03-29 03:30" },
	{ "sun 00:00-24:00 every 24h", "2026-03-28 23:00", "2026-03-29 12:00", "2026-03-29 12:00" },
	{ "mon 00:00-24:00 every 24h", "2026-03-29 23:30", "2026-03-29 23:40", "2026-03-30 23:30" },
	/* and back: the hour that comes twice is one stretch of two hours, the day is one day */
	{ "02:00-03:00 every 24h", "2026-10-24 02:00", "2026-10-24 12:00", "2026-10-25 02:00^" },
	{ "02:00-03:00 every 24h", "2026-10-25 02:00^", "2026-10-25 02:10*", "2026-10-26 02:00" },
	{ "02:00-03:00 every 1h", "2026-10-25 02:00^", "2026-10-25 02:10^", "2026-10-25 02:00*" },
	{ "every 1h", "2026-10-25 02:30^", "2026-10-25 02:31^", "2026-10-25 02:30*" },
	{ "sun every 24h", "2026-10-24 12:00", "2026-10-24 12:00", "2026-10-25 11:00" },
	{ "sun every 24h", "2026-10-25 00:00", "2026-10-25 23:59", "2026-11-01 00:00" },
	/* the clock was set back: by a little, and by more than the interval */
	{ "every 5m", "2026-11-20 10:00", "2026-11-20 09:58", "2026-11-20 10:05" },
	{ "every 5m", "2026-11-21 10:00", "2026-11-20 10:00", "2026-11-20 10:00" },
	{ OFFICE, "2027-11-21 10:00", "2026-11-20 20:00", "2026-11-21 00:00" },
	{ "none", "-", "2026-11-20 10:00", "never" },
	{ "when-queued 5", "-", "2026-11-20 10:00", "never" },
};

static void
next_moments(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(times); i++) {
		struct buf why = BUF_INIT(4096);
		struct schedule s;
		int64_t want = strcmp(times[i].next, "never") == 0 ? SCHEDULE_NEVER : at(times[i].next), got;
		time_t shown;
		char text[40];
		struct tm tm;

		assert_int_equal(schedule_parse(span_of(times[i].schedule), &s, &why), 0);
		got = schedule_next(&s, at(times[i].last), at(times[i].now));
		shown = (time_t)got;
		if (got != want) {
			strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %Z", localtime_r(&shown, &tm));
			fail_msg("\"%s\", last %s, at %s: not %s but %s", times[i].schedule, times[i].last,
			    times[i].now, times[i].next, got == SCHEDULE_NEVER ? "never" : text);
		}
		buf_free(&why);
	}
}

/* Through two changes of the clock, minute by minute: each day has exactly its runs. */
static void
no_day_is_skipped(void **state)
{
	struct buf why = BUF_INIT(4096);
	struct schedule s;

	(void)state;
	assert_int_equal(schedule_parse(SPAN("02:10-02:40 every 12h"), &s, &why), 0);
	for (int year = 0; year < 2; year++) {
		int64_t now = at(year == 0 ? "2026-03-25 00:00" : "2026-10-20 00:00"), last = 0;
		int runs = 0;

		for (int64_t end = now + 10 * 86400 + 3600; now < end; now += 60)
			if (schedule_next(&s, last, now) == now) {
				struct tm tm;
				time_t t = (time_t)now;

				runs++;
				last = now;
				localtime_r(&t, &tm);
				assert_in_range(tm.tm_hour, 1, 3);
			}
		assert_int_equal(runs, 10);
	}
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(reads), cmocka_unit_test(next_moments),
		cmocka_unit_test(no_day_is_skipped) };

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
