/*
 * lists: mailing lists that nobody here is known to read.
 *
 * What was noted is in the account until a run ends, then a fact of its state: lines "COUNT ID". The identifiers
 * were written by strangers, so neither grows without end.
 */
#include "collector/lists.h"

#include <string.h>
#include <time.h>

#include "lib/base/ascii.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "router/notice.h"

#define FACT_COUNTS "unknown lists"
#define FACT_SINCE "unknown lists since"
#define LISTS_MAX 100  /* different ones that are counted in a week */
#define ID_MAX 256     /* octets; RFC 2919, 3 allows 255 */

void
lists_note(struct account *a, const char *id)
{
	size_t n = strlen(id);

	if (n == 0 || n > ID_MAX || a->lists.len + n + 1 > a->lists.max)
		return;
	for (size_t i = 0; i < n; i++)
		if (!ascii_print((unsigned char)id[i]) || id[i] == ' ')
			return;
	buf_adds(&a->lists, id);
	buf_addc(&a->lists, '\n');
}

/* "COUNT ID" of a line; 0: it is none. */
static uint64_t
count_of(struct span line, struct span *id)
{
	uint64_t count = 0;

	*id = line;
	if (num_parse(span_cut(id, ' '), INT32_MAX, &count) == -1 || id->s == NULL)
		return 0;
	return count;
}

static uint64_t
times_in(struct span ids, struct span id)
{
	uint64_t n = 0;

	while (ids.s != NULL && ids.len > 0)
		n += span_eq(span_cut(&ids, '\n'), id);
	return n;
}

/* Counts, with what was noted added. */
static void
merge(struct span counts, struct span noted, struct buf *out)
{
	struct span rest = counts, id;
	size_t lists = 0;

	while (rest.s != NULL && rest.len > 0) {
		uint64_t count = count_of(span_cut(&rest, '\n'), &id);

		if (count == 0)
			continue;
		count += times_in(noted, id);
		buf_addf(out, "%llu %.*s\n", (unsigned long long)count, (int)id.len, id.s);
		lists++;
	}
	for (rest = noted; rest.s != NULL && rest.len > 0 && lists < LISTS_MAX;) {
		struct span before = { noted.s, (size_t)(rest.s - noted.s) }, line, known = buf_span(out);
		bool is_known = false;

		id = span_cut(&rest, '\n');
		while (known.s != NULL && known.len > 0 && !is_known) {
			(void)count_of(span_cut(&known, '\n'), &line);
			is_known = span_eq(line, id);
		}
		if (is_known || times_in(before, id) > 0)
			continue;
		buf_addf(out, "%llu %.*s\n", (unsigned long long)times_in(noted, id), (int)id.len, id.s);
		lists++;
	}
}

static void
write_text(const struct account *a, struct span counts, struct buf *out)
{
	struct span rest = counts, id, first = { NULL, 0 };

	buf_addf(out, "Mail of these mailing lists came to %s and went to %s,\nfor no list= of the account names them:\n\n",
	    a->name, a->people[a->fallback].address);
	while (rest.s != NULL && rest.len > 0) {
		uint64_t count = count_of(span_cut(&rest, '\n'), &id);

		buf_addf(out, "%6llu  %.*s\n", (unsigned long long)count, (int)id.len, id.s);
		if (first.s == NULL)
			first = id;
	}
	buf_addf(out, "\nIf somebody here reads such a list, say so in upstreams,\n\n    list=%.*s:USER\n\nor of one of its messages:\n\n"
	    "    posthouse collect assign ID USER --remember list-id\n", (int)first.len, first.s);
}

static bool
tell(struct house *h, const struct account *a, const struct buf *counts)
{
	struct buf subject = BUF_INIT(512), text = BUF_INIT(65536), why = BUF_INIT(1024);
	struct notice n = { .program = "collect" };
	bool told;

	buf_addf(&subject, "%s: mailing lists that nobody is known to read", a->name);
	write_text(a, buf_span(counts), &text);
	n.subject = buf_str(&subject);
	n.text = buf_str(&text);
	told = notice_send(&h->router, h->submit_path, &n, &why) == 0;
	if (!told)
		log_event(EV_WARNING, LS("text", buf_str(&why)));
	buf_free(&subject);
	buf_free(&text);
	buf_free(&why);
	return told;
}

void
lists_settle(struct house *h, struct account *a, struct state *state)
{
	struct buf before = BUF_INIT(65536), counts = BUF_INIT(65536), ignored = BUF_INIT(64);
	int64_t since_s = 0, set_s = 0;
	bool due;

	(void)!state_fact(state, a->name, FACT_COUNTS, &before, &set_s);
	due = state_fact(state, a->name, FACT_SINCE, &ignored, &since_s) == 1 && time(NULL) - since_s >= LISTS_EVERY_S;
	if (a->lists.len > 0) {
		merge(buf_span(&before), buf_span(&a->lists), &counts);
		(void)!state_fact_set(state, a->name, FACT_COUNTS, buf_str(&counts));
		if (since_s == 0)
			(void)!state_fact_set(state, a->name, FACT_SINCE, "yes");
		buf_reset(&a->lists);
	} else {
		buf_addspan(&counts, buf_span(&before));
	}
	if (due && tell(h, a, &counts)) {
		(void)!state_fact_set(state, a->name, FACT_COUNTS, NULL);
		(void)!state_fact_set(state, a->name, FACT_SINCE, NULL);
	}
	buf_free(&before);
	buf_free(&counts);
	buf_free(&ignored);
}
