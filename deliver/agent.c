/*
 * agent: queued's side of a delivery process: jobs come, reports go.
 *
 * Knows the dialogue with queued; not how anything is delivered.
 */
#include "deliver/agent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/store/envelope.h"
#include "lib/sys/file.h"
#include "lib/sys/listen.h"
#include "lib/sys/proc.h"

#define TEXT_MAX 1024           /* octets of a reply that are passed on */
#define PAUSE_FIRST_MS 50
#define PAUSE_MAX_MS 2000
#define SEND_WAIT_MS (30 * 1000)

void
agent_init(struct agent *a, const char *socket, const char *kind)
{
	*a = (struct agent){ .socket = socket, .kind = kind };
	a->wire.fd = -1;
	a->arena = arena_new();
}

void
agent_close(struct agent *a)
{
	wire_close(&a->wire);
	arena_free(a->arena);
	a->arena = NULL;
}

/* --- the connection ------------------------------------------------------- */

/* Sleep for the pause, not beyond the deadline; SIGTERM ends it. */
static void
rest(struct agent *a, deadline_ms until)
{
	int64_t ms = a->pause_ms, left = deadline_left(until);

	if (left >= 0 && left < ms)
		ms = left;
	a->pause_ms = ms * 2 < PAUSE_MAX_MS ? ms * 2 : PAUSE_MAX_MS;
	if (a->pause_ms < PAUSE_FIRST_MS)
		a->pause_ms = PAUSE_FIRST_MS;
	(void)usleep((useconds_t)(ms * 1000));
}

static void
lost(struct agent *a, const char *what)
{
	log_detail(EV_WARNING, LS("text", what), LS("reason", strerror(errno)));
	wire_close(&a->wire);
	if (a->pause_ms == 0)
		a->pause_ms = PAUSE_FIRST_MS;
}

/* True: connected and announced. */
static bool
call_queued(struct agent *a)
{
	int fd = connect_unix(a->socket);

	if (fd == -1) {
		lost(a, "queued does not answer");
		return false;
	}
	wire_open(&a->wire, fd, CLIENT, agents_messages, AGENTS_NEW);
	a->calls++;
	if (wire_say(&a->wire, deadline_in(SEND_WAIT_MS), "HELLO", a->kind) == 0)
		return true;
	lost(a, "queued does not listen");
	return false;
}

/* --- jobs ----------------------------------------------------------------- */

/* The next word of *line, decoded in place; NULL: none, or not such a word. */
static const char *
next_word(struct span *line)
{
	struct span word;
	char *s;
	ssize_t n;

	if (line->s == NULL)
		return NULL;
	word = span_cut(line, ' ');
	s = (char *)(uintptr_t)word.s; /* our own copy; the separator becomes the NUL */
	n = word_decode(s, s, word.len);
	return n == -1 || memchr(s, '\0', (size_t)n) != NULL ? NULL : s;
}

static bool
read_rcpt(struct span line, struct job_rcpt *r)
{
	r->number = next_word(&line);
	r->address = next_word(&line);
	r->orcpt = next_word(&line);
	r->notify = next_word(&line);
	return r->number != NULL && r->address != NULL && r->orcpt != NULL &&
	    r->notify != NULL && line.s == NULL;
}

static bool
read_rcpts(struct job *j, struct span body)
{
	struct span rest = { arena_dupn(j->arena, body.s, body.len), body.len };
	struct span line;
	size_t max = 0, i;

	for (i = 0; i < body.len; i++)
		max += body.s[i] == '\n';
	j->rcpts = arena_alloc(j->arena, (max + 1) * sizeof(*j->rcpts));
	while (rest.s != NULL) {
		line = span_cut(&rest, '\n');
		if (line.len > 0 && !read_rcpt(line, &j->rcpts[j->rcpt_count++]))
			return false;
	}
	return j->rcpt_count > 0;
}

static bool
has_flag(const char *flags, const char *flag)
{
	struct span rest = span_of(flags);

	while (rest.s != NULL)
		if (span_is(span_cut(&rest, ','), flag))
			return true;
	return false;
}

/* "key=KEY" among the flags; "": there is none. NULL: it is none. */
static const char *
read_key(const struct agent *a, const char *flags)
{
	struct span rest = span_of(flags);

	while (rest.s != NULL) {
		struct span flag = span_cut(&rest, ',');

		if (flag.len < 4 || memcmp(flag.s, "key=", 4) != 0)
			continue;
		flag = (struct span){ flag.s + 4, flag.len - 4 };
		return envelope_key_ok(flag) ? arena_dupn(a->arena, flag.s, flag.len) : NULL;
	}
	return "";
}

