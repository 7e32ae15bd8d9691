/*
 * date: RFC 5322, 3.3. Its names are English in every locale.
 */
#include "lib/mail/date.h"

#include <stdlib.h>

void
date_add(struct buf *out, time_t when)
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu",
		"Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct tm tm;
	long zone_min;

	if (localtime_r(&when, &tm) == NULL) { /* a year beyond int */
		when = 0;
		gmtime_r(&when, &tm);
	}
	zone_min = tm.tm_gmtoff / 60;
	buf_addf(out, "%s, %02d %s %04d %02d:%02d:%02d %c%02ld%02ld",
	    days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
	    tm.tm_hour, tm.tm_min, tm.tm_sec, zone_min < 0 ? '-' : '+',
	    labs(zone_min) / 60, labs(zone_min) % 60);
}
