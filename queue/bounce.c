/*
 * bounce: the agent that tells senders what became of their mail (RFC 3464).
 *
 * Gets a message, its envelope and the recipients there is news of from queued; puts a DSN into the queue as any other
 * program puts a message in; reports when it is durable. It never writes to the null sender; whether
 * a sender wants to know (NOTIFY) queued has decided.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/options.h"
#include "lib/mail/path.h"
#include "lib/store/conf.h"
#include "lib/store/envelope.h"
#include "lib/sys/file.h"
#include "lib/sys/listen.h"
#include "lib/sys/proc.h"
#include "lib/sys/sandbox.h"
#include "lib/wire/agents.h"
#include "lib/wire/submit.h"
#include "queue/dsn.h"
#include "router/router.h"

#define WHOLE_MAX (100 * 1024) /* octets of a message that is returned whole */
#define TEXT_MAX (4 * 1024 * 1024)
#define PAUSE_MAX_MS 2000

struct bounce {
	struct instance instance;
	struct conf conf;
	struct router router;
	struct wire wire;     /* to queued's agents */
	struct submit submit;
	char *agents_path, *submit_path;
	struct arena *arena;
};

/* What is asked: one message, some of its recipients. */
struct order {
	struct envelope env;
	struct dsn_rcpt *rcpts;
	size_t *number, count;
	int msg_fd, env_fd;
};

/* --- reading the message ------------------------------------------------- */

struct original {
	char *text;         /* the header, or all of it when it is returned whole */
	size_t len, header; /* octets; of them the header's, empty line not included */
	bool whole, body_8bit;
};

static size_t
header_end(const char *s, size_t n)
{
	const char *end;

	if (n > 0 && s[0] == '\n')
		return 0;
	end = memmem(s, n, "\n\n", 2);
	return end == NULL ? n : (size_t)(end - s) + 1;
}

static bool
has_failed(const struct order *o)
{
	for (size_t i = 0; i < o->count; i++)
		if (o->rcpts[i].news == NEWS_FAILED || o->rcpts[i].news == NEWS_EXPIRED)
			return true;
	return false;
}

/* Without the lines that only mailboxes get. Whole it is returned only when it failed (RFC 3461, 4.3). */
static int
read_original(const struct order *o, struct arena *arena, struct original *out)
{
	uint64_t size = o->env.octets - o->env.head_octets;
	size_t want = (size_t)(size < LIMIT_HEADER ? size : LIMIT_HEADER), got = 0;

	out->text = arena_alloc(arena, want + 1);
	while (got < want) {
		ssize_t n = pread(o->msg_fd, out->text + got, want - got, (off_t)(o->env.head_octets + got));

		if (n <= 0)
			return -1;
		got += (size_t)n;
	}
	out->header = header_end(out->text, got);
	out->whole = has_failed(o) && strcmp(o->env.ret, "HDRS") != 0 && !o->env.requiretls && size <= WHOLE_MAX;
	out->len = out->whole ? got : out->header;
	for (size_t i = 0; i < out->len && !out->body_8bit; i++)
		out->body_8bit = (unsigned char)out->text[i] > 0x7f;
	return 0;
}

/* --- writing the DSN ----------------------------------------------------- */

static uint64_t
count_lf(const struct buf *b)
{
	uint64_t n = 0;

	for (size_t i = 0; i < b->len; i++)
		n += b->s[i] == '\n';
	return n;
}

/* The head that mailboxes get, as every message has it. */
static void
add_head(struct buf *out, const struct route *to, const char *sender)
{
	buf_adds(out, "Return-Path: <>\n");
	if (to->count != 1 || to->rcpts->action != RCPT_LOCAL)
		return;
	if (strcmp(to->rcpts->address, sender) != 0)
		buf_addf(out, "X-Original-To: %s\n", sender);
	buf_addf(out, "Delivered-To: %s\n", to->rcpts->address);
}

static void
describe(struct envelope *e, const struct route *to, struct arena *arena)
{
	size_t i = 0;

	e->arrived_s = clock_real_us() / 1000000;
	e->sender = "";
	e->client = "bounce";
	e->ret = e->envid = "";
	e->rcpt_count = to->count;
	e->rcpts = arena_alloc(arena, to->count * sizeof *e->rcpts);
	for (const struct route_rcpt *r = to->rcpts; r != NULL; r = r->next, i++)
		e->rcpts[i] = (struct env_rcpt){ .status = RCPT_TODO, .action = r->action,
			.address = r->address, .orcpt = "", .last = "" };
}

