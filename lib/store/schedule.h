/*
 * schedule: when an account is due: "mon-fri 07:00-19:00 every 5m; sat,sun every 1h". Pure: the time is the
 * caller's; hours and days are those of the local time zone.
 *
 * A rule is [days] [HH:MM-HH:MM] every DURATION; ";" stands between rules. Without days it holds on all, without
 * hours all day; hours over midnight belong to the day they begin on. "when-queued N" makes due, at any
 * hour, when so many messages come to wait for going out. "none" or "manual", alone: never.
 */
#ifndef LIB_STORE_SCHEDULE_H
#define LIB_STORE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"

#define SCHEDULE_DEFAULT "every 5m"
#define SCHEDULE_RULES 16
#define SCHEDULE_EVERY_MAX_S 86400 /* so that each day a rule names has its run */
#define SCHEDULE_NEVER INT64_MAX

struct schedule_rule {
	uint8_t days;              /* bit n: weekday n, as tm_wday */
	uint16_t from_min, to_min; /* of the day; to <= from: of the next one */
	uint32_t every_s;
};
struct schedule {
	struct schedule_rule rules[SCHEDULE_RULES];
	unsigned n;
	uint32_t when_queued; /* 0: does not count */
};

/* 0; -1 with why. */
int schedule_parse(struct span, struct schedule *, struct buf *why) MUST_CHECK;
/*
 * When is it due, if it was last begun at last_s (0: never)? now_s or later; SCHEDULE_NEVER. What was missed is made
 * up for only while its hours last. In each stretch of hours it is due at least once. A last run that lies further
 * in the future than the interval (the clock was set back) counts as none.
 */
int64_t schedule_next(const struct schedule *, int64_t last_s, int64_t now_s);
/* The shortest interval of the rules; 0: there is none. */
uint32_t schedule_every(const struct schedule *);

#endif
