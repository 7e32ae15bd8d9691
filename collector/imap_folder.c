/*
 * imap_folder: opening a folder, and what is new in it.
 *
 * A folder's memory is a line in the state: up to which UID nothing remains to be done, so that a run asks for
 * what is above. UIDs only ascend while UIDVALIDITY stays (RFC 9051, 2.3.1.1); once a day everything is looked at
 * again all the same, for those servers that have not read this. The listing comes in stretches of UIDs, so that a
 * million messages take no more memory than a few.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/imap_parts.h"
#include "lib/base/log.h"
#include "lib/base/num.h"

#define STRETCH 20000            /* UIDs listed at once, at first */
#define STRETCH_MAX 1000000
#define FULL_LOOK_S (24 * 3600)
#define LOOK_S 3600              /* with nothing changed (RFC 7162), a look at what waits for its time */

struct memory { /* of a folder, from run to run */
	uint64_t validity, mark, modseq;
	uint64_t left_below, left; /* too large: below the mark, in all */
	uint64_t later;            /* messages above it that need another run soon */
	uint64_t looked_s, full_s; /* when last, at what is above and at all */
	uint64_t settings;         /* what decided then */
};

/* --- memory -------------------------------------------------------------- */

/* Another word in the account, another decision on each message. */
static uint64_t
settings_of(const struct imap *m)
{
	const struct upstream *up = &m->f->account->up;
	struct buf b = BUF_INIT(4096);
	uint64_t hash = 14695981039346656037ULL; /* FNV-1a */

	buf_addf(&b, "%s %s %d %" PRIu64 " %" PRIu64 " %s", up->host, up->login, (int)up->keep, up->keep_days,
	    m->f->size_max, up->move_to != NULL ? up->move_to : "");
	for (size_t i = 0; i < b.len; i++)
		hash = (hash ^ (unsigned char)b.s[i]) * 1099511628211ULL;
	buf_free(&b);
	return hash & INT64_MAX;
}

static void
fact_name(const struct imap *m, struct buf *b)
{
	buf_addf(b, "folder:%s", m->folder.name);
}

static int
recall(struct imap *m, struct memory *mem)
{
	uint64_t *const fields[] = { &mem->validity, &mem->mark, &mem->modseq, &mem->left_below, &mem->left, &mem->later,
		&mem->looked_s, &mem->full_s, &mem->settings };
	struct buf name = BUF_INIT(400), value = BUF_INIT(400);
	struct span rest;
	int64_t since_s;
	int rv;

	*mem = (struct memory){ 0 };
	fact_name(m, &name);
	rv = state_fact(m->f->state, m->f->account->name, buf_str(&name), &value, &since_s);
	rest = buf_span(&value);
	for (size_t i = 0; rv == 1 && i < COUNT(fields); i++)
		if (rest.s == NULL || num_parse(span_cut(&rest, ' '), INT64_MAX, fields[i]) == -1)
			rv = 0;
	if (rv == 0)
		*mem = (struct memory){ 0 };
	buf_free(&name);
	buf_free(&value);
	return rv == -1 ? fetch_failed(m->f, "cannot read the state", SPAN("see the log")) : 0;
}

static int
remember(struct imap *m, const struct memory *mem)
{
	struct buf name = BUF_INIT(400), value = BUF_INIT(400);
	int rv;

	fact_name(m, &name);
	buf_addf(&value, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
	    " %" PRIu64, mem->validity, mem->mark, mem->modseq, mem->left_below, mem->left, mem->later, mem->looked_s,
	    mem->full_s, mem->settings);
	rv = state_fact_set(m->f->state, m->f->account->name, buf_str(&name), buf_str(&value));
	buf_free(&name);
	buf_free(&value);
	return rv == -1 ? fetch_failed(m->f, "cannot write the state", SPAN("see the log")) : 0;
}

void
imap_key(const struct imap *m, uint32_t uid, char out[IMAP_KEY_MAX])
{
	if (m->folder.fickle)
		*out = '\0';
	else
		snprintf(out, IMAP_KEY_MAX, "%u", (unsigned)uid);
}

/* --- opening ------------------------------------------------------------- */

static bool
changes_anything(const struct upstream *up)
{
	return up->keep != UPSTREAM_KEEP_ALL || up->mark_seen;
}

int
imap_open(struct imap *m, const char *name)
{
	int rv;

	m->folder = (struct imap_folder){ .name = name };
	imap_begin(m, "%s ", changes_anything(&m->f->account->up) ? "SELECT" : "EXAMINE");
	imap_add_folder(m, name);
	if ((m->can & IMAP_CONDSTORE) != 0)
		imap_add(m, " (CONDSTORE)");
	rv = imap_run(m, false);
	m->folder.grown = false;
	if (rv == 1)
		log_event(EV_WARNING, LS("text", "a folder cannot be opened"), LS("account", m->f->account->name),
		    LS("folder", name), LSPAN("reply", buf_span(&m->text)));
	else if (rv == 0 && m->folder.read_only && changes_anything(&m->f->account->up))
		log_event(EV_WARNING, LS("text", "a folder is read-only: what is collected stays there"),
		    LS("account", m->f->account->name), LS("folder", name));
	return rv;
}

