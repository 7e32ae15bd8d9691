/*
 * fetch_pop3: messages from a provider's POP3 server.
 *
 * Knows the order of commands; fetch.c has the account and the plan, take.c the messages. Lenient where servers
 * are odd, strict where a sender could profit: a message has one end. DELE is said only behind fetch_settle(),
 * and counts only when QUIT was answered.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/pop3.h"
#include "lib/base/num.h"
#include "lib/base/log.h"
#include "lib/sys/proc.h"

#define PROBES 16
#define PROBE_MS 5000
#define PROBE_WORTH 4               /* messages; fewer are fetched one by one as fast */
#define PROBE_AGAIN_S (30 * 86400)  /* servers get replaced */
#define FACT_PIPELINING "pipelining"

/* --- several commands at a time? ------------------------------------------ */

enum memory { UNKNOWN, NEVER_AGAIN, DOUBTFUL, PROVED };
static const char *const memories[] = { "", "no", "doubtful", "yes" };

/* What was learned before. */
static enum memory
remembered(struct pop3 *s)
{
	struct buf value = BUF_INIT(20);
	int64_t since_s = 0;
	enum memory found = UNKNOWN;

	if (state_fact(s->f->state, s->f->account->name, FACT_PIPELINING, &value, &since_s) == 1 &&
	    time(NULL) - since_s < PROBE_AGAIN_S)
		for (size_t i = 1; i < COUNT(memories); i++)
			if (span_is(buf_span(&value), memories[i]))
				found = (enum memory)i;
	buf_free(&value);
	return found;
}

static void
remember(struct pop3 *s, enum memory what)
{
	(void)!state_fact_set(s->f->state, s->f->account->name, FACT_PIPELINING, memories[what]);
}

/* Commands that change nothing, in one segment: is each of them answered? 1; 0; -1: not, and what the server says from
 * now on is answer to nobody knows what. */
static int
probe(struct pop3 *s)
{
	deadline_ms until = deadline_in(PROBE_MS);
	struct span line, text;
	int refused = 0;

	for (int i = 0; i < PROBES; i++)
		pop3_say(s, "NOOP");
	for (int i = 0; i < PROBES; i++) {
		if (dialogue_line(s->d, LIMIT_SMTP_REPLY, true, until, &line, &s->f->why) == -1)
			return -1;
		switch (pop3_status(line, &text)) {
		case POP3_OK:
			break;
		case POP3_ERR:
			refused++;
			break;
		default:
			return -1;
		}
	}
	return refused == 0;
}

static size_t
wanted(const struct pop3 *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		n += s->messages[i].what != FETCH_LEAVE;
	return n;
}

static void
choose_pipelining(struct pop3 *s)
{
	const struct upstream *up = &s->f->account->up;
	bool before = up->pipelining == UPSTREAM_PIPELINING_AUTO && !s->capa.pipelining && remembered(s) >= DOUBTFUL;

	s->pipelining = up->pipelining == UPSTREAM_PIPELINING_YES || before ||
	    (up->pipelining == UPSTREAM_PIPELINING_AUTO && s->capa.pipelining);
	s->unannounced = before;
}

/* Some servers tell more to those whom they know. */
static int
ask_again(struct pop3 *s)
{
	if (s->capa_known && !s->capa.pipelining && pop3_ask_capabilities(s) == -1)
		return -1;
	choose_pipelining(s);
	return 0;
}

static int open_session(struct pop3 *);

/* A server that does not announce it is tried once, where it is worth it. One that fails is never asked so again. */
static int
try_pipelining(struct pop3 *s)
{
	int rv;

	if (s->pipelining || s->f->account->up.pipelining != UPSTREAM_PIPELINING_AUTO || remembered(s) != UNKNOWN ||
	    wanted(s) < PROBE_WORTH)
		return 0;
	rv = probe(s);
	if (rv == -1 && proc_stopping)
		return -1;
	remember(s, rv == 1 ? PROVED : NEVER_AGAIN);
	s->pipelining = s->unannounced = rv == 1;
	if (rv != -1)
		return 0;
	s->count = 0;
	return fetch_reconnect(s->f) == 0 ? open_session(s) : -1;
}

/* --- fetching ------------------------------------------------------------ */

static void
expect(struct pop3 *s, struct pop3_expected e)
{
	s->expected[(s->expected_first + s->expected_count++) % COUNT(s->expected)] = e;
}

static bool
room_for_more(const struct pop3 *s)
{
	if (!s->pipelining)
		return s->expected_count == 0;
	return s->asked < POP3_WINDOW && s->asked + s->f->take.done_count < TAKE_BATCH &&
	    s->expected_count < TAKE_BATCH;
}

