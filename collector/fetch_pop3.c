/*
 * fetch_pop3: the dialogue with a provider's POP3 server.
 *
 * Knows commands, replies and their order; take.c has the messages. Lenient where servers are odd (case, line
 * ends of replies, missing UIDL, sizes that lie), strict where a sender could profit: a message has
 * one end. Whatever goes wrong, the upstream keeps what is not known to be safe here: DELE is said only behind
 * take_settle().
 */
#include "collector/fetch_pop3.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/pop3_body.h"
#include "collector/take.h"
#include "lib/base/ascii.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/net/dialogue.h"
#include "lib/net/dns.h"
#include "lib/sys/proc.h"

#define SESSION_MS (3600 * 1000) /* one account, in all */
#define LINE_MAX_OCTETS 4096     /* of a reply; RFC 2449, 4 says 512 */
#define CAPABILITIES_MAX 200
#define MESSAGES_MAX 5000000     /* in a listing */
#define UID_MAX 255              /* octets; RFC 1939, 7 says 70 */
#define WINDOW 256               /* messages asked for ahead when the server pipelines */
#define BATCH 64                 /* messages that are settled together, when there are as many */
#define ADDRESSES_MAX 16
#define BATCH_OCTETS (8 * 1024 * 1024)

struct message {
	uint32_t number;
	uint64_t octets; /* as LIST says */
	const char *uid; /* "": the server has none, or not one for it alone */
	enum { LEAVE, FETCH, DELETE, GONE } what;
};

struct expected { /* an answer to come */
	bool dele;
	size_t message;
};

struct session {
	struct house *house;
	struct account *account;
	struct state *state;
	struct state_run *run;
	struct dialogue d;
	struct take take;
	char server[400];    /* for Received */
	struct buf why;
	struct arena *arena;
	bool capa, pipelining, stls, auth_failed;
	struct message *messages;
	size_t count, room;
	struct expected expected[2 * TAKE_BATCH]; /* room for a batch's DELEs behind a full window */
	size_t expected_first, expected_count;
	size_t next;         /* message to ask for */
	size_t asked;        /* RETRs under way */
	uint64_t batch_octets, size_max;
	struct fetch_progress progress;
	void (*tell)(void *, const struct fetch_progress *);
	void *tell_arg;
};

static deadline_ms
patience(const struct session *s)
{
	return deadline_in((int64_t)s->house->conf.collect_timeout * 1000);
}

/* --- replies ------------------------------------------------------------- */

/* A status line: 1 +OK, 0 -ERR, -1 neither or none at all (why tells). *text is what is behind it. */
static int
status(struct session *s, struct span *text)
{
	struct span line;

	if (dialogue_line(&s->d, LINE_MAX_OCTETS, true, patience(s), &line, &s->why) == -1)
		return -1;
	*text = line;
	if (line.len >= 3 && ascii_caseeq(line.s, "+OK", 3)) {
		*text = span_trim((struct span){ line.s + 3, line.len - 3 });
		return 1;
	}
	if (line.len >= 4 && ascii_caseeq(line.s, "-ERR", 4)) {
		*text = span_trim((struct span){ line.s + 4, line.len - 4 });
		return 0;
	}
	buf_addf(&s->why, "no POP3 reply: %.*s", (int)(line.len < 80 ? line.len : 80), line.s);
	return -1;
}

/* A line of a listing; 1, 0 at its end, -1. */
static int
listing_line(struct session *s, struct span *line)
{
	if (dialogue_line(&s->d, LINE_MAX_OCTETS, false, patience(s), line, &s->why) == -1)
		return -1;
	if (span_is(*line, "."))
		return 0;
	if (line->len > 0 && line->s[0] == '.')
		*line = (struct span){ line->s + 1, line->len - 1 };
	return 1;
}

static int
failed(struct session *s, const char *what, struct span text)
{
	buf_addf(&s->why, "%s: %.*s", what, (int)text.len, text.s);
	return -1;
}

/* --- the connection ------------------------------------------------------ */

static int
start_tls(struct session *s)
{
	const struct upstream *up = &s->account->up;
	struct tls_peer peer = { .host = up->host, .ca_file = up->ca, .pins = up->pins.v, .pin_count = up->pins.n };

	return dialogue_starttls(&s->d, &peer, patience(s), &s->why);
}

static void
name_server(struct session *s)
{
	struct buf b = BUF_INIT(sizeof(s->server) - 1);

	buf_addf(&b, "%s (", s->account->up.host);
	ip_add_literal(&b, &s->d.peer);
	buf_addc(&b, ')');
	strlcpy(s->server, buf_str(&b), sizeof(s->server));
	buf_free(&b);
}

