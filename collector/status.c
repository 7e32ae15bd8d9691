/*
 * status: how each account stands: its last run, when the next is due, what is wrong, and the totals. From the state and
 * the maps, for people and for programs.
 */
#include "collector/status.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "collector/choice.h"
#include "collector/lines.h"
#include "collector/trouble.h"
#include "lib/base/log.h"

struct standing {
	const char *name;
	bool ever;           /* there was a run */
	struct state_run run;
	struct trouble trouble;
	struct totals totals;
	int64_t next_s;      /* SCHEDULE_NEVER: when somebody asks; the spreading over an interval is left out */
};

static void
look(const struct chosen *account, struct state *state, int64_t now_s, struct standing *s)
{
	struct arena *arena = arena_new();
	struct buf why = BUF_INIT(1024);
	struct upstream up;

	*s = (struct standing){ .name = account->name, .next_s = SCHEDULE_NEVER };
	s->ever = state_run_last(state, account->name, &s->run) == 1;
	trouble_load(state, account->name, &s->trouble);
	totals_load(state, account->name, &s->totals);
	if (upstream_parse(account->value, arena, &up, &why) == 0)
		s->next_s = schedule_next(&up.schedule, s->ever ? s->run.started_s : 0, now_s);
	if (s->next_s != SCHEDULE_NEVER && s->next_s < s->trouble.not_before_s)
		s->next_s = s->trouble.not_before_s;
	arena_free(arena);
	buf_free(&why);
}

/* --- for people ---------------------------------------------------------- */

static void
add_time(struct buf *b, int64_t at_s)
{
	char text[40];
	time_t at = (time_t)at_s;
	struct tm tm;

	if (localtime_r(&at, &tm) != NULL && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) > 0)
		buf_adds(b, text);
}

static void
print_last(const struct standing *s)
{
	struct buf line = BUF_INIT(1024);

	if (!s->ever) {
		buf_addf(&line, "%s: never collected", s->name);
	} else {
		line_add_run(&line, s->name, &s->run);
		buf_adds(&line, ", on ");
		add_time(&line, s->run.started_s);
		buf_addf(&line, ", %lld s: %s%s", (long long)(s->run.ended_s - s->run.started_s),
		    *s->run.error != '\0' ? "failed: " : "ok", s->run.error);
	}
	line_put(&line);
	buf_free(&line);
}

static void
print_totals(const struct totals *t)
{
	struct buf line = BUF_INIT(512);

	buf_adds(&line, "    since ");
	add_time(&line, t->since_s);
	buf_addf(&line, ": %llu message%s, ", (unsigned long long)t->messages, t->messages == 1 ? "" : "s");
	line_add_octets(&line, t->octets);
	buf_addf(&line, " in %llu run%s, %llu of them failed", (unsigned long long)t->runs, t->runs == 1 ? "" : "s",
	    (unsigned long long)t->failures);
	line_put(&line);
	buf_free(&line);
}

static void
print_standing(const struct standing *s, bool served, int64_t now_s)
{
	struct buf line = BUF_INIT(512);

	print_last(s);
	if (s->trouble.cause != TROUBLE_NONE) {
		buf_adds(&line, "    ");
		trouble_add_text(&line, &s->trouble);
		line_put(&line);
		buf_reset(&line);
	}
	if (served && s->next_s != SCHEDULE_NEVER) {
		buf_adds(&line, "    next run: ");
		if (s->next_s <= now_s)
			buf_adds(&line, "due");
		else
			add_time(&line, s->next_s);
		line_put(&line);
	}
	if (s->totals.runs > 0)
		print_totals(&s->totals);
	buf_free(&line);
}

/* --- for programs -------------------------------------------------------- */

static json_t *
json_time(int64_t at_s)
{
	return at_s == 0 || at_s == SCHEDULE_NEVER ? json_null() : json_integer((json_int_t)at_s);
}

static json_t *
json_text(const char *s)
{
	json_t *text = json_string(s);

	return text != NULL ? text : json_string("(not UTF-8)");
}

static json_t *
json_standing(const struct standing *s)
{
	static const char *const causes[] = { [TROUBLE_NONE] = "", [TROUBLE_LOGIN] = "login", [TROUBLE_TLS] = "tls",
		[TROUBLE_OTHER] = "other" };
	json_t *run = json_null(), *trouble = json_null();

	if (s->ever)
		run = json_pack("{s:o, s:o, s:I, s:I, s:I, s:o}", "started", json_time(s->run.started_s), "ended",
		    json_time(s->run.ended_s), "messages", (json_int_t)s->run.messages, "octets",
		    (json_int_t)s->run.octets, "left", (json_int_t)s->run.left, "error", json_text(s->run.error));
	if (s->trouble.cause != TROUBLE_NONE)
		trouble = json_pack("{s:s, s:I, s:o, s:o}", "cause", causes[s->trouble.cause], "failures",
		    (json_int_t)s->trouble.failures, "since", json_time(s->trouble.since_s), "not_before",
		    json_time(s->trouble.not_before_s));
	return json_pack("{s:o, s:o, s:o, s:o, s:{s:I, s:I, s:I, s:I, s:o, s:o}}", "account", json_text(s->name),
	    "last", run, "trouble", trouble, "next", json_time(s->next_s), "totals", "runs", (json_int_t)s->totals.runs,
	    "failed", (json_int_t)s->totals.failures, "messages", (json_int_t)s->totals.messages, "octets",
	    (json_int_t)s->totals.octets, "since", json_time(s->totals.since_s), "good", json_time(s->totals.good_s));
}

/* --- both ---------------------------------------------------------------- */

int
status_show(struct house *h, char *const *names, size_t n, bool json)
{
	struct buf why = BUF_INIT(1024);
	struct state *state = state_open(h->state_dir, &why);
	struct choice c;
	int rv = choice_make(&c, h, names, n);
	json_t *all = json ? json_array() : NULL;
	int64_t now_s = (int64_t)time(NULL);
	struct standing s;

	if (state == NULL)
		fatal(EX_UNAVAILABLE, "%s", buf_str(&why));
	for (size_t i = 0; rv == 0 && i < c.n; i++) {
		look(&c.v[i], state, now_s, &s);
		if (json)
			json_array_append_new(all, json_standing(&s));
		else
			print_standing(&s, h->conf.collect_serve, now_s);
	}
	if (json && rv == 0) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(all);
	state_close(state);
	choice_free(&c);
	buf_free(&why);
	return rv;
}
