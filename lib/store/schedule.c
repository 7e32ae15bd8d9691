/*
 * schedule: weekdays, hours and intervals, and the next moment they allow.
 *
 * Goes day by day through the calendar and asks mktime(3) when each stretch of hours begins and ends, so that a
 * day of 23 or 25 hours is a day.
 */
#include "lib/store/schedule.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/base/ascii.h"
#include "lib/base/num.h"

#define ALL_DAYS 0x7f
#define DAY_MIN (24 * 60)
#define DAYS_AHEAD 8 /* a week, and the day after it */
#define QUEUED_MAX 1000000

/* --- the text ------------------------------------------------------------ */

static struct span
next_word(struct span *rest)
{
	struct span word;

	*rest = span_trim(*rest);
	word = span_cut(rest, ' ');
	return word;
}

static int
weekday(struct span s)
{
	static const char *const names[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };

	for (int i = 0; i < (int)COUNT(names); i++)
		if (span_case_is(s, names[i]))
			return i;
	return -1;
}

/* "mon-fri,sun" */
static bool
read_days(struct span s, uint8_t *days)
{
	*days = 0;
	while (s.s != NULL) {
		struct span last = span_cut(&s, ','), first = span_cut(&last, '-');
		int a = weekday(first), b = last.s == NULL ? a : weekday(last);

		if (a == -1 || b == -1)
			return false;
		for (;; a = (a + 1) % 7) {
			*days |= (uint8_t)(1u << a);
			if (a == b)
				break;
		}
	}
	return true;
}

static bool
read_time(struct span s, uint16_t *minutes)
{
	struct span hour = span_cut(&s, ':');
	uint64_t h, m;

	if (s.s == NULL || s.len != 2 || hour.len > 2 || num_parse(hour, 24, &h) == -1 || num_parse(s, 59, &m) == -1 ||
	    h * 60 + m > DAY_MIN)
		return false;
	*minutes = (uint16_t)(h * 60 + m);
	return true;
}

static bool
read_hours(struct span s, struct schedule_rule *r)
{
	struct span from = span_cut(&s, '-');

	return s.s != NULL && read_time(from, &r->from_min) && read_time(s, &r->to_min) && r->from_min < DAY_MIN;
}

static int
fault(struct buf *why, struct span rule, const char *text)
{
	buf_addf(why, "schedule: \"%.*s\": %s", (int)rule.len, rule.s, text);
	return -1;
}

static int
read_rule(struct span text, struct schedule *s, struct buf *why)
{
	struct schedule_rule r = { .days = ALL_DAYS, .to_min = DAY_MIN };
	struct span rest = text, word = next_word(&rest);
	uint64_t every;

	if (read_days(word, &r.days))
		word = next_word(&rest);
	else
		r.days = ALL_DAYS;
	if (memchr(word.s, ':', word.len) != NULL) {
		if (!read_hours(word, &r))
			return fault(why, text, "hours are written 07:00-19:00");
		word = next_word(&rest);
	}
	if (!span_case_is(word, "every") || rest.s == NULL)
		return fault(why, text, "[mon-fri] [07:00-19:00] every 5m, when-queued N, or none is meant");
	word = next_word(&rest);
	if (rest.s != NULL || num_duration(word, SCHEDULE_EVERY_MAX_S, &every) == -1 || every == 0)
		return fault(why, text, "the interval is a time such as 90s, 5m or 2h, at most 24h");
	if (s->n == SCHEDULE_RULES)
		return fault(why, text, "too many rules, 16 are allowed");
	r.every_s = (uint32_t)every;
	s->rules[s->n++] = r;
	return 0;
}

static int
read_part(struct span text, struct schedule *s, struct buf *why)
{
	struct span rest = text, word = next_word(&rest);
	uint64_t n;

	if (!span_case_is(word, "when-queued"))
		return read_rule(text, s, why);
	if (rest.s == NULL || num_parse(span_trim(rest), QUEUED_MAX, &n) == -1 || n == 0)
		return fault(why, text, "how many messages? when-queued 5, say");
	s->when_queued = (uint32_t)n;
	return 0;
}