/* --- the listing --------------------------------------------------------- */

int
imap_listed(struct imap *m, uint32_t uid, uint64_t octets)
{
	if (uid < m->list_first || uid > m->list_last)
		return 0;
	if (m->count == m->list_max)
		return fetch_failed(m->f, "no end of messages", SPAN("FETCH"));
	if (m->count == m->room) {
		m->room = m->room == 0 ? 256 : m->room * 2;
		m->messages = mem_grow(m->messages, m->room, sizeof(*m->messages));
	}
	m->messages[m->count++] = (struct imap_message){ .uid = uid, .octets = octets };
	m->unasked--;
	return 0;
}

static int
by_uid(const void *a, const void *b)
{
	const struct imap_message *x = a, *y = b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

/* Ascending, each once. */
static void
sort_messages(struct imap *m)
{
	size_t n = 0;

	if (m->count > 1)
		qsort(m->messages, m->count, sizeof(*m->messages), by_uid);
	for (size_t i = 0; i < m->count; i++)
		if (n == 0 || m->messages[i].uid != m->messages[n - 1].uid)
			m->messages[n++] = m->messages[i];
	m->count = n;
}

static int
list_stretch(struct imap *m, uint32_t first, uint32_t last)
{
	int rv;

	m->count = 0;
	m->list_first = first;
	m->list_last = last;
	m->list_max = 2 * ((size_t)last - first + 1);
	if (last == UINT32_MAX) { /* the server does not tell UIDNEXT */
		m->list_max = 2 * (size_t)STRETCH_MAX;
		imap_begin(m, "UID FETCH %u:* (UID RFC822.SIZE)", (unsigned)first);
	} else {
		imap_begin(m, "UID FETCH %u:%u (UID RFC822.SIZE)", (unsigned)first, (unsigned)last);
	}
	rv = imap_run(m, false);
	m->list_first = m->list_last = 0;
	if (rv == 1)
		return imap_failed(m, "the server does not list its messages");
	sort_messages(m);
	return rv;
}

/* --- the plan ------------------------------------------------------------ */

static int
plan_message(struct imap *m, struct imap_message *msg)
{
	const struct upstream *up = &m->f->account->up;
	uint64_t left = m->f->run->left;
	char key[IMAP_KEY_MAX];
	enum fetch_what what;

	imap_key(m, msg->uid, key);
	if (fetch_plan(m->f, key, msg->octets, &what) == -1)
		return -1;
	msg->suspect = m->f->suspect;
	if (what == FETCH_GET)
		msg->fate = IMAP_GET;
	else if (what == FETCH_DELETE)
		msg->fate = m->folder.read_only ? IMAP_LATER : IMAP_DOOMED;
	else if (m->f->run->left > left)
		msg->fate = msg->octets > m->f->size_max ? IMAP_LARGE : IMAP_LATER;
	else
		msg->fate = up->keep == UPSTREAM_KEEP_ALL ? IMAP_LEAVE : IMAP_LATER;
	return 0;
}

static int
plan(struct imap *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (plan_message(m, &m->messages[i]) == -1)
			return -1;
	return 0;
}

/* --- a stretch ----------------------------------------------------------- */

static int
tell_gone(struct imap *m)
{
	struct span uids[500];
	char (*keys)[IMAP_KEY_MAX] = mem_alloc(COUNT(uids), sizeof(*keys));
	size_t n = 0;
	int rv = 0;

	for (size_t i = 0; rv == 0 && i <= m->count; i++) {
		if (i < m->count && m->messages[i].fate == IMAP_GONE && !m->folder.fickle) {
			imap_key(m, m->messages[i].uid, keys[n]);
			uids[n] = span_of(keys[n]);
			n++;
		}
		if (n == COUNT(uids) || (i == m->count && n > 0)) {
			rv = fetch_deleted(m->f, uids, n);
			n = 0;
		}
	}
	free(keys);
	return rv;
}

/* Up to where nothing remains to be done. */
static void
account_for(const struct imap *m, struct memory *mem, bool *open)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct imap_message *msg = &m->messages[i];

		mem->left += msg->fate == IMAP_LARGE;
		if (msg->fate == IMAP_LARGE && !*open)
			mem->left_below++;
		else if (msg->fate != IMAP_LEAVE && msg->fate != IMAP_GONE && msg->fate != IMAP_LARGE) {
			if (!*open)
				mem->mark = msg->uid;
			*open = true;
			mem->later += msg->fate != IMAP_LATER || m->f->account->up.keep != UPSTREAM_KEEP_DAYS;
		}
	}
}