static bool
read_job(const struct agent *a, struct wire_packet *p, struct job *j)
{
	enum { ID, SENDER, ARRIVED, OCTETS, WIRE, HEAD, FLAGS, NEXTHOP, RET, ENVID };
	uint64_t arrived;

	*j = (struct job){ .id = p->word[ID], .sender = p->word[SENDER],
		.nexthop = p->word[NEXTHOP], .ret = p->word[RET],
		.envid = p->word[ENVID], .msg_fd = wire_fd(p, 0),
		.body_8bit = has_flag(p->word[FLAGS], "8bit"),
		.smtputf8 = has_flag(p->word[FLAGS], "utf8"),
		.requiretls = has_flag(p->word[FLAGS], "tls"),
		.again = has_flag(p->word[FLAGS], "again"), .key = read_key(a, p->word[FLAGS]),
		.arena = a->arena };
	if (j->key == NULL || num_parse(span_of(p->word[ARRIVED]), INT64_MAX, &arrived) == -1 ||
	    num_parse(span_of(p->word[OCTETS]), INT64_MAX, &j->octets) == -1 ||
	    num_parse(span_of(p->word[WIRE]), INT64_MAX, &j->wire_octets) == -1 ||
	    num_parse(span_of(p->word[HEAD]), j->octets, &j->head_octets) == -1)
		return false;
	j->arrived_s = (int64_t)arrived;
	return read_rcpts(j, p->body);
}

int
agent_take(struct agent *a, deadline_ms until, struct job *j)
{
	struct wire_packet p;
	int n;

	while (!proc_stopping) {
		if (a->wire.fd == -1 && !call_queued(a)) {
			rest(a, until);
			if (deadline_over(until))
				return 0;
			continue;
		}
		n = wire_recv(&a->wire, until, &p);
		if (n == -1 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n == -1 && errno == ETIMEDOUT)
			return 0;
		if (n == 1 && wire_is(&p, "JOB") && read_job(a, &p, j)) {
			a->pause_ms = 0;
			return 1;
		}
		if (n == 1) {
			errno = EPROTO;
			wire_drop(&p);
			file_close(j->msg_fd);
			arena_reset(a->arena);
		}
		lost(a, n == 0 ? "queued hung up" : "queued is not understood");
		rest(a, until);
	}
	return -1;
}

/* --- reports -------------------------------------------------------------- */

void
job_outcome(struct job *j, struct job_rcpt *r, enum outcome outcome, int code,
    const char *enhanced, struct span text)
{
	if (r->done)
		return;
	r->done = true;
	r->outcome = outcome;
	r->code = code;
	strlcpy(r->enhanced, enhanced, sizeof(r->enhanced));
	r->text = arena_dupn(j->arena, text.s,
	    text.len < TEXT_MAX ? text.len : TEXT_MAX);
}

/* text, cut so that its encoding takes at most max octets. */
static void
add_text(struct buf *out, const char *text, size_t max)
{
	struct buf word = BUF_INIT(3 * TEXT_MAX + 1);
	size_t n = strlen(text);

	for (;;) {
		buf_reset(&word);
		word_encode(&word, text, n, NULL);
		if (word.len <= max || n == 0)
			break;
		n = n > word.len - max ? n - (word.len - max) : n / 2;
	}
	buf_addspan(out, buf_span(&word));
	buf_free(&word);
}

static void
add_line(struct buf *out, const struct job_rcpt *r, size_t text_max)
{
	static const char *const names[] = { [SENT] = "sent", [RETRY] = "retry",
		[FAILED] = "failed" };

	if (!r->done) {
		buf_addf(out, "%s retry 0 %% %%\n", r->number);
		return;
	}
	buf_addf(out, "%s %s %d ", r->number, r->relayed && r->outcome == SENT ? "relayed" : names[r->outcome], r->code);
	word_encode(out, r->enhanced, strlen(r->enhanced), NULL);
	buf_addc(out, ' ');
	add_text(out, r->text, text_max);
	buf_addc(out, '\n');
}

void
agent_report(struct agent *a, struct job *j, const char *host,
    const char *connected)
{
	/* Every line has room for its text, however many there are. */
	size_t each = (LIMIT_PACKET - 2048) / j->rcpt_count, i;
	struct buf body = BUF_INIT(LIMIT_PACKET);
	const char *words[] = { j->id, host, connected };

	file_close(j->msg_fd);
	for (i = 0; i < j->rcpt_count; i++)
		add_line(&body, &j->rcpts[i], each > 64 ? each - 48 : 16);
	if (wire_send(&a->wire, deadline_in(SEND_WAIT_MS), NULL, buf_span(&body),
	        "REPORT", words, COUNT(words)) == -1)
		lost(a, "a report was not taken");
	buf_free(&body);
	arena_reset(a->arena);
}
