/*
 * imap_delete: the end of messages upstream.
 *
 * Only what is settled comes here, and only that goes: with UIDPLUS (RFC 4315) EXPUNGE is told which messages, without
 * it none is said while others have marked messages of theirs. Each step waits for the one before, and all
 * for the fetching: servers work on several commands at once, and Dovecot 2.3 says OK to an EXPUNGE that did not
 * see what a STORE before it had marked. So what the server says it has done is counted, too.
 */
#include <stdlib.h>

#include "collector/imap_parts.h"
#include "lib/base/log.h"

#define SET_MESSAGES 350 /* in one command: RFC 7162, 4 wants lines under 8192 octets */
#define TRIES 2

void
imap_doom(struct imap *m, size_t i)
{
	if (m->doomed_count == m->doomed_room) {
		m->doomed_room = m->doomed_room == 0 ? 256 : m->doomed_room * 2;
		m->doomed = mem_grow(m->doomed, m->doomed_room, sizeof(*m->doomed));
	}
	m->messages[i].fate = IMAP_DOOMED;
	m->doomed[m->doomed_count++] = i;
}

static size_t
set_fate(struct imap *m, const struct imap_command *c, enum imap_fate from, enum imap_fate to)
{
	size_t n = 0;

	for (size_t i = c->first; i < c->last; i++)
		if (m->messages[m->doomed[i]].fate == from) {
			m->messages[m->doomed[i]].fate = to;
			n++;
		}
	return n;
}

static struct imap_command
all(const struct imap *m)
{
	return (struct imap_command){ .first = 0, .last = m->doomed_count };
}

/* They stay for the next run. */
static int
not_deleted(struct imap *m, const struct imap_command *c, struct span reply)
{
	static const enum imap_fate fates[] = { IMAP_DOOMED, IMAP_COPIED, IMAP_MARKED };
	size_t n = 0;

	for (size_t i = 0; i < COUNT(fates); i++)
		n += set_fate(m, c, fates[i], IMAP_LATER);
	if (n > 0)
		log_event(EV_WARNING, LS("text", "the upstream does not delete what is safe here"),
		    LS("account", m->f->account->name), LS("folder", m->folder.name), LN("messages", n),
		    LSPAN("reply", reply));
	return 0;
}

/* say() for sets of those of this fate, then whatever the server says to it. 0; -1 with why. */
static int
each_set(struct imap *m, enum imap_fate fate, int (*say)(struct imap *, size_t, size_t, const char *))
{
	struct buf set = BUF_INIT(IMAP_SET_MAX);
	int rv = 0;

	for (size_t first = 0; rv == 0 && first < m->doomed_count; first += SET_MESSAGES) {
		size_t last = m->doomed_count - first < SET_MESSAGES ? m->doomed_count : first + SET_MESSAGES;
		struct imap_set run = { 0, 0 };

		buf_reset(&set);
		for (size_t i = first; i < last; i++)
			if (m->messages[m->doomed[i]].fate == fate)
				imap_set_add(&run, &set, m->messages[m->doomed[i]].uid);
		imap_set_end(&run, &set);
		while (rv == 0 && m->pending_count > IMAP_AHEAD)
			rv = imap_listen(m);
		if (rv == 0 && set.len > 0)
			rv = say(m, first, last, buf_str(&set));
	}
	while (rv == 0 && m->pending_count > 0)
		rv = imap_listen(m);
	buf_free(&set);
	return rv;
}

/* --- marks --------------------------------------------------------------- */

static int
stored(struct imap *m, const struct imap_command *c, enum imap_end end)
{
	if (end != IMAP_OK)
		return not_deleted(m, c, buf_span(&m->text));
	set_fate(m, c, IMAP_DOOMED, IMAP_MARKED);
	set_fate(m, c, IMAP_COPIED, IMAP_MARKED);
	return 0;
}

static int
say_store(struct imap *m, size_t first, size_t last, const char *set)
{
	imap_say(m, stored, first, last, "UID STORE %s +FLAGS.SILENT (\\Deleted)", set);
	return 0;
}

static int
expunged(struct imap *m, const struct imap_command *c, enum imap_end end)
{
	return end == IMAP_OK ? 0 : not_deleted(m, c, buf_span(&m->text));
}

static int
say_expunge(struct imap *m, size_t first, size_t last, const char *set)
{
	imap_say(m, expunged, first, last, "UID EXPUNGE %s", set);
	return 0;
}