static bool
run_is_full(const struct imap *m)
{
	uint64_t max = m->f->account->up.max_messages;

	return max != 0 && m->f->progress.total >= max;
}

static uint32_t
stretch_end(const struct imap *m, uint32_t first, uint32_t stretch, uint32_t last)
{
	return m->folder.next == 0 || last - first < stretch ? last : first + (stretch - 1);
}

/* Everything from first to last, a stretch at a time. */
static int
collect_from(struct imap *m, uint32_t first, uint32_t last, struct memory *mem)
{
	uint32_t stretch = STRETCH, end;
	bool open = false; /* something remains to be done */

	for (uint64_t at = first; at <= last; at = (uint64_t)end + 1) {
		if (at > first && run_is_full(m)) {
			mem->later++;
			m->f->run->postponed = true;
			return 0;
		}
		end = stretch_end(m, (uint32_t)at, stretch, last);
		if (list_stretch(m, (uint32_t)at, end) == -1 || plan(m) == -1 || imap_messages(m) == -1 ||
		    tell_gone(m) == -1)
			return -1;
		if (m->folder.next == 0 && m->count > 0)
			mem->mark = (uint64_t)m->messages[m->count - 1].uid + 1;
		else if (m->folder.next != 0 && !open)
			mem->mark = (uint64_t)end + 1;
		account_for(m, mem, &open);
		if (m->count < stretch / 8)
			stretch = stretch > STRETCH_MAX / 4 ? STRETCH_MAX : stretch * 4;
	}
	return 0;
}

/* Where UIDs are in their billions, the first that there is saves asking for the others. */
static int
find_first(struct imap *m, struct memory *mem)
{
	if (m->folder.next < STRETCH_MAX)
		return 0;
	m->count = 0;
	m->list_first = 1;
	m->list_last = UINT32_MAX;
	m->list_max = 2;
	imap_begin(m, "FETCH 1 (UID)");
	if (imap_run(m, false) == -1)
		return -1;
	m->list_first = m->list_last = 0;
	if (m->count > 0 && m->messages[0].uid > mem->mark)
		mem->mark = m->messages[0].uid;
	return 0;
}

/* --- a folder ------------------------------------------------------------ */

/* What the last run knew about the UIDs that are there now. */
static void
compare(const struct imap *m, struct memory *mem)
{
	uint64_t settings = settings_of(m), now = (uint64_t)time(NULL);
	bool same = mem->validity == m->folder.validity && mem->settings == settings && !m->folder.fickle &&
	    (m->folder.next == 0 || mem->mark <= m->folder.next);

	if (same && (now - mem->full_s < FULL_LOOK_S || (m->folder.modseq != 0 && mem->modseq == m->folder.modseq)))
		return;
	*mem = (struct memory){ .validity = m->folder.validity, .mark = 1, .full_s = now, .settings = settings };
}

static bool
nothing_new(const struct imap *m, const struct memory *mem)
{
	if (m->folder.exists == 0)
		return true;
	if (m->folder.next != 0 && mem->mark == m->folder.next)
		return true;
	return m->folder.modseq != 0 && mem->modseq == m->folder.modseq && mem->later == 0 &&
	    (uint64_t)time(NULL) - mem->looked_s < LOOK_S;
}

int
imap_collect(struct imap *m, const char *name)
{
	struct memory mem;
	uint32_t last;
	bool whole;
	int rv = imap_open(m, name);

	if (rv != 0)
		return rv;
	if (state_box(m->f->state, m->f->account->name, name, m->folder.validity) == -1)
		return fetch_failed(m->f, "cannot read the state", SPAN("see the log"));
	snprintf(m->f->place, sizeof(m->f->place), "%s/%u/", name, (unsigned)m->folder.validity);
	if (recall(m, &mem) == -1)
		return -1;
	compare(m, &mem);
	if (nothing_new(m, &mem)) {
		m->f->run->left += m->folder.exists == 0 ? 0 : mem.left;
		return 0;
	}
	last = m->folder.next != 0 ? m->folder.next - 1 : UINT32_MAX;
	m->f->run->left += mem.left_below;
	mem.left = mem.left_below;
	mem.later = 0;
	mem.looked_s = (uint64_t)time(NULL);
	mem.modseq = m->folder.modseq;
	whole = mem.mark == 1 && !m->folder.fickle;
	if (whole && fetch_listing_begin(m->f) == -1)
		return -1;
	if (mem.mark == 1 && find_first(m, &mem) == -1)
		return -1;
	rv = collect_from(m, (uint32_t)mem.mark, last, &mem);
	if (rv == 0 && whole && mem.later == 0 && fetch_listing_end(m->f) == -1)
		return -1;
	return rv == 0 && !m->folder.fickle ? remember(m, &mem) : rv;
}
