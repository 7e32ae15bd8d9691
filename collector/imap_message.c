/*
 * imap_message: messages on their way here.
 *
 * Many are asked for in one command, and several commands ahead, so a long wire costs its delay once. A message
 * counts as whole when the server, behind it, goes on with something that is IMAP: a literal of a wrong
 * size shows there at the latest.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/imap_parts.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/sys/proc.h"

#define ASK_MESSAGES 64               /* in one command */
#define ASK_OCTETS (4 * 1024 * 1024)  /* ... about */
#define REFUSALS_MAX 20               /* one after another: this leads to nothing */

/* --- what is safe -------------------------------------------------------- */

static int
safe(void *arg, size_t i, bool over)
{
	struct imap *m = arg;
	const struct upstream *up = &m->f->account->up;

	if (over && !m->folder.read_only) {
		imap_doom(m, i);
		return 0;
	}
	m->messages[i].fate = up->keep == UPSTREAM_KEEP_ALL ? IMAP_LEAVE : IMAP_LATER;
	if (up->mark_seen && !m->folder.read_only)
		imap_set_add(&m->seen_run, &m->seen, m->messages[i].uid);
	return 0;
}

/* Whether that worked is not important enough to say. */
static int
marked_seen(struct imap *m, const struct imap_command *c, enum imap_end end)
{
	(void)m, (void)c, (void)end;
	return 0;
}

static int
settle(struct imap *m)
{
	if (fetch_settle(m->f, safe, m) == -1)
		return -1;
	imap_set_end(&m->seen_run, &m->seen);
	if (m->seen.len > 0)
		imap_say(m, marked_seen, 0, 0, "UID STORE %s +FLAGS.SILENT (\\Seen)", buf_str(&m->seen));
	buf_reset(&m->seen);
	return 0;
}

