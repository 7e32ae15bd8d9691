/*
 * full: when no more mail is taken: queue_limit and queue_free_floor, and the gauge that tells smtpd of both.
 *
 * smtpd refuses by the gauge, so while space is low nobody may ask for files, and the disk is looked at by a timer.
 */
#include <sys/statvfs.h>

#include "queue/queued.h"

#define SPACE_KNOWN_MS 1000

static bool
look_at_disk(const struct queued *q)
{
	struct statvfs v;

	return fstatvfs(q->spool.new_fd, &v) == 0 &&
	    ((uint64_t)v.f_bavail * v.f_frsize < q->conf.queue_free_floor || (v.f_files > 0 && v.f_favail == 0));
}

void
full_show(struct queued *q)
{
	bool full = q->conf.queue_limit != 0 && q->records.count >= q->conf.queue_limit;

	gauge_set(&q->gauge, (full ? GAUGE_FULL : 0u) | (q->space_low ? GAUGE_LOW : 0u));
}

bool
full_space_low(struct queued *q)
{
	static const struct timeval again = { SPACE_KNOWN_MS / 1000, 0 };
	int64_t now = clock_mono_ms();

	if (now - q->space_seen_ms < SPACE_KNOWN_MS)
		return q->space_low;
	q->space_seen_ms = now;
	q->space_low = look_at_disk(q);
	if (q->space_low)
		evtimer_add(q->space_timer, &again);
	full_show(q);
	return q->space_low;
}

static void
on_space(evutil_socket_t fd, short what, void *arg)
{
	struct queued *q = arg;

	(void)fd, (void)what;
	q->space_seen_ms -= SPACE_KNOWN_MS;
	(void)full_space_low(q);
}

void
full_begin(struct queued *q)
{
	q->space_timer = evtimer_new(q->base, on_space, q);
	q->space_seen_ms = clock_mono_ms() - SPACE_KNOWN_MS;
	(void)full_space_low(q);
}