static void
say_dele(struct pop3 *s, size_t i)
{
	pop3_say(s, "DELE %u", (unsigned)s->messages[i].number);
	expect(s, (struct pop3_expected){ POP3_DELE, i });
}

/* Ask for what is next, as far ahead as the server can be asked. */
static void
ask(struct pop3 *s)
{
	while (s->next < s->count && room_for_more(s)) {
		struct pop3_message *m = &s->messages[s->next];

		if (m->what == FETCH_GET) {
			pop3_say(s, "RETR %u", (unsigned)m->number);
			expect(s, (struct pop3_expected){ POP3_RETR, s->next });
			s->asked++;
		} else if (m->what == FETCH_DELETE) {
			say_dele(s, s->next);
		}
		s->next++;
	}
}

static int
text_octets(void *arg, const char *octets, size_t n)
{
	struct pop3 *s = arg;

	return fetch_octets(s->f, octets, n);
}

/*
 * It is shorter than the server said. Most servers cannot count; one that does not stuff dots has ended it at a dot
 * amid the text, and what comes next is the rest of it. So it counts only when an answer comes next.
 */
static int
verify_end(struct pop3 *s)
{
	if (s->expected_count == 0) {
		pop3_say(s, "NOOP");
		expect(s, (struct pop3_expected){ .command = POP3_NOOP });
	}
	return pop3_peek_status(s);
}

/* What the sizes said is not believed. */
static int
receive_message(struct pop3 *s, size_t i)
{
	struct pop3_message *m = &s->messages[i];

	fetch_begin(s->f);
	if (pop3_hear_text(s, text_octets, s) == -1)
		return -1;
	if (s->f->octets < m->octets && verify_end(s) == -1)
		return -1;
	return fetch_end(s->f, m->uid, m->octets, i);
}

static int
hear_retr(struct pop3 *s, size_t i)
{
	struct pop3_message *m = &s->messages[i];
	struct span text;

	s->at = i;
	s->asked--;
	switch (pop3_hear(s, &text)) {
	case POP3_OK:
		if (receive_message(s, i) == -1)
			return -1;
		break;
	case POP3_ERR:
		if (pop3_busy(text)) /* not its fault */
			s->f->run->left++;
		else
			fetch_left_refused(s->f, m->uid, m->octets, text);
		break;
	case POP3_CHALLENGE:
		return pop3_failed(s, "no POP3 reply", SPAN("+"));
	default:
		return -1;
	}
	s->at = POP3_NO_MESSAGE;
	return 0;
}

static int
hear_dele(struct pop3 *s, size_t i)
{
	struct span text;

	switch (pop3_hear(s, &text)) {
	case POP3_OK:
		s->messages[i].what = FETCH_GONE;
		return 0;
	case POP3_STRANGE:
		return -1;
	default:
		if (s->undeleted++ == 0)
			log_event(EV_WARNING, LS("text", "the upstream does not delete a message; the next run tries again"),
			    LS("account", s->f->account->name), LS("uid", s->messages[i].uid), LSPAN("reply", text));
		return 0;
	}
}

/* The answer that is due. */
static int
answer(struct pop3 *s)
{
	struct pop3_expected e = s->expected[s->expected_first];
	struct span text;

	s->expected_first = (s->expected_first + 1) % COUNT(s->expected);
	s->expected_count--;
	switch (e.command) {
	case POP3_RETR:
		return hear_retr(s, e.message);
	case POP3_DELE:
		return hear_dele(s, e.message);
	default:
		return pop3_hear(s, &text) == POP3_STRANGE ? -1 : 0;
	}
}

/* All answers that are under way: deletions only, without pipelining. */
static int
drain(struct pop3 *s)
{
	while (s->expected_count > 0)
		if (answer(s) == -1)
			return -1;
	return 0;
}

/* A message is safe here, so it may go upstream. */
static int
safe(void *arg, size_t i, bool over)
{
	struct pop3 *s = arg;

	if (!over)
		return 0;
	if (!s->pipelining && drain(s) == -1)
		return -1;
	say_dele(s, i);
	return 0;
}

static int
fetch_all(struct pop3 *s)
{
	for (;;) {
		if (proc_stopping)
			return -1;
		ask(s);
		if (s->expected_count > 0 && answer(s) == -1)
			return -1;
		if (fetch_batch_due(s->f, s->next == s->count && s->asked == 0) &&
		    fetch_settle(s->f, safe, s) == -1)
			return -1;
		if (s->next == s->count && s->expected_count == 0 && s->f->take.done_count == 0)
			return 0;
	}
}