static size_t
count_marked(const struct imap *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->doomed_count; i++)
		n += m->messages[m->doomed[i]].fate == IMAP_MARKED;
	return n;
}

/* --- without UIDPLUS: EXPUNGE takes all that is marked as deleted -------- */

static int
find_foreign(void *arg, uint32_t first, uint32_t last)
{
	struct imap *m = arg;

	for (uint64_t uid = first; uid <= last && !m->foreign; uid++) {
		const struct imap_message *msg = imap_message(m, uid);

		m->foreign = msg == NULL || msg->fate != IMAP_MARKED;
	}
	return 0;
}

/* SEARCH (RFC 3501, 7.2.5): numbers; ESEARCH (RFC 9051, 7.3.4): a set behind ALL. */
int
imap_found(struct imap *m)
{
	bool set = imap_reply_is(&m->reply, 1, "ESEARCH");

	if (!m->searching)
		return 0;
	for (size_t i = 2; i < m->reply.count; i++) {
		if (set && !imap_reply_is(&m->reply, i - 1, "ALL"))
			continue;
		if (imap_set_each(imap_reply_text(&m->reply, i), find_foreign, m) == -1)
			m->foreign = true; /* better safe */
	}
	return 0;
}

static int
expunge_own(struct imap *m)
{
	struct imap_command c = all(m);
	int rv;

	m->searching = true;
	m->foreign = false;
	imap_begin(m, "UID SEARCH DELETED");
	rv = imap_run(m, false);
	m->searching = false;
	if (rv == -1)
		return -1;
	if (rv == 0 && !m->foreign) {
		imap_begin(m, "EXPUNGE");
		rv = imap_run(m, false);
		return rv == -1 ? -1 : expunged(m, &c, m->end);
	}
	log_event(EV_WARNING, LS("text", "collected messages are marked as deleted only: others are so, too, "
	    "and the upstream cannot tell them apart (no UIDPLUS)"),
	    LS("account", m->f->account->name), LS("folder", m->folder.name));
	set_fate(m, &c, IMAP_MARKED, IMAP_LATER);
	return 0;
}

static int
expunge(struct imap *m)
{
	struct imap_command c = all(m);

	for (int i = 0; i < TRIES; i++) {
		size_t marked = count_marked(m);
		uint64_t before = m->expunged;
		int rv = marked == 0 ? 0 : (m->can & IMAP_UIDPLUS) != 0 ? each_set(m, IMAP_MARKED, say_expunge)
		                                                        : expunge_own(m);

		if (rv == -1)
			return -1;
		if (m->expunged - before >= marked)
			set_fate(m, &c, IMAP_MARKED, IMAP_GONE);
	}
	return not_deleted(m, &c, SPAN("EXPUNGE took fewer than were marked"));
}

/* --- to another folder --------------------------------------------------- */

/* RFC 6851; COPY where MOVE is not known. The folder may be missing: it is made once. */
static int
say_move(struct imap *m, size_t first, size_t last, const char *set)
{
	const char *folder = m->f->account->up.move_to;
	struct imap_command c = { .first = first, .last = last };
	bool can = (m->can & IMAP_MOVE) != 0;
	int rv;

	for (;;) {
		imap_begin(m, "UID %s %s ", can ? "MOVE" : "COPY", set);
		imap_add_folder(m, folder);
		rv = imap_run(m, false);
		if (rv != 1 || m->created || !span_case_is(buf_span(&m->code), "TRYCREATE"))
			break;
		m->created = true;
		imap_begin(m, "CREATE ");
		imap_add_folder(m, folder);
		if (imap_run(m, false) == -1)
			return -1;
	}
	if (rv == 1)
		return not_deleted(m, &c, buf_span(&m->text));
	set_fate(m, &c, IMAP_DOOMED, can ? IMAP_GONE : IMAP_COPIED);
	return rv;
}

int
imap_delete(struct imap *m)
{
	bool move = m->f->account->up.move_to != NULL;
	int rv = 0;

	if (move)
		rv = each_set(m, IMAP_DOOMED, say_move);
	if (rv == 0)
		rv = each_set(m, move ? IMAP_COPIED : IMAP_DOOMED, say_store);
	if (rv == 0)
		rv = expunge(m);
	m->doomed_count = 0;
	return rv;
}