static int
connect_any(struct session *s)
{
	const struct upstream *up = &s->account->up;
	struct dns *dns = dns_open(s->house->conf.resolver, (int)s->house->conf.dns_timeout * 1000, &s->why);
	struct ip addresses[ADDRESSES_MAX];
	int n = 0, rv = -1;
	enum dns_result found;

	if (dns == NULL)
		return -1;
	found = dns_addresses(dns, up->host, addresses, ADDRESSES_MAX, &n, patience(s));
	if (found != DNS_OK)
		buf_addf(&s->why, "no address of %s: %s", up->host, dns_reason(dns));
	for (int i = 0; found == DNS_OK && rv == -1 && i < n; i++) {
		buf_reset(&s->why);
		rv = dialogue_connect(&s->d, &addresses[i], (uint16_t)up->port, up->host, NULL, patience(s), &s->why);
		if (rv == 0 && up->tls == UPSTREAM_TLS_IMPLICIT)
			rv = start_tls(s);
	}
	dns_close(dns);
	if (rv == 0)
		name_server(s);
	return rv;
}

static int
greeting(struct session *s)
{
	struct span text;
	int rv = status(s, &text);

	return rv == 0 ? failed(s, "the server is not ready", text) : rv == 1 ? 0 : -1;
}

static int
ask_capabilities(struct session *s)
{
	struct span line;
	int rv;

	dialogue_say(&s->d, false, "CAPA");
	rv = status(s, &line);
	s->capa = rv == 1;
	s->pipelining = s->stls = false;
	if (rv != 1)
		return rv; /* many an old server has no CAPA */
	for (int i = 0; (rv = listing_line(s, &line)) == 1; i++) {
		struct span word = span_cut(&line, ' ');

		if (i == CAPABILITIES_MAX)
			return failed(s, "no end of capabilities", SPAN("CAPA"));
		s->pipelining = s->pipelining || span_case_is(word, "PIPELINING");
		s->stls = s->stls || span_case_is(word, "STLS");
	}
	return rv;
}

static int
upgrade(struct session *s)
{
	struct span text;

	if (s->account->up.tls != UPSTREAM_TLS_STARTTLS)
		return 0;
	if (s->capa && !s->stls)
		return failed(s, "the server offers no STLS, so nothing was sent", SPAN("tls=starttls"));
	dialogue_say(&s->d, false, "STLS");
	switch (status(s, &text)) {
	case 1:
		return start_tls(s) == 0 ? ask_capabilities(s) : -1;
	case 0:
		return failed(s, "STLS refused", text);
	default:
		return -1;
	}
}

/* Was it the password, or is the server only busy? (RFC 2449, 8.1; RFC 3206) */
static int
login_refused(struct session *s, struct span text)
{
	static const char *const busy[] = { "[IN-USE", "[LOGIN-DELAY", "[SYS/" };

	for (size_t i = 0; i < COUNT(busy); i++)
		if (text.len >= strlen(busy[i]) && ascii_caseeq(text.s, busy[i], strlen(busy[i])))
			return failed(s, "not now", text);
	s->auth_failed = true;
	return failed(s, "login refused", text);
}

static int
login(struct session *s)
{
	struct buf password = BUF_INIT(LIMIT_PASSWORD);
	struct span text;
	int rv = account_secret(s->account, s->house, &password, &s->why);

	if (rv == 0) {
		dialogue_say(&s->d, false, "USER %s", s->account->up.login);
		rv = status(s, &text);
		rv = rv == 0 ? login_refused(s, text) : rv == 1 ? 0 : -1;
	}
	if (rv == 0) {
		dialogue_say(&s->d, true, "PASS %s", buf_str(&password));
		rv = status(s, &text);
		rv = rv == 0 ? login_refused(s, text) : rv == 1 ? 0 : -1;
	}
	buf_wipe(&password);
	buf_free(&password);
	return rv;
}

/* --- what is there ------------------------------------------------------- */

static struct message *
add_message(struct session *s, uint32_t number)
{
	if (s->count == s->room) {
		s->room = s->room == 0 ? 256 : s->room * 2;
		s->messages = mem_grow(s->messages, s->room, sizeof(*s->messages));
	}
	s->messages[s->count] = (struct message){ .number = number, .uid = "" };
	return &s->messages[s->count++];
}

static bool
read_number(struct span *line, uint64_t max, uint64_t *out)
{
	struct span word = span_cut(line, ' ');

	return num_parse(word, max, out) == 0;
}