static int
compose(struct bounce *b, const struct order *o, const struct original *orig, const struct route *to,
    struct envelope *e)
{
	struct dsn d = { .hostname = b->conf.hostname, .id = b->submit.id, .env = &o->env,
		.rcpts = o->rcpts, .rcpt_count = o->count, .now = (time_t)e->arrived_s,
		.retry_until = (time_t)(o->env.arrived_s + (int64_t)b->conf.queue_lifetime),
		.header = { orig->text, orig->header }, .whole = orig->whole, .body_8bit = orig->body_8bit };
	struct buf text = BUF_INIT(TEXT_MAX);
	int rv = -1;

	arc4random_buf(&d.mark, sizeof d.mark);
	add_head(&text, to, o->env.sender);
	e->head_octets = text.len;
	dsn_begin(&d, &text);
	buf_add(&text, orig->text, orig->len);
	dsn_end(&d, &text);
	e->octets = text.len;
	e->wire_octets = text.len + count_lf(&text);
	e->body_8bit = orig->body_8bit || o->env.smtputf8;
	e->smtputf8 = o->env.smtputf8;
	e->requiretls = o->env.requiretls; /* RFC 8689, 5; and its header alone goes back */
	if (buf_over(&text))
		errno = EFBIG;
	else
		rv = file_write_all(b->submit.msg_fd, text.s, text.len);
	buf_free(&text);
	return rv;
}

static void
put_off(const char *id, const char *reason)
{
	log_error(EV_WARNING, LS("text", "cannot tell a sender"), LS("id", id), LS("reason", reason));
}

/* SENT: the DSN is durable. */
static enum outcome
send_dsn(struct bounce *b, const struct order *o, const struct route *to)
{
	struct original orig = { 0 };
	struct envelope e = { 0 };
	struct reply reply;

	if (read_original(o, b->arena, &orig) == -1) {
		put_off(o->env.id, "cannot read the message");
		return RETRY;
	}
	if (submit_open(&b->submit, &reply) == -1) {
		put_off(o->env.id, reply.text);
		return RETRY;
	}
	describe(&e, to, b->arena);
	if (compose(b, o, &orig, to, &e) == -1) {
		put_off(o->env.id, strerror(errno));
		submit_abort(&b->submit);
		return RETRY;
	}
	if (submit_commit(&b->submit, &e, &reply) == -1 || submit_sync(&b->submit, &reply) == -1) {
		put_off(o->env.id, reply.text);
		return RETRY;
	}
	log_event(EV_QUEUE_BOUNCED, LS("id", o->env.id), LS("as", e.id), LS("sender", o->env.sender),
	    LS("news", agents_news[o->rcpts[0].news]));
	return SENT;
}

/* Whom a sender's address means, by the current maps. */
static enum outcome
bounce_order(struct bounce *b, const struct order *o)
{
	const struct access ours = { .trusted = true };
	struct route to = { 0 };
	struct path sender;

	if (o->env.sender[0] == '\0')
		return SENT; /* nobody is told */
	if (path_parse_address(o->env.sender, strlen(o->env.sender), &sender) == -1)
		to.outcome = FAILED;
	else {
		router_refresh(&b->router);
		router_rcpt(&b->router, &sender, &ours, true, false, b->arena, &to, NULL);
	}
	if (to.outcome == RETRY) {
		put_off(o->env.id, to.reply.text == NULL ? "the maps cannot be read" : to.reply.text);
		return RETRY;
	}
	if (to.outcome == FAILED || to.count == 0) {
		/* A sender that is nobody here can be told nothing, tomorrow neither. */
		log_event(EV_QUEUE_BOUNCED, LS("id", o->env.id), LS("as", "-"), LS("sender", o->env.sender),
		    LS("news", agents_news[o->rcpts[0].news]));
		return SENT;
	}
	return send_dsn(b, o, &to);
}

/* --- orders and reports -------------------------------------------------- */

/* -1: none that we know. */
static int
read_news(struct span word, enum news *out)
{
	for (*out = 0; *out < NEWS_COUNT; (*out)++)
		if (span_is(word, agents_news[*out]))
			return 0;
	return -1;
}

/* "N news": what was said is in the envelope. */
static int
read_order(struct bounce *b, struct wire_packet *p, struct order *o)
{
	struct buf why = BUF_INIT(512);
	struct span body = p->body;
	int rv;

	o->msg_fd = wire_fd(p, 0);
	o->env_fd = wire_fd(p, 1);
	rv = envelope_read(o->env_fd, b->arena, &o->env, &why);
	buf_free(&why);
	if (rv == -1 || o->env.head_octets > o->env.octets)
		return -1;
	o->rcpts = arena_alloc(b->arena, o->env.rcpt_count * sizeof *o->rcpts);
	o->number = arena_alloc(b->arena, o->env.rcpt_count * sizeof *o->number);
	while (body.s != NULL && body.len > 0 && o->count < o->env.rcpt_count) {
		struct span line = span_cut(&body, '\n'), n = span_cut(&line, ' ');
		enum news news;
		uint64_t number;

		if (num_parse(n, o->env.rcpt_count - 1, &number) == -1 || line.s == NULL || read_news(line, &news) == -1)
			return -1;
		o->number[o->count] = (size_t)number;
		o->rcpts[o->count++] = (struct dsn_rcpt){ &o->env.rcpts[number], news };
	}
	return o->count > 0 ? 0 : -1;
}

