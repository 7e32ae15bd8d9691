/*
 * serve: sleeps until an account is due, and starts the same process for it that `posthouse collect` starts.
 *
 * An account whose process has not said anything for a while waits on its server: it gives its place to another, so that
 * slow and dead servers delay nobody. Knows no protocol, and holds no secret.
 */
#include "collector/serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collector/child.h"
#include "collector/plan.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"
#include "lib/wire/submit.h"

#define LOOK_MS 2000           /* how often we look for a new generation */
#define QUIET_MS 5000          /* who says nothing for so long is waiting */
#define CROWD 5                /* times collect_parallel: so many processes at most, waiting ones included */
#define QUEUE_LOOK_MS 2000     /* how often queued is asked, where one stays or an account wants to know */
#define CLOCK_STEP_S 5         /* the wall clock went another way than the monotonic one: it was set */
#define STAY_LONG_MS 60000     /* a connection that lived so long may be made again at once */
#define STAY_PAUSE_S 10
#define STAY_PAUSE_MAX_S 300

struct serve {
	struct house *house;
	struct plan plan;
	char generation[64];
	int64_t clock_offset_s;    /* wall clock minus monotonic clock */
	deadline_ms queue_look;    /* when to ask queued again */
	bool link_down;            /* by its last answer */
	struct pollfd *fds;        /* of the processes, for poll(2) */
	struct planned **polled;
	size_t room;
};

static int64_t
now_s(void)
{
	return (int64_t)time(NULL);
}

/* --- processes ----------------------------------------------------------- */

struct crowd {
	size_t busy, polls, stays; /* working; all that will end by themselves; those that stay */
};

static struct crowd
count(const struct serve *s)
{
	int64_t quiet_since = clock_mono_ms() - QUIET_MS;
	struct crowd c = { 0 };

	for (size_t i = 0; i < s->plan.n; i++) {
		const struct planned *p = s->plan.v[i];

		if (p->pid == 0)
			continue;
		c.busy += p->heard_ms > quiet_since && !p->stayed;
		c.polls += !p->stayed;
		c.stays += p->stayed;
	}
	return c;
}

static void
start(struct serve *s, struct planned *p, bool may_stay)
{
	struct chosen account = { .name = p->name };
	struct map_entry e;

	p->last_s = now_s();
	if (map_find(s->house->maps, MAP_UPSTREAMS, span_of(p->name), &e) != 1) {
		p->due_s = SCHEDULE_NEVER; /* a new generation is about to be seen */
		return;
	}
	account.value = e.value;
	p->pid = child_start(s->house, &account, (struct child_how){ .stay = may_stay && p->idle }, &p->fd);
	p->started_ms = p->heard_ms = clock_mono_ms();
	p->stayed = p->ended = false;
}

static void
tell_stays_to_end(const struct serve *s)
{
	for (size_t i = 0; i < s->plan.n; i++)
		if (s->plan.v[i]->pid != 0 && s->plan.v[i]->stayed)
			(void)kill(s->plan.v[i]->pid, SIGTERM);
}

/* How much waits there, and is the link down? Then who only waits for mail lets go of it; when it is up they are the
 * first. */
static void
ask_queue(struct serve *s)
{
	bool down = false;
	uint64_t waiting;

	s->queue_look = deadline_in(QUEUE_LOOK_MS);
	if (submit_count(s->house->submit_path, &waiting, &down) == -1)
		return;
	plan_queued(&s->plan, waiting, now_s());
	if (down)
		tell_stays_to_end(s);
	else if (s->link_down)
		plan_link_up(&s->plan, now_s());
	s->link_down = down;
}

/* As many as there are places. When the next one is due, or until when to wait for a place. */
static deadline_ms
start_due(struct serve *s)
{
	const struct conf *conf = &s->house->conf;
	struct crowd c = count(s);
	struct planned *p;
	int64_t next_s = SCHEDULE_NEVER, now = now_s();
	bool asked = false;

	for (; !proc_stopping && (p = plan_due(&s->plan, now, &next_s)) != NULL; c.busy++, c.polls++) {
		if (c.busy >= conf->collect_parallel || c.polls >= conf->collect_parallel * CROWD)
			return deadline_in(QUIET_MS / 5);
		if (!asked)
			ask_queue(s);
		asked = true;
		if (s->link_down)
			return NEVER;
		start(s, p, c.stays < conf->collect_idle);
	}
	return next_s == SCHEDULE_NEVER || next_s - now > LOOK_MS / 1000 ? NEVER : deadline_in((next_s - now) * 1000);
}