static int
by_number(const void *a, const void *b)
{
	const struct message *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static int
by_uid(const void *a, const void *b)
{
	const struct message *const *x = a, *const *y = b;

	return strcmp((*x)->uid, (*y)->uid);
}

static int
list_sizes(struct session *s)
{
	struct span text, line;
	int rv = status(s, &text);

	if (rv == 0)
		return failed(s, "LIST refused", text);
	while (rv == 1 && (rv = listing_line(s, &line)) == 1) {
		uint64_t number, octets;

		if (!read_number(&line, UINT32_MAX, &number) || number == 0)
			return failed(s, "a strange line in LIST", line);
		if (line.s == NULL || !read_number(&line, INT64_MAX, &octets))
			octets = 0;
		if (s->count == MESSAGES_MAX)
			return failed(s, "no end of messages", SPAN("LIST"));
		add_message(s, (uint32_t)number)->octets = octets;
	}
	if (rv == 0 && s->count > 1)
		qsort(s->messages, s->count, sizeof(*s->messages), by_number);
	return rv;
}

static struct message *
find_message(struct session *s, uint32_t number, size_t guess)
{
	struct message key = { .number = number };

	if (guess < s->count && s->messages[guess].number == number)
		return &s->messages[guess];
	return s->count == 0 ? NULL : bsearch(&key, s->messages, s->count, sizeof(key), by_number);
}

static bool
uid_ok(struct span uid)
{
	if (uid.len == 0 || uid.len > UID_MAX)
		return false;
	for (size_t i = 0; i < uid.len; i++)
		if (!ascii_print((unsigned char)uid.s[i]))
			return false;
	return true;
}

static int
list_uids(struct session *s)
{
	struct span text, line;
	int rv = status(s, &text);

	if (rv != 1)
		return rv; /* without UIDL: the digests tell what is here already */
	for (size_t i = 0; (rv = listing_line(s, &line)) == 1; i++) {
		struct message *m;
		uint64_t number;

		if (i > MESSAGES_MAX)
			return failed(s, "no end of messages", SPAN("UIDL"));
		if (!read_number(&line, UINT32_MAX, &number) || line.s == NULL)
			continue;
		line = span_trim(line);
		m = find_message(s, (uint32_t)number, i);
		if (m != NULL && uid_ok(line))
			m->uid = arena_dupn(s->arena, line.s, line.len);
	}
	return rv;
}

/* A UID that two messages have says nothing about either. */
static void
drop_doubled_uids(struct session *s)
{
	struct message **by = mem_alloc(s->count + 1, sizeof(struct message *));

	for (size_t i = 0; i < s->count; i++)
		by[i] = &s->messages[i];
	if (s->count > 1)
		qsort(by, s->count, sizeof(struct message *), by_uid);
	for (size_t i = 0; i < s->count;) {
		size_t k = i + 1;

		while (k < s->count && strcmp(by[i]->uid, by[k]->uid) == 0)
			k++;
		for (size_t n = i; k > i + 1 && n < k; n++)
			by[n]->uid = "";
		i = k;
	}
	free(by);
}

static bool
keep_over(const struct session *s, int64_t since_s)
{
	const struct upstream *up = &s->account->up;

	if (up->keep == UPSTREAM_KEEP_NONE)
		return true;
	return up->keep == UPSTREAM_KEEP_DAYS && time(NULL) - since_s >= (int64_t)up->keep_days * 86400;
}

static void
left_there(struct session *s, const struct message *m, bool known)
{
	s->run->left++;
	if (known)
		return;
	log_event(EV_WARNING, LS("text", "a message over the size limit stays upstream"),
	    LS("account", s->account->name), LS("uid", m->uid), LN("octets", m->octets), LN("limit", s->size_max));
	if (*m->uid != '\0')
		(void)!state_left(s->state, s->account->name, span_of(m->uid), m->octets);
}

static int
plan_message(struct session *s, struct message *m)
{
	enum state_uid known = STATE_UID_NEW;
	int64_t since_s = 0;

	if (*m->uid != '\0' &&
	    state_uid(s->state, s->account->name, span_of(m->uid), m->octets, &known, &since_s) == -1)
		return failed(s, "cannot read the state", SPAN("see the log"));
	if (known == STATE_UID_TAKEN)
		m->what = keep_over(s, since_s) ? DELETE : LEAVE;
	else if (m->octets > s->size_max)
		left_there(s, m, known == STATE_UID_LEFT);
	else if (s->account->up.max_messages != 0 && s->progress.total >= s->account->up.max_messages)
		s->run->left++;
	else
		m->what = FETCH;
	s->progress.total += m->what == FETCH;
	return 0;
}

/* Some servers tell more to those whom they know. */
static int
ask_again(struct session *s)
{
	return s->capa && !s->pipelining ? ask_capabilities(s) : 0;
}

static int
list_messages(struct session *s)
{
	dialogue_say(&s->d, false, "LIST");
	if (s->pipelining)
		dialogue_say(&s->d, false, "UIDL");
	if (list_sizes(s) == -1)
		return -1;
	if (!s->pipelining)
		dialogue_say(&s->d, false, "UIDL");
	if (list_uids(s) == -1)
		return -1;
	drop_doubled_uids(s);
	for (size_t i = 0; i < s->count; i++)
		if (plan_message(s, &s->messages[i]) == -1)
			return -1;
	return 0;
}

/* --- fetching ------------------------------------------------------------ */

static void
expect(struct session *s, bool dele, size_t message)
{
	s->expected[(s->expected_first + s->expected_count++) % COUNT(s->expected)] =
	    (struct expected){ dele, message };
}

static bool
room_for_more(const struct session *s)
{
	if (!s->pipelining)
		return s->expected_count == 0;
	return s->asked < WINDOW && s->asked + s->take.done_count < TAKE_BATCH && s->expected_count < TAKE_BATCH;
}

static void
say_dele(struct session *s, size_t i)
{
	dialogue_say(&s->d, false, "DELE %u", (unsigned)s->messages[i].number);
	expect(s, true, i);
}

/* Ask for what is next, as far ahead as the server can be asked. */
static void
ask(struct session *s)
{
	while (s->next < s->count && room_for_more(s)) {
		struct message *m = &s->messages[s->next];

		if (m->what == FETCH) {
			dialogue_say(&s->d, false, "RETR %u", (unsigned)m->number);
			expect(s, false, s->next);
			s->asked++;
		} else if (m->what == DELETE) {
			say_dele(s, s->next);
		}
		s->next++;
	}
}

/* The message behind +OK, to its end. What the sizes said is not believed. 0: whole; 1: too large, and read to
 * its end; -1. */
static int
receive(struct session *s)
{
	char text[16384 + 2];
	struct pop3_body body = { 0 };
	uint64_t octets = 0;

	while (body.state != BODY_END) {
		struct span in = io_unread(&s->d.io);
		size_t used, n;

		if (in.len == 0) {
			int rv = io_fill(&s->d.io, deadline_earlier(patience(s), s->d.total));

			if (rv == 1)
				continue;
			buf_addf(&s->why, "the connection broke inside a message: %s",
			    rv == 0 ? "closed by the server" : strerror(errno));
			return -1;
		}
		if (in.len > sizeof(text) - 2)
			in.len = sizeof(text) - 2;
		used = pop3_body_feed(&body, in.s, in.len, text, &n);
		io_skip(&s->d.io, used);
		octets += n;
		if (octets > s->size_max) {
			if (octets > 2 * s->size_max)
				return failed(s, "a message without end", SPAN("RETR"));
			continue;
		}
		if (take_octets(&s->take, text, n) == -1)
			return failed(s, "stopped", span_of(s->take.error));
	}
	s->progress.octets += octets;
	s->run->octets += octets;
	s->batch_octets += octets;
	return octets > s->size_max;
}

static int
receive_message(struct session *s, size_t i)
{
	struct message *m = &s->messages[i];
	int rv;

	take_begin(&s->take);
	rv = receive(s);
	if (rv != 0) {
		take_abort(&s->take);
		if (rv == 1)
			left_there(s, m, false);
		return rv == 1 ? 0 : -1;
	}
	if (take_end(&s->take, m->uid, m->octets, i) == -1)
		return failed(s, "stopped", span_of(s->take.error));
	s->progress.done++;
	s->tell(s->tell_arg, &s->progress);
	return 0;
}

/* The answer that is due. */
static int
answer(struct session *s)
{
	struct expected e = s->expected[s->expected_first];
	struct span text;
	int rv;

	s->expected_first = (s->expected_first + 1) % COUNT(s->expected);
	s->expected_count--;
	s->asked -= !e.dele;
	rv = status(s, &text);
	if (rv == -1)
		return -1;
	if (e.dele) {
		if (rv == 1)
			s->messages[e.message].what = GONE;
		return 0;
	}
	if (rv == 1)
		return receive_message(s, e.message);
	log_event(EV_WARNING, LS("text", "the upstream does not hand out a message"),
	    LS("account", s->account->name), LS("uid", s->messages[e.message].uid), LSPAN("reply", text));
	s->run->left++;
	return 0;
}

/* All answers that are under way: deletions only, without pipelining. */
static int
drain(struct session *s)
{
	while (s->expected_count > 0)
		if (answer(s) == -1)
			return -1;
	return 0;
}

/* What was taken becomes safe, and then may go upstream. */
static int
settle(struct session *s)
{
	int rv = take_settle(&s->take);

	for (size_t i = 0; i < s->take.done_count; i++) {
		const struct take_done *d = &s->take.done[i];

		if (d->failed)
			continue;
		s->run->messages++;
		if (rv == 0 && keep_over(s, time(NULL))) {
			rv = s->pipelining ? 0 : drain(s);
			if (rv == 0)
				say_dele(s, d->number);
		}
	}
	take_next_batch(&s->take);
	s->batch_octets = 0;
	if (rv == -1 && s->why.len == 0)
		failed(s, "stopped", span_of(s->take.error));
	return rv;
}

static bool
batch_due(const struct session *s)
{
	if (s->take.done_count == 0)
		return false;
	return s->take.done_count >= BATCH || s->take.sync_count >= TAKE_BATCH_COPIES / 2 ||
	    s->batch_octets > BATCH_OCTETS || (s->next == s->count && s->asked == 0);
}

static int
fetch_all(struct session *s)
{
	for (;;) {
		if (proc_stopping)
			return -1;
		ask(s);
		if (s->expected_count > 0 && answer(s) == -1)
			return -1;
		if (batch_due(s) && settle(s) == -1)
			return -1;
		if (s->next == s->count && s->expected_count == 0 && s->take.done_count == 0)
			return 0;
	}
}

static int
forget_deleted(struct session *s)
{
	struct span *uids = mem_alloc(s->count + 1, sizeof(*uids));
	size_t n = 0;
	int rv;

	for (size_t i = 0; i < s->count; i++)
		if (s->messages[i].what == GONE && *s->messages[i].uid != '\0')
			uids[n++] = span_of(s->messages[i].uid);
	rv = state_deleted(s->state, s->account->name, uids, n);
	free(uids);
	return rv == 0 ? 0 : failed(s, "cannot write the state", SPAN("see the log"));
}

/* Deletions count from here on (RFC 1939, 6). */
static int
quit(struct session *s)
{
	struct span text;

	dialogue_say(&s->d, false, "QUIT");
	switch (status(s, &text)) {
	case 1:
		return forget_deleted(s);
	case 0:
		return failed(s, "the server did not delete all messages", text);
	default:
		return -1;
	}
}

/* What came whole before the trouble is kept. */
static void
save_batch(struct session *s)
{
	take_abort(&s->take);
	if (s->take.done_count == 0 && s->take.sync_count == 0)
		return;
	if (take_settle(&s->take) == 0)
		for (size_t i = 0; i < s->take.done_count; i++)
			s->run->messages += !s->take.done[i].failed;
	take_next_batch(&s->take);
}

static int (*const steps[])(struct session *) = { connect_any, greeting, ask_capabilities, upgrade, login,
	ask_again, list_messages, fetch_all, quit };

enum fetch_result
fetch_pop3(struct house *h, struct account *a, struct state *state, struct state_run *run,
    void (*progress)(void *, const struct fetch_progress *), void *arg)
{
	struct session s = { .house = h, .account = a, .state = state, .run = run, .arena = arena_new(),
		.tell = progress, .tell_arg = arg };
	int rv = 0;

	buf_init(&s.why, 1024);
	dialogue_init(&s.d);
	s.d.total = deadline_in(SESSION_MS);
	s.size_max = a->up.max_size != 0 ? a->up.max_size : h->conf.message_size_limit;
	take_init(&s.take, h, a, state, s.server);
	for (size_t i = 0; i < COUNT(steps) && rv == 0; i++)
		rv = steps[i](&s);
	if (rv == -1)
		save_batch(&s);
	snprintf(run->error, sizeof(run->error), "%s",
	    rv == 0 ? "" : proc_stopping ? "stopped on request" : buf_str(&s.why));
	take_free(&s.take);
	dialogue_close(&s.d);
	free(s.messages);
	arena_free(s.arena);
	buf_free(&s.why);
	return rv == 0 ? FETCH_OK : s.auth_failed ? FETCH_AUTH_FAILED : FETCH_FAILED;
}