static int
report(struct bounce *b, const struct order *o, const char *id, enum outcome outcome)
{
	struct buf body = BUF_INIT(LIMIT_PACKET - 256);
	const char *const words[] = { id, "-", "-" };
	int rv;

	for (size_t i = 0; i < o->count; i++)
		buf_addf(&body, "%zu %s\n", o->number[i],
		    outcome == SENT ? "sent 250 2.0.0 told" : "retry 451 4.3.0 later");
	rv = wire_send(&b->wire, deadline_in(30000), NULL, buf_span(&body), "REPORT", words, COUNT(words));
	buf_free(&body);
	return rv;
}

static int
serve(struct bounce *b, struct wire_packet *p)
{
	struct order o = { .msg_fd = -1, .env_fd = -1 };
	char id[LIMIT_ID];
	enum outcome outcome = RETRY;
	int rv;

	strlcpy(id, p->word[0], sizeof id);
	if (read_order(b, p, &o) == 0)
		outcome = bounce_order(b, &o);
	else
		put_off(id, "the order is not understood");
	rv = report(b, &o, id, outcome);
	file_close(o.msg_fd);
	file_close(o.env_fd);
	arena_reset(b->arena);
	return rv;
}

static int
announce(struct bounce *b)
{
	int fd = connect_unix(b->agents_path);

	if (fd == -1)
		return -1;
	wire_open(&b->wire, fd, CLIENT, agents_messages, AGENTS_NEW);
	return wire_say(&b->wire, deadline_in(30000), "HELLO", "bounce");
}

/* Orders come until queued goes away. */
static void
serve_connection(struct bounce *b)
{
	struct wire_packet p;
	int rv = 1;

	while (!proc_stopping && rv == 1) {
		rv = wire_recv(&b->wire, deadline_in(3600 * 1000), &p);
		if (rv == -1 && (errno == ETIMEDOUT || errno == EINTR))
			rv = 1;
		else if (rv == 1 && (!wire_is(&p, "BOUNCE") || serve(b, &p) == -1))
			rv = -1;
	}
}

/* --- startup ------------------------------------------------------------- */

static void
read_options(struct bounce *b, int argc, char *argv[])
{
	instance_open(&b->instance, options_dir(argc, argv,
	    "usage: bounce [-C DIR]\n"
	    "  -C DIR  the instance below DIR; without it the system's own\n"
	    "Usually started by master or systemd; see bounce(8).\n"));
}

static void
read_settings(struct bounce *b)
{
	struct buf why = BUF_INIT(1024);

	conf_load(&b->conf, &b->instance);
	if (b->conf.log_detail)
		log_level_set(LOG_DETAIL);
	if (router_open(&b->router, &b->instance, &b->conf, &why) == -1)
		fatal(EX_CONFIG, "cannot open the maps: %s", buf_str(&why));
	b->agents_path = instance_path(b->instance.run, "agents");
	b->submit_path = instance_path(b->instance.run, "submit");
	submit_init(&b->submit, b->submit_path);
	b->submit.service = "bounce";
	b->wire.fd = -1;
	b->arena = arena_new();
}

static void
enter_sandbox(const struct bounce *b)
{
	struct sandbox s = { .mode = b->conf.sandbox, .calls = CALL_UNIX };

	sandbox_may(&s, b->instance.maps, MAY_READ);
	sandbox_may(&s, b->instance.run, MAY_READ | MAY_WRITE);
	sandbox_enter(&s);
}

int
main(int argc, char *argv[])
{
	static struct bounce b; /* until the process ends */
	useconds_t pause_ms = 50;

	log_open("bounce");
	read_options(&b, argc, argv);
	read_settings(&b);
	proc_drop(USER_QUEUE);
	proc_signals();
	enter_sandbox(&b);

	while (!proc_stopping) {
		if (announce(&b) == 0) {
			pause_ms = 50;
			serve_connection(&b);
		}
		wire_close(&b.wire);
		if (!proc_stopping)
			usleep(pause_ms * 1000);
		pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
	}
	return 0;
}
