/*
 * replay: what went to the fallback is sorted again, after the rules were improved.
 */
#include "collector/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "collector/lines.h"
#include "collector/redo.h"
#include "lib/base/log.h"
#include "lib/sys/proc.h"

#define PLACES 24

struct replay {
	struct account account;
	struct box box;
	struct redo redo;
	struct arena *arena; /* of a message */
	bool dry;
	size_t seen, sorted;
};

/* "1A2B3C: ann, bob (header-recipient, To)" */
static void
tell(const struct replay *r, const struct stored *s, const struct sort_result *res)
{
	struct buf line = BUF_INIT(4096);
	size_t told = 0;

	buf_addspan(&line, box_id(s->name));
	buf_adds(&line, ": ");
	for (size_t i = 0; res->count > 0 && i < r->account.people_count; i++)
		if (res->gets[i])
			buf_addf(&line, "%s%s", told++ > 0 ? ", " : "", sort_account_user(r->account.sort, i));
	if (told == 0)
		buf_adds(&line, "nobody");
	buf_addf(&line, " (%s", sort_class_name(res->class));
	if (*res->field != '\0' || *res->reason != '\0')
		buf_addf(&line, ", %s", *res->field != '\0' ? res->field : res->reason);
	buf_adds(&line, ")");
	line_put(&line);
	buf_free(&line);
}

/* Is it for others than the one who has it? *keep: for him, too. */
static bool
improved(const struct replay *r, const struct sort_result *res, bool *keep)
{
	if (res->count == 0 || res->class == SORT_FALLBACK)
		return false;
	*keep = res->gets[r->account.fallback];
	return !*keep || res->count > 1;
}

static int
sort_again(struct replay *r, struct stored *s, struct buf *why)
{
	struct sort_header header;
	struct sort_result res;
	bool keep = false;

	r->seen++;
	arena_reset(r->arena);
	stored_header(s, r->arena, &header);
	account_sort(&r->account, &header, r->arena, &res, NULL);
	tell(r, s, &res);
	if (!improved(r, &res, &keep))
		return 0;
	r->sorted++;
	return r->dry ? 0 : redo_message(&r->redo, s, NULL, keep, why);
}

/* The collector put it there because nobody was named. */
static bool
is_candidate(const struct replay *r, const struct stored *s)
{
	return span_is(s->mark.account, r->account.name) && span_is(s->mark.evidence, sort_class_name(SORT_FALLBACK));
}

static int
each_message(struct replay *r, struct buf *why)
{
	char name[BOX_NAME];
	int fd, rv;

	while ((rv = box_next(&r->box, name, &fd, why)) == 1) {
		struct stored s;

		if (stored_open(&s, sort_account_site(r->account.sort), fd, name) && is_candidate(r, &s))
			rv = sort_again(r, &s, why);
		stored_close(&s);
		if (rv == -1 || proc_stopping)
			break;
	}
	return rv == -1 ? -1 : 0;
}

static int
work(struct replay *r, struct house *h, struct buf *why)
{
	int rv;

	if (r->dry)
		return each_message(r, why);
	if (redo_begin(&r->redo, h, &r->account, &r->box, why) == -1)
		return -1;
	rv = each_message(r, why);
	if (redo_settle(&r->redo, why) == -1) /* what went well before a failure, too */
		rv = -1;
	redo_end(&r->redo);
	return rv;
}

int
replay_account(struct house *h, char *name, bool dry)
{
	static struct replay r; /* one a process */
	struct box_place places[PLACES];
	struct buf why = BUF_INIT(4096);
	struct choice c;
	size_t n;
	int rv;

	if (choice_make(&c, h, (char *const[]){ name }, 1) != 0)
		return EX_USAGE;
	r.dry = dry;
	r.arena = arena_new();
	if (account_open(&r.account, h, c.v[0].name, c.v[0].value, &why) == -1)
		fatal(EX_CONFIG, "cannot use %s of upstreams: %s", name, buf_str(&why));
	n = redo_places(h, &r.account, r.account.arena, places, PLACES);
	if (n == 0)
		fatal(EX_CONFIG, "%s: the mail of fallback=%s goes to no mailbox here", name, r.account.up.fallback);
	box_open(&r.box, &h->conf, places, n);
	proc_drop(USER_COLLECT);
	rv = work(&r, h, &why);
	box_close(&r.box);
	if (rv == -1)
		fprintf(stderr, "collect: %s: %s\n", name, buf_str(&why));
	printf("%s: %zu %s in the fallback's mailbox, %zu %s\n", name, r.seen, r.seen == 1 ? "message" : "messages",
	    r.sorted, dry ? "would go elsewhere" : "went elsewhere");
	account_close(&r.account);
	arena_free(r.arena);
	choice_free(&c);
	buf_free(&why);
	return rv == -1 || proc_stopping ? EX_TEMPFAIL : 0;
}
