/*
 * pop3_list: what is there, and what is to become of each message.
 *
 * A UID is the server's word. Where it gives none, or gives one twice, a digest of the header (TOP) stands for it:
 * good enough not to fetch a message again that is to stay there, not good enough to delete one unseen.
 */
#include <stdlib.h>
#include <string.h>

#include "collector/pop3.h"
#include "lib/mail/digest.h"
#include "lib/sys/proc.h"

#define MESSAGES_MAX 5000000
#define FRESH_MAX 200000 /* new messages of one listing; the others come with the next one */
#define TOP_LINES 10   /* of the body: two messages from one form differ there */
#define TOP_WINDOW 32  /* asked for ahead */
#define TOP_MAX (64 * 1024)
#define DESCRIBED_MAX 20 /* a run */
#define FACT_TOP "TOP"
#define UID_OF_OURS "top " /* no server's UID has a blank */

static struct pop3_message *
add_message(struct pop3 *s, uint32_t number)
{
	if (s->count == s->room) {
		s->room = s->room == 0 ? 256 : s->room * 2;
		s->messages = mem_grow(s->messages, s->room, sizeof(*s->messages));
	}
	s->messages[s->count] = (struct pop3_message){ .number = number, .uid = "" };
	return &s->messages[s->count++];
}

static int
by_number(const void *a, const void *b)
{
	const struct pop3_message *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static int
by_uid(const void *a, const void *b)
{
	const struct pop3_message *const *x = a, *const *y = b;

	return strcmp((*x)->uid, (*y)->uid);
}

/* A number that stands twice counts once. */
static void
sort_by_number(struct pop3 *s)
{
	size_t n = 0;
	bool sorted = true; /* as a rule: qsort() would copy them all */

	for (size_t i = 1; i < s->count && sorted; i++)
		sorted = s->messages[i - 1].number < s->messages[i].number;
	if (sorted)
		return;
	qsort(s->messages, s->count, sizeof(*s->messages), by_number);
	for (size_t i = 0; i < s->count; i++)
		if (n == 0 || s->messages[n - 1].number != s->messages[i].number)
			s->messages[n++] = s->messages[i];
	s->count = n;
}

static int
hear_sizes(struct pop3 *s)
{
	struct span text, line;
	int rv = pop3_hear(s, &text) == POP3_OK ? 1 : -1;

	if (rv == -1)
		return s->f->why.len > 0 ? -1 : pop3_failed(s, "LIST refused", text);
	while ((rv = pop3_hear_line(s, &line)) == 1) {
		uint32_t number;
		uint64_t octets;

		if (!pop3_list_line(line, &number, &octets))
			return pop3_failed(s, "a strange line in LIST", line);
		if (s->count == MESSAGES_MAX)
			return pop3_failed(s, "no end of messages", SPAN("LIST"));
		add_message(s, number)->octets = octets;
	}
	sort_by_number(s);
	return rv;
}

static struct pop3_message *
find_message(struct pop3 *s, uint32_t number, size_t guess)
{
	struct pop3_message key = { .number = number };

	if (guess < s->count && s->messages[guess].number == number)
		return &s->messages[guess];
	return s->count == 0 ? NULL : bsearch(&key, s->messages, s->count, sizeof(key), by_number);
}

/* A UID that two messages have says nothing about either. */
static void
without_uid(struct pop3_message *m)
{
	m->uid = "";
	m->looked_up = false;
}

/* Only the UIDs of those that need work are held. */
static void
look_up(struct pop3 *s, struct pop3_message *m, struct span uid)
{
	enum state_uid known;
	uint32_t first = 0;

	state_listed(s->f->state, uid, m->octets, (uint32_t)(m - s->messages), &known, &first);
	if (known == STATE_UID_DOUBLED) {
		if (first < s->count)
			without_uid(&s->messages[first]);
		return;
	}
	m->known = (unsigned char)known;
	m->looked_up = true;
	m->uid = NULL;
	if (known == STATE_UID_TAKEN)
		return;
	if (known == STATE_UID_NEW && s->fresh == FRESH_MAX) {
		m->known = STATE_UID_TAKEN; /* as if it were */
		s->later++;
		return;
	}
	s->fresh += known == STATE_UID_NEW;
	m->uid = arena_dupn(s->uids, uid.s, uid.len);
}

static int
hear_uids(struct pop3 *s)
{
	struct span text, line;
	int rv;

	switch (pop3_hear(s, &text)) {
	case POP3_OK:
		break;
	case POP3_STRANGE:
		return -1;
	default:
		return 0; /* a server without UIDL */
	}
	for (size_t i = 0; (rv = pop3_hear_line(s, &line)) == 1; i++) {
		struct pop3_message *m;
		struct span uid;
		uint32_t number;

		if (i > MESSAGES_MAX)
			return pop3_failed(s, "no end of messages", SPAN("UIDL"));
		if (!pop3_uidl_line(line, &number, &uid))
			continue;
		m = find_message(s, number, i);
		if (m != NULL && !m->looked_up && *m->uid == '\0')
			look_up(s, m, uid);
	}
	return rv;
}

/* Likewise of our own. */
static void
drop_doubled_uids(struct pop3 *s)
{
	struct pop3_message **by = mem_alloc(s->count + 1, sizeof(struct pop3_message *));
	size_t count = 0;

	for (size_t i = 0; i < s->count; i++)
		if (s->messages[i].ours)
			by[count++] = &s->messages[i];
	if (count > 1)
		qsort(by, count, sizeof(struct pop3_message *), by_uid);
	for (size_t i = 0; i < count;) {
		size_t k = i + 1;

		while (k < count && strcmp(by[i]->uid, by[k]->uid) == 0)
			k++;
		for (size_t n = i; k > i + 1 && n < k; n++)
			without_uid(by[n]);
		i = k;
	}
	free(by);
}

/* --- UIDs of our own ------------------------------------------------------ */

static void
make_uid(struct pop3 *s, struct pop3_message *m, const struct buf *top)
{
	uint8_t digest[DIGEST_OCTETS];
	char uid[sizeof(UID_OF_OURS) + 32] = UID_OF_OURS;

	digest_sha256(buf_str(top), top->len, digest);
	digest_hex(digest, 16, uid + strlen(UID_OF_OURS));
	m->uid = arena_dupn(s->uids, uid, strlen(uid));
	m->ours = true;
}

/* One that has none, and needs one: to be left there, to be reported once. */
static bool
needs_uid(const struct pop3 *s, const struct pop3_message *m)
{
	return m->uid != NULL && *m->uid == '\0' && (s->all_need_uids || m->octets > s->f->size_max);
}

/* The next such, from i on. */
static size_t
next_without(const struct pop3 *s, size_t i)
{
	while (i < s->count && !needs_uid(s, &s->messages[i]))
		i++;
	return i;
}

/* For all that need one, as far as the server knows TOP. */
static int
make_uids(struct pop3 *s)
{
	struct buf top = BUF_INIT(TOP_MAX);
	size_t window = s->pipelining ? TOP_WINDOW : 1, ahead = 0;
	size_t ask = next_without(s, 0), hear = ask;
	int rv = 1;

	while (rv != -1 && (ahead > 0 || (rv == 1 && ask < s->count))) {
		for (; rv == 1 && ask < s->count && ahead < window; ask = next_without(s, ask + 1), ahead++)
			pop3_say(s, "TOP %u %u", (unsigned)s->messages[ask].number, TOP_LINES);
		buf_reset(&top);
		rv = pop3_hear_top(s, &top);
		ahead--;
		if (rv != -1 && hear < s->count) {
			size_t i = hear;

			hear = next_without(s, hear + 1);
			if (rv == 1 && top.len > 0)
				make_uid(s, &s->messages[i], &top);
		}
	}
	buf_free(&top);
	return rv == -1 ? -1 : 0;
}

/* A server that breaks over TOP is not asked again: then messages without UID are fetched, and known by their
 * digests. */
static int
make_missing_uids(struct pop3 *s)
{
	struct buf value = BUF_INIT(20);
	int64_t since_s;
	int rv = 0;

	s->all_need_uids = s->f->account->up.keep != UPSTREAM_KEEP_NONE || fetch_wants_uids(s->f);
	if (next_without(s, 0) < s->count &&
	    state_fact(s->f->state, s->f->account->name, FACT_TOP, &value, &since_s) == 0) {
		rv = make_uids(s);
		if (rv == -1 && !proc_stopping)
			(void)!state_fact_set(s->f->state, s->f->account->name, FACT_TOP, "breaks");
		drop_doubled_uids(s);
	}
	buf_free(&value);
	return rv;
}

/* --- the plan ------------------------------------------------------------- */

/* From and Subject of the message that the plan is at. */
static void
describe(void *arg, struct buf *out)
{
	struct pop3 *s = arg;
	struct buf top = BUF_INIT(TOP_MAX);
	struct arena *arena = arena_new();
	struct sort_header header;
	int rv = s->broken || s->described++ >= DESCRIBED_MAX ? 0 : pop3_top(s, s->planned->number, 0, &top);

	s->broken = s->broken || rv == -1;
	if (rv == 1) {
		sort_header_read(buf_span(&top), arena, &header);
		fetch_describe(&header, out);
	}
	arena_free(arena);
	buf_free(&top);
}

static int
plan_message(struct pop3 *s, size_t i)
{
	struct pop3_message *m = &s->messages[i];
	const struct upstream *up = &s->f->account->up;
	enum fetch_what what;

	m->what = FETCH_LEAVE;
	if (m->uid == NULL)
		return 0;
	s->planned = m;
	if (m->looked_up)
		fetch_plan_known(s->f, m->uid, m->octets, (enum state_uid)m->known, 0, &what);
	else if (fetch_plan(s->f, m->uid, m->octets, &what) == -1)
		return -1;
	m->what = (unsigned char)what;
	m->suspect = s->f->suspect;
	/* Another message may have this header. As long as digests are remembered, look before it is deleted. */
	if (m->ours && m->what == FETCH_DELETE &&
	    (up->keep != UPSTREAM_KEEP_DAYS || up->keep_days < STATE_DIGEST_DAYS)) {
		m->what = FETCH_GET;
		s->f->progress.total++;
	}
	return 0;
}

/* Those that have failed before come last, so that they hold up nobody. */
static void
suspects_last(struct pop3 *s)
{
	struct pop3_message *last = mem_alloc(s->count + 1, sizeof(*last));
	size_t n = 0, k = 0;

	for (size_t i = 0; i < s->count; i++)
		if (s->messages[i].suspect)
			last[k++] = s->messages[i];
		else
			s->messages[n++] = s->messages[i];
	if (k > 0)
		memcpy(s->messages + n, last, k * sizeof(*last));
	free(last);
}

int
pop3_list(struct pop3 *s)
{
	arena_reset(s->uids);
	s->count = s->next = s->fresh = s->later = 0;
	if (fetch_listing_begin(s->f) == -1)
		return -1;
	pop3_say(s, "LIST");
	if (s->pipelining)
		pop3_say(s, "UIDL");
	if (hear_sizes(s) == -1)
		return -1;
	if (!s->pipelining)
		pop3_say(s, "UIDL");
	if (hear_uids(s) == -1)
		return -1;
	if (make_missing_uids(s) == -1)
		return -1;
	s->f->describe = describe;
	s->f->describe_arg = s;
	for (size_t i = 0; i < s->count; i++)
		if (plan_message(s, i) == -1 || s->broken)
			return -1;
	s->f->describe = NULL; /* it would speak amid the fetching */
	suspects_last(s);
	return fetch_listing_end(s->f);
}