/* One that waits for mail is connected again soon; less soon when that does not last. */
static void
plan_stay(struct planned *p)
{
	int64_t soon;

	p->pauses = clock_mono_ms() - p->started_ms >= STAY_LONG_MS ? 0 : p->pauses + 1;
	soon = p->pauses > 5 ? STAY_PAUSE_MAX_S : (int64_t)STAY_PAUSE_S << (p->pauses > 0 ? p->pauses - 1 : 0);
	if (now_s() + soon < p->due_s && now_s() + soon >= p->not_before_s)
		p->due_s = now_s() + soon;
}

static void
reap(struct serve *s, struct planned *p)
{
	struct buf how = BUF_INIT(128);

	child_wait(p->pid, &how);
	if (!p->ended)
		log_error(EV_WARNING, LS("text", "the process of an account died"), LS("account", p->name),
		    LS("reason", buf_str(&how)));
	buf_free(&how);
	file_close(p->fd);
	p->fd = -1;
	p->pid = 0;
	if (!p->there) {
		plan_forget(&s->plan, p);
		return;
	}
	plan_next(&s->plan, p, now_s());
	if (p->stayed)
		plan_stay(p);
}

static void
hear(struct serve *s, struct planned *p)
{
	struct report r;
	ssize_t n = read(p->fd, &r, sizeof(r));

	if (n != (ssize_t)sizeof(r)) {
		if (n != -1 || errno != EINTR)
			reap(s, p);
		return;
	}
	p->heard_ms = clock_mono_ms();
	if (r.kind == REPORT_ROUND)
		p->stayed = true;
	if (r.kind != REPORT_PROGRESS)
		p->not_before_s = r.not_before_s;
	if (r.kind == REPORT_END)
		p->ended = true;
}

static void
await(struct serve *s, deadline_ms until)
{
	nfds_t n = 0;

	if (s->room < s->plan.n) {
		s->room = s->plan.n;
		s->fds = mem_grow(s->fds, s->room, sizeof(*s->fds));
		s->polled = mem_grow(s->polled, s->room, sizeof(struct planned *));
	}
	for (size_t i = 0; i < s->plan.n; i++)
		if (s->plan.v[i]->pid != 0) {
			s->polled[n] = s->plan.v[i];
			s->fds[n++] = (struct pollfd){ s->plan.v[i]->fd, POLLIN, 0 };
		}
	if (poll(s->fds, n, deadline_left(until)) > 0)
		for (nfds_t i = 0; i < n; i++)
			if (s->fds[i].revents != 0)
				hear(s, s->polled[i]);
}

/* --- what changes -------------------------------------------------------- */

/* One that stays keeps what it was told when it began. */
static void
tell_changed(void *arg, struct planned *p)
{
	(void)arg;
	if (p->pid != 0 && p->stayed)
		(void)kill(p->pid, SIGTERM);
}

static void
look_at_maps(struct serve *s)
{
	struct house *h = s->house;

	(void)generation_refresh(&h->maps);
	if (strcmp(generation_name(h->maps), s->generation) == 0)
		return;
	router_refresh(&h->router);
	strlcpy(s->generation, generation_name(h->maps), sizeof(s->generation));
	plan_read(&s->plan, h, now_s(), tell_changed, s);
}

/* The clock was set: every time that was computed before is another one now. */
static void
look_at_clock(struct serve *s)
{
	int64_t offset = now_s() - clock_mono_ms() / 1000;

	if (offset - s->clock_offset_s < CLOCK_STEP_S && s->clock_offset_s - offset < CLOCK_STEP_S)
		return;
	s->clock_offset_s = offset;
	for (size_t i = 0; i < s->plan.n; i++)
		plan_next(&s->plan, s->plan.v[i], now_s());
}

static void
look_at_queue(struct serve *s)
{
	if (deadline_over(s->queue_look) && (s->link_down || count(s).stays > 0 || plan_asks_queue(&s->plan)))
		ask_queue(s);
}

/* --- the service --------------------------------------------------------- */

static void
stop(struct serve *s)
{
	struct crowd c;

	for (size_t i = 0; i < s->plan.n; i++)
		if (s->plan.v[i]->pid != 0)
			(void)kill(s->plan.v[i]->pid, SIGTERM);
	for (c = count(s); c.polls + c.stays > 0; c = count(s))
		await(s, NEVER);
}

int
serve(struct house *h)
{
	struct serve s = { .house = h, .clock_offset_s = now_s() - clock_mono_ms() / 1000 };

	log_event(EV_COLLECT_SERVING, LN("parallel", h->conf.collect_parallel));
	while (!proc_stopping) {
		look_at_maps(&s);
		look_at_clock(&s);
		look_at_queue(&s);
		await(&s, deadline_earlier(start_due(&s), deadline_in(LOOK_MS)));
	}
	stop(&s);
	plan_free(&s.plan);
	free(s.fds);
	free(s.polled);
	return 0;
}
