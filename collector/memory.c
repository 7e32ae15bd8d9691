/*
 * memory: the collector's state for people (collect --state, --forget).
 */
#include "collector/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "collector/choice.h"
#include "collector/lines.h"
#include "collector/lock.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"

static struct state *
open_state(const struct house *h)
{
	struct buf why = BUF_INIT(1024);
	struct state *s = state_open(h->state_dir, &why);

	if (s == NULL)
		fatal(EX_UNAVAILABLE, "%s", buf_str(&why));
	buf_free(&why);
	return s;
}

/* As it stands in upstreams, or in the state: it may have been collected from once. NULL: in neither; that is told. */
static char *
real_name(struct house *h, struct state *s, char *account)
{
	struct state_summary sum;
	struct choice c;
	char *name = NULL;

	if (state_summary(s, account, &sum) == 0 && sum.known)
		return mem_dup(account);
	if (choice_make(&c, h, &account, 1) == 0)
		name = mem_dup(c.v[0].name);
	choice_free(&c);
	return name;
}

static void
add_time(struct buf *b, int64_t when_s)
{
	time_t at = (time_t)when_s;
	struct tm tm;
	char text[40];

	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", localtime_r(&at, &tm));
	buf_adds(b, text);
}

static void
put(struct buf *line)
{
	line_put(line);
	buf_reset(line);
}

/* --- showing ------------------------------------------------------------- */

static void
show_run(struct state *s, const char *name, struct buf *line)
{
	struct state_run r;

	if (state_run_last(s, name, &r) == 1) {
		struct buf when = BUF_INIT(60);

		buf_adds(&when, "last run      ");
		add_time(&when, r.started_s);
		line_add_run(line, buf_str(&when), &r);
		buf_free(&when);
		buf_addf(line, ": %s%s", *r.error != '\0' ? "failed: " : "ok", r.error);
	} else {
		buf_adds(line, "last run      never");
	}
	put(line);
}

static void
show_box(void *arg, const struct state_box_summary *b)
{
	struct buf *line = arg;

	if (*b->folder != '\0') {
		buf_addf(line, "folder        %s (UIDVALIDITY %llu)", b->folder, (unsigned long long)b->validity);
		put(line);
	}
	if (b->listed_s != 0) {
		buf_adds(line, "last listing  ");
		add_time(line, b->listed_s);
		buf_addf(line, ": %llu messages upstream", (unsigned long long)b->listed);
		put(line);
	}
	buf_addf(line, "UIDs          %llu taken, %llu left there; %llu of them missing upstream",
	    (unsigned long long)b->taken, (unsigned long long)b->left, (unsigned long long)b->gone);
	put(line);
}

static void
show_summary(const struct state_summary *sum, struct buf *line)
{
	if (sum->noted > 0) {
		buf_addf(line, "noted         %llu messages that the queue has and the disk may not have yet",
		    (unsigned long long)sum->noted);
		put(line);
	}
	buf_addf(line, "digests       %llu messages", (unsigned long long)sum->digests);
	if (sum->digests > 0) {
		buf_adds(line, ", the first of ");
		add_time(line, (int64_t)sum->oldest_digest_s);
	}
	put(line);
	if (sum->doubtful) {
		buf_adds(line, "in doubt      a run goes on or was cut off, or the machine was started since: until one ends well, "
		               "mailboxes are searched for copies");
		put(line);
	}
}

struct folders { /* of the account, when its UIDs are to be listed, too */
	char **v;
	size_t n;
};

static void
add_folder(void *arg, const struct state_box_summary *b)
{
	struct folders *f = arg;

	f->v = mem_grow(f->v, f->n + 1, sizeof(*f->v));
	f->v[f->n++] = mem_dup(b->folder);
}

static void
show_uid(void *arg, const struct state_uid_line *l)
{
	struct buf *line = arg;

	buf_addf(line, "%s  ", l->left ? "left " : "taken");
	add_time(line, l->since_s);
	buf_addf(line, " %9llu  ", (unsigned long long)l->octets);
	buf_addspan(line, l->uid);
	if (l->gone_s != 0) {
		buf_adds(line, "  missing upstream since ");
		add_time(line, l->gone_s);
	}
	put(line);
}

static int
show_uids(struct state *s, const char *name, struct buf *line)
{
	struct folders f = { 0 };
	int rv = state_each_box(s, name, add_folder, &f);

	for (size_t i = 0; i < f.n; i++) {
		if (rv == 0 && *f.v[i] != '\0') {
			buf_addf(line, "folder %s", f.v[i]);
			put(line);
		}
		if (rv == 0)
			rv = state_each_uid(s, name, f.v[i], show_uid, line);
		free(f.v[i]);
	}
	free(f.v);
	return rv;
}

int
memory_show(struct house *h, char *account, bool uids)
{
	struct state *s = open_state(h);
	struct buf line = BUF_INIT(4096);
	struct state_summary sum;
	char *name = real_name(h, s, account);
	int rv = -1;

	if (name != NULL && state_summary(s, name, &sum) == 0) {
		buf_adds(&line, name);
		put(&line);
		show_run(s, name, &line);
		rv = state_each_box(s, name, show_box, &line);
		show_summary(&sum, &line);
		if (rv == 0 && uids)
			rv = show_uids(s, name, &line);
	}
	buf_free(&line);
	state_close(s);
	rv = name == NULL ? EX_USAGE : rv == -1 ? EX_UNAVAILABLE : 0;
	free(name);
	return rv;
}

/* --- forgetting ---------------------------------------------------------- */

static int
tell_consequences(const char *name)
{
	printf("All that is known of %s would be forgotten: every message that is still upstream comes again with the next\n"
	       "run, also to those who have it. If that is meant: posthouse collect --forget %s --yes\n", name, name);
	return EX_USAGE;
}


/* In whatever folder it is. 1: forgotten; 0: there is none; -1. */
static int
forget_uid(struct state *s, const char *name, const char *uid)
{
	struct folders f = { 0 };
	int rv = state_each_box(s, name, add_folder, &f), found = 0;

	for (size_t i = 0; i < f.n; i++) {
		if (rv == 0 && (rv = state_drop_uid(s, name, f.v[i], span_of(uid))) == 1) {
			found = 1;
			rv = 0;
		}
		free(f.v[i]);
	}
	free(f.v);
	return rv == -1 ? -1 : found;
}

static int
forget(struct state *s, const char *name, const char *uid)
{
	int rv = uid != NULL ? forget_uid(s, name, uid) : state_drop_account(s, name);

	if (rv == 1 && uid != NULL)
		printf("%s: forgotten: when %s is still upstream it comes again with the next run\n", name, uid);
	else if (rv == 1)
		printf("%s: forgotten: what is still upstream comes again with the next run\n", name);
	else if (rv == 0)
		printf("%s: nothing is known of %s\n", name, uid != NULL ? uid : "it");
	return rv == -1 ? EX_UNAVAILABLE : rv == 0 ? EX_USAGE : 0;
}

int
memory_forget(struct house *h, char *account, const char *uid, bool sure)
{
	struct state *s = open_state(h);
	struct buf why = BUF_INIT(1024);
	char *name = real_name(h, s, account);
	int lock, rv = EX_USAGE;

	if (name != NULL && uid == NULL && !sure) {
		rv = tell_consequences(name);
	} else if (name != NULL) {
		lock = lock_claim(h, name, &why);
		if (lock == -1)
			fatal(EX_TEMPFAIL, "%s", buf_str(&why));
		rv = forget(s, name, uid);
		file_close(lock);
	}
	free(name);
	state_close(s);
	buf_free(&why);
	return rv;
}