int
schedule_parse(struct span text, struct schedule *s, struct buf *why)
{
	*s = (struct schedule){ 0 };
	text = span_trim(text);
	if (span_case_is(text, "none") || span_case_is(text, "manual"))
		return 0;
	while (text.s != NULL) {
		struct span part = span_trim(span_cut(&text, ';'));

		if (part.len == 0 && text.s == NULL && s->n > 0)
			break; /* a ";" at the end */
		if (read_part(part, s, why) == -1)
			return -1;
	}
	return 0;
}

/* --- the calendar -------------------------------------------------------- */

/* So many minutes into a local day. When the clock shows that twice, late chooses; when it never does, it is
 * the moment the clock was put forward, or about that. */
static int64_t
moment(const struct tm *day, int minutes, bool late)
{
	time_t found = -1;

	for (int dst = 1; dst >= 0; dst--) {
		struct tm tm = { .tm_year = day->tm_year, .tm_mon = day->tm_mon, .tm_mday = day->tm_mday,
			.tm_hour = minutes / 60, .tm_min = minutes % 60, .tm_isdst = dst };
		time_t t = mktime(&tm);

		/* What does not hold then is moved by mktime(3), and says so. */
		if (tm.tm_isdst == dst && tm.tm_min == minutes % 60 && tm.tm_hour == minutes / 60 % 24 &&
		    (found == -1 || late))
			found = t;
	}
	if (found == -1) {
		struct tm tm = { .tm_year = day->tm_year, .tm_mon = day->tm_mon, .tm_mday = day->tm_mday,
			.tm_hour = minutes / 60, .tm_min = minutes % 60, .tm_isdst = -1 };

		found = mktime(&tm);
	}
	return (int64_t)found;
}

/* Noon, so that no change of the clock makes it another day; tm_wday is right after it. */
static struct tm
day_from(const struct tm *today, int days)
{
	struct tm tm = { .tm_year = today->tm_year, .tm_mon = today->tm_mon, .tm_mday = today->tm_mday + days,
		.tm_hour = 12, .tm_isdst = -1 };

	(void)mktime(&tm);
	return tm;
}

/* When it is due in the hours of the rule that begin on this day; NEVER: not then, or not any more. */
static int64_t
due_on(const struct schedule_rule *r, const struct tm *day, int64_t last_s, int64_t now_s)
{
	int64_t from, to, due;

	if ((r->days >> day->tm_wday & 1) == 0)
		return SCHEDULE_NEVER;
	from = moment(day, r->from_min, false);
	to = moment(day, r->to_min <= r->from_min ? r->to_min + DAY_MIN : r->to_min, true);
	if (to <= from)
		to = from + 60; /* the clock was put forward over them */
	if (last_s > now_s + r->every_s)
		last_s = 0;
	if (r->every_s == SCHEDULE_EVERY_MAX_S && last_s >= from)
		return SCHEDULE_NEVER; /* a day of 25 hours has one run all the same */
	due = last_s + r->every_s;
	if (due < from || (due >= to && last_s < from))
		due = from;
	if (due < now_s)
		due = now_s;
	return due < to ? due : SCHEDULE_NEVER;
}

int64_t
schedule_next(const struct schedule *s, int64_t last_s, int64_t now_s)
{
	time_t now = (time_t)now_s;
	int64_t next = SCHEDULE_NEVER;
	struct tm today;

	if (localtime_r(&now, &today) == NULL)
		return now_s;
	for (int d = -1; d <= DAYS_AHEAD; d++) {
		struct tm day = day_from(&today, d);

		if (next != SCHEDULE_NEVER && moment(&day, 0, false) > next)
			break;
		for (unsigned i = 0; i < s->n; i++) {
			int64_t due = due_on(&s->rules[i], &day, last_s, now_s);

			if (due < next)
				next = due;
		}
	}
	return next;
}

uint32_t
schedule_every(const struct schedule *s)
{
	uint32_t least = 0;

	for (unsigned i = 0; i < s->n; i++)
		if (least == 0 || s->rules[i].every_s < least)
			least = s->rules[i].every_s;
	return least;
}
