/*
 * fetch_pop3: the dialogue with a provider's POP3 server.
 *
 * Knows commands, replies and their order; fetch.c has the account and the plan, take.c the messages. Lenient
 * where servers are odd (case, line ends of replies, missing UIDL, sizes that lie), strict where a sender
 * could profit: a message has one end. DELE is said only behind fetch_settle().
 */
#include "collector/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/pop3_body.h"
#include "collector/secret.h"
#include "lib/base/ascii.h"
#include "lib/base/num.h"
#include "lib/sys/proc.h"

#define LINE_MAX_OCTETS 4096     /* of a reply; RFC 2449, 4 says 512 */
#define CAPABILITIES_MAX 200
#define MESSAGES_MAX 5000000     /* in a listing */
#define UID_MAX 255              /* octets; RFC 1939, 7 says 70 */
#define WINDOW 256               /* messages asked for ahead when the server pipelines */

struct message {
	uint32_t number;
	uint64_t octets; /* as LIST says */
	const char *uid; /* "": the server has none, or not one for it alone */
	enum fetch_what what;
};

struct expected { /* an answer to come */
	bool dele;
	size_t message;
};

struct session {
	struct fetch *f;
	struct dialogue *d;  /* f's */
	bool capa, pipelining, stls;
	struct message *messages;
	size_t count, room;
	struct expected expected[2 * TAKE_BATCH]; /* room for a batch's DELEs behind a full window */
	size_t expected_first, expected_count;
	size_t next;         /* message to ask for */
	size_t asked;        /* RETRs under way */
};

/* --- replies ------------------------------------------------------------- */

/* A status line: 1 +OK, 0 -ERR, -1 neither or none at all (why tells). *text is what is behind it. */
static int
status(struct session *s, struct span *text)
{
	struct span line;

	if (dialogue_line(s->d, LINE_MAX_OCTETS, true, fetch_patience(s->f), &line, &s->f->why) == -1)
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
	buf_addf(&s->f->why, "no POP3 reply: %.*s", (int)(line.len < 80 ? line.len : 80), line.s);
	return -1;
}

/* A line of a listing; 1, 0 at its end, -1. */
static int
listing_line(struct session *s, struct span *line)
{
	if (dialogue_line(s->d, LINE_MAX_OCTETS, false, fetch_patience(s->f), line, &s->f->why) == -1)
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
	return fetch_failed(s->f, what, text);
}

/* --- the connection ------------------------------------------------------ */

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

	dialogue_say(s->d, false, "CAPA");
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

	if (s->f->account->up.tls != UPSTREAM_TLS_STARTTLS)
		return 0;
	if (s->capa && !s->stls)
		return failed(s, "the server offers no STLS, so nothing was sent", SPAN("tls=starttls"));
	dialogue_say(s->d, false, "STLS");
	switch (status(s, &text)) {
	case 1:
		return fetch_start_tls(s->f) == 0 ? ask_capabilities(s) : -1;
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
	s->f->auth_failed = true;
	return failed(s, "login refused", text);
}

