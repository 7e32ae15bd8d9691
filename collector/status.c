/*
 * status: what the state knows of the last runs, as people read it.
 */
#include "collector/status.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "collector/choice.h"
#include "collector/lines.h"
#include "collector/trouble.h"
#include "lib/base/log.h"

static void
show_last(struct state *state, const char *name)
{
	struct buf line = BUF_INIT(1024);
	struct state_run r;
	struct trouble t;
	char when[40];
	time_t at;
	struct tm tm;

	if (state_run_last(state, name, &r) != 1) {
		buf_addf(&line, "%s: never collected", name);
	} else {
		at = (time_t)r.started_s;
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", localtime_r(&at, &tm));
		line_add_run(&line, name, &r);
		buf_addf(&line, ", on %s, %lld s: %s%s", when, (long long)(r.ended_s - r.started_s),
		    *r.error != '\0' ? "failed: " : "ok", r.error);
	}
	trouble_load(state, name, &t);
	if (t.cause != TROUBLE_NONE) {
		buf_adds(&line, "; ");
		trouble_add_text(&line, &t);
	}
	line_put(&line);
	buf_free(&line);
}

int
status_show(struct house *h, char *const *names, size_t n)
{
	struct buf why = BUF_INIT(1024);
	struct state *state = state_open(h->state_dir, &why);
	struct choice c;
	int rv = choice_make(&c, h, names, n);

	if (state == NULL)
		fatal(EX_UNAVAILABLE, "%s", buf_str(&why));
	for (size_t i = 0; rv == 0 && i < c.n; i++)
		show_last(state, c.v[i].name);
	state_close(state);
	choice_free(&c);
	buf_free(&why);
	return rv;
}
