/*
 * plan: the timetable of `collect --serve`.
 *
 * Where there are many accounts they are spread over a tenth of their interval, each always by the same bit: a thousand
 * of them do not knock at one provider's door in the same second.
 */
#include "collector/plan.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/store/state.h"

#define SPREAD_MAX_S 30
#define SPREAD_PER_S 20 /* accounts; fewer need not be spread */

/* FNV-1a: only to tell texts apart and to spread names. */
static uint32_t
mark_of(struct span s)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.s[i]) * 16777619u;
	return h;
}

static int64_t
spread_s(const struct plan *plan, const struct planned *p)
{
	size_t room = schedule_every(&p->schedule) / 10;

	if (room > SPREAD_MAX_S)
		room = SPREAD_MAX_S;
	if (room > plan->n / SPREAD_PER_S)
		room = plan->n / SPREAD_PER_S;
	return room == 0 ? 0 : (int64_t)(mark_of(span_of(p->name)) % room);
}

void
plan_next(const struct plan *plan, struct planned *p, int64_t now_s)
{
	bool fresh = p->fresh;
	int64_t next;

	p->fresh = false;
	next = schedule_next(&p->schedule, p->last_s, now_s);

	if (p->idle && (fresh || next == SCHEDULE_NEVER))
		next = now_s; /* its schedule is for when it cannot stay */
	if (next != SCHEDULE_NEVER)
		next += spread_s(plan, p);
	p->due_s = next != SCHEDULE_NEVER && next < p->not_before_s ? p->not_before_s : next;
}

/* --- the maps ------------------------------------------------------------ */

struct reading {
	struct plan *plan;
	struct house *house;
	struct state *state;
	struct arena *arena;
	int64_t now_s;
	void (*changed)(void *, struct planned *);
	void *arg;
	size_t room;
	size_t hint; /* accounts mostly come in the order they have */
};

static struct planned *
find(struct reading *r, const char *name)
{
	for (size_t k = 0; k < r->plan->n; k++) {
		size_t i = (r->hint + k) % r->plan->n;

		if (strcmp(r->plan->v[i]->name, name) == 0) {
			r->hint = i + 1;
			return r->plan->v[i];
		}
	}
	return NULL;
}

static struct planned *
add(struct reading *r, const char *name)
{
	struct planned *p = mem_alloc(1, sizeof(*p));
	struct state_run last;

	p->name = mem_dup(name);
	p->fd = -1;
	if (r->state != NULL && state_run_last(r->state, name, &last) == 1)
		p->last_s = last.started_s;
	if (r->plan->n == r->room) {
		r->room = r->room == 0 ? 64 : r->room * 2;
		r->plan->v = mem_grow(r->plan->v, r->room, sizeof(struct planned *));
	}
	r->plan->v[r->plan->n++] = p;
	return p;
}

/* Its password may be another now; the process will see. */
static void
try_again(struct planned *p)
{
	p->not_before_s = p->last_s = 0;
	p->fresh = true;
}

static int
read_entry(void *arg, const char *name, struct span value)
{
	struct reading *r = arg;
	uint32_t mark = mark_of(value);
	struct planned *p = find(r, name);
	struct buf why = BUF_INIT(4096);
	struct upstream up;
	bool fresh = p == NULL;

	if (p != NULL && p->text_mark == mark) {
		p->there = true;
		if (p->not_before_s > r->now_s && p->pid == 0)
			try_again(p);
		goto out;
	}
	if (upstream_parse(value, r->arena, &up, &why) == -1) { /* compile would not have let it pass */
		log_error(EV_WARNING, LS("text", "an account of upstreams is not understood"), LS("account", name),
		    LS("reason", buf_str(&why)));
		goto out;
	}
	if (fresh)
		p = add(r, name);
	p->there = true;
	p->text_mark = mark;
	p->schedule = up.schedule;
	p->idle = up.idle;
	p->not_before_s = 0; /* somebody mended it, perhaps */
	p->fresh = true;
	if (!fresh)
		r->changed(r->arg, p);
out:
	arena_reset(r->arena);
	buf_free(&why);
	return 0;
}

static void
remove_entry(struct reading *r, struct planned *p)
{
	p->due_s = SCHEDULE_NEVER;
	r->changed(r->arg, p);
	if (p->pid == 0)
		plan_forget(r->plan, p);
}

void
plan_read(struct plan *plan, struct house *h, int64_t now_s, void (*changed)(void *, struct planned *), void *arg)
{
	struct buf why = BUF_INIT(1024);
	struct reading r = { .plan = plan, .house = h, .now_s = now_s, .changed = changed, .arg = arg,
		.arena = arena_new(), .state = state_open(h->state_dir, &why), .room = plan->n };

	if (r.state == NULL)
		log_error(EV_WARNING, LS("text", "cannot use the collector's state"), LS("reason", buf_str(&why)));
	for (size_t i = 0; i < plan->n; i++)
		plan->v[i]->there = false;
	if (house_each_account(h, read_entry, &r) == -1)
		log_error(EV_WARNING, LS("text", "cannot read the map upstreams"));
	for (size_t i = plan->n; i-- > 0;)
		if (!plan->v[i]->there)
			remove_entry(&r, plan->v[i]);
		else if (plan->v[i]->fresh)
			plan_next(plan, plan->v[i], now_s);
	state_close(r.state); /* SQLite's connections do not survive fork(2) */
	arena_free(r.arena);
	buf_free(&why);
}

/* --- who is next --------------------------------------------------------- */

struct planned *
plan_due(const struct plan *plan, int64_t now_s, int64_t *next_s)
{
	struct planned *first = NULL;

	for (size_t i = 0; i < plan->n; i++) {
		struct planned *p = plan->v[i];

		if (p->pid == 0 && p->there && (first == NULL || p->due_s < first->due_s))
			first = p;
	}
	*next_s = first == NULL ? SCHEDULE_NEVER : first->due_s;
	return first != NULL && first->due_s <= now_s ? first : NULL;
}

bool
plan_asks_queue(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->v[i]->schedule.when_queued > 0)
			return true;
	return false;
}

void
plan_queued(const struct plan *plan, uint64_t waiting, int64_t now_s)
{
	for (size_t i = 0; i < plan->n; i++) {
		struct planned *p = plan->v[i];
		bool full = p->schedule.when_queued > 0 && waiting >= p->schedule.when_queued;

		if (full && !p->queue_full && p->due_s > now_s && p->not_before_s <= now_s)
			p->due_s = now_s;
		p->queue_full = full;
	}
}

void
plan_link_up(const struct plan *plan, int64_t now_s)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->v[i]->idle && plan->v[i]->pid == 0 && plan->v[i]->not_before_s <= now_s)
			plan->v[i]->due_s = now_s;
}

void
plan_forget(struct plan *plan, struct planned *p)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->v[i] == p) {
			memmove(&plan->v[i], &plan->v[i + 1], (plan->n - i - 1) * sizeof(struct planned *));
			plan->n--;
			break;
		}
	free(p->name);
	free(p);
}

void
plan_free(struct plan *plan)
{
	while (plan->n > 0)
		plan_forget(plan, plan->v[plan->n - 1]);
	free(plan->v);
	*plan = (struct plan){ 0 };
}