static int
login(struct session *s)
{
	struct credentials c;
	struct span text;
	int rv = credentials_get(s->f->account, s->f->house, &c, &s->f->why);

	if (rv == 0) {
		dialogue_say(s->d, false, "USER %s", s->f->account->up.login);
		rv = status(s, &text);
		rv = rv == 0 ? login_refused(s, text) : rv == 1 ? 0 : -1;
	}
	if (rv == 0) {
		dialogue_say(s->d, true, "PASS %s", buf_str(&c.password));
		rv = status(s, &text);
		rv = rv == 0 ? login_refused(s, text) : rv == 1 ? 0 : -1;
	}
	credentials_wipe(&c);
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
			m->uid = arena_dupn(s->f->arena, line.s, line.len);
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

/* Some servers tell more to those whom they know. */
static int
ask_again(struct session *s)
{
	return s->capa && !s->pipelining ? ask_capabilities(s) : 0;
}

static int
list_messages(struct session *s)
{
	dialogue_say(s->d, false, "LIST");
	if (s->pipelining)
		dialogue_say(s->d, false, "UIDL");
	if (list_sizes(s) == -1)
		return -1;
	if (!s->pipelining)
		dialogue_say(s->d, false, "UIDL");
	if (list_uids(s) == -1)
		return -1;
	drop_doubled_uids(s);
	for (size_t i = 0; i < s->count; i++)
		if (fetch_plan(s->f, s->messages[i].uid, s->messages[i].octets, &s->messages[i].what) == -1)
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
	return s->asked < WINDOW && s->asked + s->f->take.done_count < TAKE_BATCH && s->expected_count < TAKE_BATCH;
}

static void
say_dele(struct session *s, size_t i)
{
	dialogue_say(s->d, false, "DELE %u", (unsigned)s->messages[i].number);
	expect(s, true, i);
}

/* Ask for what is next, as far ahead as the server can be asked. */
static void
ask(struct session *s)
{
	while (s->next < s->count && room_for_more(s)) {
		struct message *m = &s->messages[s->next];

		if (m->what == FETCH_GET) {
			dialogue_say(s->d, false, "RETR %u", (unsigned)m->number);
			expect(s, false, s->next);
			s->asked++;
		} else if (m->what == FETCH_DELETE) {
			say_dele(s, s->next);
		}
		s->next++;
	}
}

/* The message behind +OK, to its end. What the sizes said is not believed. */
static int
receive(struct session *s)
{
	char text[16384 + 2];
	struct pop3_body body = { 0 };

	while (body.state != BODY_END) {
		struct span in = io_unread(&s->d->io);
		size_t n;

		if (in.len == 0) {
			int rv = io_fill(&s->d->io, deadline_earlier(fetch_patience(s->f), s->d->total));

			if (rv == 1)
				continue;
			return failed(s, "the connection broke inside a message",
			    span_of(rv == 0 ? "closed by the server" : strerror(errno)));
		}
		if (in.len > sizeof(text) - 2)
			in.len = sizeof(text) - 2;
		io_skip(&s->d->io, pop3_body_feed(&body, in.s, in.len, text, &n));
		if (fetch_octets(s->f, text, n) == -1)
			return -1;
	}
	return 0;
}

static int
receive_message(struct session *s, size_t i)
{
	struct message *m = &s->messages[i];

	fetch_begin(s->f);
	return receive(s) == 0 ? fetch_end(s->f, m->uid, m->octets, i) : -1;
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
			s->messages[e.message].what = FETCH_GONE;
		return 0;
	}
	if (rv == 1)
		return receive_message(s, e.message);
	fetch_left_refused(s->f, s->messages[e.message].uid, text);
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

/* A message is safe here, so it may go upstream. */
static int
safe(void *arg, size_t i, bool over)
{
	struct session *s = arg;

	if (!over)
		return 0;
	if (!s->pipelining && drain(s) == -1)
		return -1;
	say_dele(s, i);
	return 0;
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
		if (fetch_batch_due(s->f, s->next == s->count && s->asked == 0) &&
		    fetch_settle(s->f, safe, s) == -1)
			return -1;
		if (s->next == s->count && s->expected_count == 0 && s->f->take.done_count == 0)
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
		if (s->messages[i].what == FETCH_GONE && *s->messages[i].uid != '\0')
			uids[n++] = span_of(s->messages[i].uid);
	rv = fetch_deleted(s->f, uids, n);
	free(uids);
	return rv;
}

/* Deletions count from here on (RFC 1939, 6). */
static int
quit(struct session *s)
{
	struct span text;

	dialogue_say(s->d, false, "QUIT");
	switch (status(s, &text)) {
	case 1:
		return forget_deleted(s);
	case 0:
		return failed(s, "the server did not delete all messages", text);
	default:
		return -1;
	}
}

static int (*const steps[])(struct session *) = { greeting, ask_capabilities, upgrade, login, ask_again,
	list_messages, fetch_all, quit };

int
fetch_pop3(struct fetch *f)
{
	struct session s = { .f = f, .d = &f->d };
	int rv = 0;

	for (size_t i = 0; i < COUNT(steps) && rv == 0; i++)
		rv = steps[i](&s);
	free(s.messages);
	return rv;
}