struct imap_message *
imap_message(const struct imap *m, uint64_t uid)
{
	size_t low = 0, high = m->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (m->messages[mid].uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low < m->count && m->messages[low].uid == uid ? &m->messages[low] : NULL;
}

/* --- asking -------------------------------------------------------------- */

static void
refused(struct imap *m, struct imap_message *msg, struct span reply)
{
	char key[IMAP_KEY_MAX];

	imap_key(m, msg->uid, key);
	fetch_left_refused(m->f, key, msg->octets, reply);
	msg->fate = IMAP_LATER;
	m->refusals++;
}

/* A command has ended: what of it has not come? */
static int
asked(struct imap *m, const struct imap_command *c, enum imap_end end)
{
	bool single = m->suspects || c->last <= m->single_until, missing = false;

	for (size_t i = c->first; i < c->last; i++) {
		struct imap_message *msg = &m->messages[i];

		if (msg->fate != IMAP_ASKED)
			continue;
		m->asked--;
		missing = true;
		if (end == IMAP_OK && m->expunged > 0)
			msg->fate = IMAP_LATER; /* somebody has deleted it */
		else if (single)
			refused(m, msg, end == IMAP_OK ? SPAN("OK, and nothing else") : buf_span(&m->text));
		else
			msg->fate = IMAP_GET;
	}
	if (m->refusals > REFUSALS_MAX)
		return imap_failed(m, "the server hands out no message");
	if (missing && !single) {
		if (c->last > m->single_until)
			m->single_until = c->last;
		if (c->first < m->next)
			m->next = c->first;
	}
	return 0;
}

static bool
room_for_more(const struct imap *m)
{
	if (m->suspects && m->pending_count > 0)
		return false; /* whatever happens is its own fault */
	return m->pending_count < IMAP_AHEAD &&
	    m->asked + m->f->take.done_count + ASK_MESSAGES <= TAKE_BATCH;
}

/* Messages from next on into one command; false: there are none. */
static bool
ask_some(struct imap *m)
{
	struct buf set = BUF_INIT(IMAP_SET_MAX);
	struct imap_set run = { 0 };
	size_t first = 0, n = 0;
	uint64_t octets = 0;

	for (; m->next < m->count && n < ASK_MESSAGES && octets < ASK_OCTETS; m->next++) {
		struct imap_message *msg = &m->messages[m->next];

		if (msg->fate != IMAP_GET || msg->suspect != m->suspects)
			continue;
		if (n > 0 && (m->suspects || m->next < m->single_until))
			break;
		if (n++ == 0)
			first = m->next;
		imap_set_add(&run, &set, msg->uid);
		msg->fate = IMAP_ASKED;
		octets += msg->octets < ASK_OCTETS ? msg->octets : ASK_OCTETS;
	}
	imap_set_end(&run, &set);
	m->asked += n;
	if (n > 0)
		imap_say(m, asked, first, m->next, "UID FETCH %s (UID BODY.PEEK[])", buf_str(&set));
	buf_free(&set);
	return n > 0;
}

/* --- a message comes in -------------------------------------------------- */

int
imap_message_begins(struct imap *m)
{
	if (m->asked == 0)
		return fetch_failed(m->f, "the server sends what was not asked for", SPAN("a message"));
	m->dropped = 0;
	m->streaming = m->bodies++ == 0 && imap_reply_is(&m->reply, m->reply.count - 2, "BODY[]");
	if (m->streaming)
		fetch_begin(m->f);
	return 0;
}

int
imap_message_octets(struct imap *m, struct span piece)
{
	if (m->streaming && m->bodies == 1)
		return fetch_octets(m->f, piece.s, piece.len);
	m->dropped += piece.len;
	if (m->dropped > 2 * m->f->size_max)
		return fetch_failed(m->f, "the server sends what was not asked for", SPAN("without end"));
	return 0;
}

int
imap_message_whole(struct imap *m)
{
	struct imap_message *msg;
	char key[IMAP_KEY_MAX];
	bool large = m->f->octets > m->f->size_max;

	if (m->held == 0)
		return 0;
	msg = &m->messages[m->held - 1];
	imap_key(m, msg->uid, key);
	if (fetch_end(m->f, key, msg->octets, m->held - 1) == -1)
		return -1;
	msg->fate = large ? IMAP_LARGE : IMAP_ARRIVED;
	m->held = 0;
	m->refusals = 0;
	return fetch_batch_due(m->f, false) ? settle(m) : 0;
}

struct items { /* of a FETCH reply; 0: not there */
	uint64_t uid, octets;
	size_t body; /* word */
};

/* "(UID 7 RFC822.SIZE 12 BODY[] {12}...)" */
static int
read_items(struct imap *m, struct items *it)
{
	const struct imap_reply *r = &m->reply;
	size_t i = 4;

	*it = (struct items){ 0 };
	if (r->count < 5 || r->words[3].kind != IMAP_OPEN)
		return fetch_failed(m->f, "a strange reply", SPAN("FETCH"));
	while (i + 1 < r->count && r->words[i].kind == IMAP_ATOM) {
		if (imap_reply_is(r, i, "UID") && imap_reply_number(r, i + 1, UINT32_MAX, &it->uid) == -1)
			return fetch_failed(m->f, "a strange reply", SPAN("UID"));
		if (imap_reply_is(r, i, "RFC822.SIZE") && imap_reply_number(r, i + 1, INT64_MAX, &it->octets) == -1)
			it->octets = 0;
		if (imap_reply_is(r, i, "BODY[]"))
			it->body = i + 1;
		i = imap_reply_behind(r, i + 1);
	}
	if (i + 1 != r->count)
		return fetch_failed(m->f, "a strange reply", SPAN("FETCH"));
	return 0;
}

/* A short message may come as a string. */
static int
take_string(struct imap *m, size_t word)
{
	struct span text = imap_reply_text(&m->reply, word);

	fetch_begin(m->f);
	m->streaming = true;
	return fetch_octets(m->f, text.s, text.len);
}

static int
fetched_message(struct imap *m, const struct items *it)
{
	struct imap_message *msg = imap_message(m, it->uid);

	if (it->body != 0 && m->reply.words[it->body].kind == IMAP_STRING && msg != NULL && msg->fate == IMAP_ASKED &&
	    take_string(m, it->body) == -1)
		return -1;
	if (msg != NULL && msg->fate == IMAP_ASKED && it->body != 0) {
		m->asked--;
		m->unasked--;
		if (m->streaming)
			m->held = (size_t)(msg - m->messages) + 1;
		else
			refused(m, msg, imap_reply_text(&m->reply, it->body));
	} else if (m->streaming) {
		take_abort(&m->f->take); /* of no message that we know */
	}
	m->streaming = false;
	return 0;
}

int
imap_fetched(struct imap *m)
{
	struct items it;

	if (read_items(m, &it) == -1)
		return -1;
	if (m->list_first != 0)
		return it.uid != 0 ? imap_listed(m, (uint32_t)it.uid, it.octets) : 0;
	return fetched_message(m, &it);
}

/* --- all of them --------------------------------------------------------- */

static void
begin_messages(struct imap *m)
{
	m->next = m->asked = m->single_until = m->held = 0;
	m->suspects = false;
	m->doomed_count = 0;
	m->refusals = 0;
	for (size_t i = 0; i < m->count; i++)
		if (m->messages[i].fate == IMAP_DOOMED)
			imap_doom(m, i);
}

/* Those that failed before come last, one by one. */
static int
get_messages(struct imap *m, bool suspects)
{
	m->suspects = suspects;
	m->next = 0;
	while (m->next < m->count || m->asked > 0 || m->pending_count > 0) {
		if (proc_stopping)
			return -1;
		while (room_for_more(m) && ask_some(m))
			continue;
		if (m->pending_count > 0 && imap_listen(m) == -1)
			return -1;
	}
	return m->f->take.done_count > 0 ? settle(m) : 0;
}

/* The message that was coming, or was to come next, when everything ended. */
static const struct imap_message *
culprit(const struct imap *m)
{
	uint64_t uid = 0;

	if (m->held != 0)
		return &m->messages[m->held - 1];
	for (size_t i = 4; i + 1 < m->reply.count; i = imap_reply_behind(&m->reply, i + 1))
		if (imap_reply_is(&m->reply, i, "UID") && imap_reply_number(&m->reply, i + 1, UINT32_MAX, &uid) == 0)
			return imap_message(m, uid);
	for (size_t i = 0; i < m->count; i++)
		if (m->messages[i].fate == IMAP_ASKED)
			return &m->messages[i];
	return NULL;
}

void
imap_blame(struct imap *m)
{
	const struct imap_message *msg = m->asked > 0 || m->held != 0 ? culprit(m) : NULL;
	char key[IMAP_KEY_MAX];

	if (msg == NULL)
		return;
	imap_key(m, msg->uid, key);
	fetch_trouble(m->f, key, msg->octets, buf_span(&m->f->why));
}

int
imap_messages(struct imap *m)
{
	begin_messages(m);
	if (imap_delete(m) == -1)
		return -1;
	m->expunged = 0;
	if (get_messages(m, false) == -1 || imap_delete(m) == -1)
		return -1;
	if (!m->f->suspects)
		return 0;
	return get_messages(m, true) == -1 ? -1 : imap_delete(m);
}