/* What one listing was too long for, a listing at a time, as long as that gets us on. */
static int
fetch_rest(struct pop3 *s)
{
	uint64_t before = 0;

	while (s->later > 0 && s->f->run->messages > before) {
		before = s->f->run->messages;
		s->f->run->left = 0; /* they are listed, and counted, again */
		if (pop3_list(s) == -1 || fetch_all(s) == -1)
			return -1;
	}
	s->f->run->left += s->later;
	s->f->run->postponed = s->f->run->postponed || s->later > 0;
	return 0;
}

static int
forget_deleted(struct pop3 *s)
{
	struct span *uids = mem_alloc(s->count + 1, sizeof(*uids));
	size_t n = 0;
	int rv;

	for (size_t i = 0; i < s->count; i++)
		if (s->messages[i].what == FETCH_GONE && s->messages[i].uid != NULL && *s->messages[i].uid != '\0')
			uids[n++] = span_of(s->messages[i].uid);
	rv = fetch_deleted(s->f, uids, n);
	free(uids);
	return rv;
}

/*
 * Deletions count from here on (RFC 1939, 6). Without an answer they may: then the UIDs are forgotten, too, for a server
 * may give them to others now. What is still there comes once more, and is known by its digest.
 */
static int
quit(struct pop3 *s)
{
	struct span text;

	pop3_say(s, "QUIT");
	switch (pop3_hear(s, &text)) {
	case POP3_OK:
		return forget_deleted(s);
	case POP3_STRANGE:
		(void)!forget_deleted(s);
		return -1;
	default:
		return pop3_failed(s, "the server did not delete all messages", text);
	}
}

/* --- a session ------------------------------------------------------------ */

static int
run_steps(struct pop3 *s, int (*const steps[])(struct pop3 *), size_t n)
{
	int rv = 0;

	for (size_t i = 0; i < n && rv == 0; i++)
		rv = steps[i](s);
	return rv;
}

static int
open_session(struct pop3 *s)
{
	static int (*const steps[])(struct pop3 *) = { pop3_greeting, pop3_ask_capabilities, pop3_upgrade, pop3_login,
		ask_again, pop3_list };

	return run_steps(s, steps, COUNT(steps));
}

/* What was suspected has not happened. */
static void
clear_suspicions(struct pop3 *s)
{
	bool suspect = false;

	for (size_t i = 0; i < s->count; i++)
		suspect = suspect || s->messages[i].suspect;
	if (!suspect)
		fetch_no_trouble(s->f);
	if (s->unannounced && remembered(s) == DOUBTFUL)
		remember(s, PROVED);
}

/* Whose fault was it? */
static void
blame(struct pop3 *s)
{
	if (s->at == POP3_NO_MESSAGE || *s->f->take.error != '\0' || proc_stopping)
		return;
	if (s->unannounced)
		remember(s, remembered(s) == DOUBTFUL ? NEVER_AGAIN : DOUBTFUL);
	fetch_trouble(s->f, s->messages[s->at].uid, s->messages[s->at].octets, buf_span(&s->f->why));
}

/* STAT (RFC 1939, 5): how much is there? */
static int
count(struct pop3 *s)
{
	struct fetch_probe *probe = s->f->probe;
	struct span text, octets;

	pop3_say(s, "STAT");
	if (pop3_hear(s, &text) != POP3_OK)
		return s->f->why.len > 0 ? -1 : pop3_failed(s, "STAT refused", text);
	octets = span_trim(text);
	if (num_parse(span_cut(&octets, ' '), UINT32_MAX, &probe->messages) == -1 || octets.s == NULL ||
	    num_parse(span_cut(&octets, ' '), INT64_MAX, &probe->octets) == -1)
		return pop3_failed(s, "no answer to STAT", text);
	probe->octets_known = true;
	return 0;
}

static int
look(struct pop3 *s)
{
	static int (*const steps[])(struct pop3 *) = { pop3_greeting, pop3_ask_capabilities, pop3_upgrade, pop3_login,
		count, quit };

	return run_steps(s, steps, COUNT(steps));
}

int
fetch_pop3(struct fetch *f)
{
	static int (*const steps[])(struct pop3 *) = { open_session, try_pipelining, fetch_all, fetch_rest, quit };
	struct pop3 s = { .f = f, .d = &f->d, .at = POP3_NO_MESSAGE };
	int rv;

	s.uids = arena_new();
	buf_init(&s.capa.sasl, 4096);
	rv = f->probe != NULL ? look(&s) : run_steps(&s, steps, COUNT(steps));
	if (f->probe != NULL)
		; /* nobody is to blame, and nothing proved */
	else if (rv == -1)
		blame(&s);
	else
		clear_suspicions(&s);
	buf_free(&s.capa.sasl);
	free(s.messages);
	arena_free(s.uids);
	return rv;
}
