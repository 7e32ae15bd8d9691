/*
 * queue: what administrators ask of queued and tell it: posthouse queue, mailq.
 *
 * Speaks the control dialogue; touches no file of the spool. What is printed comes from strangers and is
 * made harmless for a terminal.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/store/instance.h"
#include "lib/sys/file.h"
#include "lib/sys/listen.h"
#include "lib/wire/control.h"

#define ANSWER_WAIT_MS 600000
#define IDS_A_PACKET 2000
#define IDS_ASKED 1000 /* in one LIST */
#define NAME_MAX_SHOWN 30
#define LINK_WAIT_S 60 /* for transfers to end before the link goes down */
#define LINK_WAIT_MAX_S 86400

struct ids {
	char (*id)[LIMIT_ID];
	size_t n, cap;
};
struct queue {
	struct instance instance;
	struct wire wire;
	struct buf selectors; /* lines for LIST */
	struct ids ids;       /* named on the command line */
	bool chosen;          /* by something else than an ID */
	bool every, json, yes, whole, no_wait, no_collect;
	uint64_t wait_s;      /* for transfers to end */
	struct arena *arena;
	uint64_t rcpts;
};

/* --- the dialogue -------------------------------------------------------- */

static void
hear(struct queue *q, struct wire_packet *p)
{
	int rv = wire_recv(&q->wire, deadline_in(ANSWER_WAIT_MS), p);

	if (rv == -1)
		fatal(EX_PROTOCOL, "cannot understand queued: %s", strerror(errno));
	if (rv == 0)
		fatal(EX_TEMPFAIL, "cannot go on: queued has hung up");
	if (wire_is(p, "DENIED"))
		fatal(EX_NOPERM, "cannot look at the queue: this is for root and the group posthouse");
}

static void
say(struct queue *q, const char *verb, const char *word, struct span body)
{
	const char *const words[] = { word };

	if (wire_send(&q->wire, deadline_in(ANSWER_WAIT_MS), NULL, body, verb, words, word == NULL ? 0 : 1) == -1)
		fatal(EX_TEMPFAIL, "cannot ask queued: %s", strerror(errno));
}

static void
call_queued(struct queue *q)
{
	char *path = instance_path(q->instance.run, "control");
	int fd = connect_unix(path);

	if (fd == -1 && errno == EACCES)
		fatal(EX_NOPERM, "cannot open %s: this is for root and the group posthouse", path);
	if (fd == -1)
		fatal(EX_UNAVAILABLE, "cannot reach queued at %s: %s; is it running?", path, strerror(errno));
	wire_open(&q->wire, fd, CLIENT, control_messages, CONTROL_IDLE);
	free(path);
}

static uint64_t
number(const char *word)
{
	uint64_t n;

	return num_parse(span_of(word), UINT64_MAX, &n) == 0 ? n : 0;
}

/* Every ITEM's lines to fn; the count of messages. */
static uint64_t
list(struct queue *q, void (*fn)(struct queue *, const struct control_item *))
{
	struct buf body = BUF_INIT(LIMIT_PACKET);
	struct control_item item;
	struct wire_packet p;
	int rv = 0;

	buf_addspan(&body, buf_span(&q->selectors));
	for (size_t i = 0; i < q->ids.n; i++)
		buf_addf(&body, "id %s\n", q->ids.id[i]);
	if (buf_over(&body))
		fatal(EX_USAGE, "cannot ask for so many IDs at once");
	say(q, "LIST", q->every ? "all" : "open", buf_span(&body));
	buf_free(&body);
	for (hear(q, &p); wire_is(&p, "ITEM"); hear(q, &p)) {
		struct span rest = p.body;

		arena_reset(q->arena);
		while ((rv = control_item_next(&rest, q->arena, &item)) == 1)
			fn(q, &item);
		if (rv == -1)
			fatal(EX_PROTOCOL, "cannot understand queued's listing");
		if (fflush(stdout) == EOF)
			exit(EX_IOERR); /* the reader has gone */
	}
	return number(p.word[0]);
}

/* --- list ---------------------------------------------------------------- */

/* Foreign text for a terminal or a script that cuts at blanks. */
static const char *
harmless(struct queue *q, const char *s)
{
	char *t = arena_dupn(q->arena, s, strlen(s));

	for (char *c = t; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	return utf8_valid(t, strlen(t)) ? t : "(not UTF-8)";
}

static const char *
span_text(struct queue *q, int64_t s)
{
	char *t = arena_alloc(q->arena, 24);

	if (s < 0)
		s = 0;
	if (s < 60)
		snprintf(t, 24, "%llds", (long long)s);
	else if (s < 3600)
		snprintf(t, 24, "%lldm", (long long)s / 60);
	else if (s < 86400)
		snprintf(t, 24, "%lldh%02lldm", (long long)s / 3600, (long long)s / 60 % 60);
	else
		snprintf(t, 24, "%lldd%02lldh", (long long)s / 86400, (long long)s / 3600 % 24);
	return t;
}

static const char *
size_text(struct queue *q, uint64_t n)
{
	char *t = arena_alloc(q->arena, 24);

	if (n < 1024)
		snprintf(t, 24, "%llu", (unsigned long long)n);
	else if (n < 1024 * 1024)
		snprintf(t, 24, "%.1fk", (double)n / 1024);
	else
		snprintf(t, 24, "%.1fM", (double)n / 1024 / 1024);
	return t;
}

static const char *
next_text(struct queue *q, const struct control_item *item, time_t now)
{
	int64_t next = (int64_t)number(item->word[ITEM_NEXT]);

	if (strcmp(item->word[ITEM_STATE], "active") == 0)
		return "now";
	if (next == 0)
		return "-";
	return next <= now ? "now" : span_text(q, next - now);
}

static void
print_text(struct queue *q, const struct control_item *item)
{
	const char *const *w = item->word;
	time_t now = time(NULL);

	if (q->rcpts++ == 0)
		printf("%-15s %6s %7s %-*s %-*s %-8s %5s %6s %s\n", "ID", "AGE", "SIZE", NAME_MAX_SHOWN, "FROM",
		    NAME_MAX_SHOWN, "TO", "STATE", "TRIES", "NEXT", "LAST REPLY");
	printf("%-15s %6s %7s %-*s %-*s %-8s %5s %6s %s\n", w[ITEM_ID],
	    span_text(q, now - (int64_t)number(w[ITEM_ARRIVED])), size_text(q, number(w[ITEM_OCTETS])),
	    NAME_MAX_SHOWN, w[ITEM_SENDER][0] == '\0' ? "<>" : harmless(q, w[ITEM_SENDER]), NAME_MAX_SHOWN,
	    harmless(q, w[ITEM_RCPT]), w[ITEM_STATE], w[ITEM_ATTEMPTS], next_text(q, item, now),
	    w[ITEM_LAST][0] == '\0' ? "-" : harmless(q, w[ITEM_LAST]));
}

static json_t *
json_text(struct queue *q, const char *s)
{
	json_t *j = json_string(s);

	return j != NULL ? j : json_string(harmless(q, s));
}

static void
print_json(struct queue *q, const struct control_item *item)
{
	const char *const *w = item->word;
	uint64_t next = number(w[ITEM_NEXT]);
	json_t *o = json_object();

	q->rcpts++;
	json_object_set_new(o, "id", json_text(q, w[ITEM_ID]));
	json_object_set_new(o, "age", json_integer((json_int_t)(time(NULL) - (time_t)number(w[ITEM_ARRIVED]))));
	json_object_set_new(o, "arrived", json_integer((json_int_t)number(w[ITEM_ARRIVED])));
	json_object_set_new(o, "size", json_integer((json_int_t)number(w[ITEM_OCTETS])));
	json_object_set_new(o, "from", json_text(q, w[ITEM_SENDER]));
	json_object_set_new(o, "to", json_text(q, w[ITEM_RCPT]));
	json_object_set_new(o, "state", json_text(q, w[ITEM_STATE]));
	json_object_set_new(o, "attempts", json_integer((json_int_t)number(w[ITEM_ATTEMPTS])));
	json_object_set_new(o, "next_try", next == 0 ? json_null() : json_integer((json_int_t)next));
	json_object_set_new(o, "site", json_text(q, w[ITEM_SITE]));
	json_object_set_new(o, "last_reply", json_text(q, w[ITEM_LAST]));
	if (json_dumpf(o, stdout, JSON_COMPACT) == -1 || putchar('\n') == EOF)
		exit(EX_IOERR);
	json_decref(o);
}

static int
verb_list(struct queue *q)
{
	list(q, q->json ? print_json : print_text);
	if (q->rcpts == 0 && !q->json)
		puts(q->chosen || q->ids.n > 0 ? "nothing in the queue fits" : "the queue is empty");
	return 0;
}

/* --- count --------------------------------------------------------------- */

static void
count_rcpt(struct queue *q, const struct control_item *item)
{
	(void)item;
	q->rcpts++;
}

static int
verb_count(struct queue *q)
{
	uint64_t messages = list(q, count_rcpt);

	if (q->json)
		printf("{\"messages\":%llu,\"recipients\":%llu}\n", (unsigned long long)messages,
		    (unsigned long long)q->rcpts);
	else
		printf("%llu messages, %llu recipients\n", (unsigned long long)messages,
		    (unsigned long long)q->rcpts);
	return 0;
}

/* What `posthouse status` shows: queued's own counters. */
static int
verb_status(struct queue *q)
{
	struct wire_packet p;
	json_t *o;

	say(q, "STATUS", NULL, (struct span){ "", 0 });
	hear(q, &p);
	if (!q->json) {
		fwrite(p.body.s, 1, p.body.len, stdout);
		return 0;
	}
	o = json_object();
	while (p.body.s != NULL && p.body.len > 0) {
		struct span line = span_cut(&p.body, '\n'), name = span_cut(&line, ' ');
		uint64_t n;

		if (line.s != NULL && num_parse(line, INT64_MAX, &n) == 0)
			json_object_setn_new_nocheck(o, name.s, name.len, json_integer((json_int_t)n));
	}
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
	return 0;
}

/* --- show ---------------------------------------------------------------- */

static void
copy(int fd, bool header_only)
{
	struct buf text = BUF_INIT(LIMIT_HEADER);
	char block[65536];
	ssize_t n;

	for (off_t at = 0; (n = pread(fd, block, sizeof block, at)) > 0; at += n) {
		const char *end;

		if (!header_only) {
			fwrite(block, 1, (size_t)n, stdout);
			continue;
		}
		buf_add(&text, block, (size_t)n);
		end = memmem(text.s, text.len, "\n\n", 2);
		if (end == NULL && !buf_over(&text))
			continue;
		fwrite(text.s, 1, end == NULL ? text.len : (size_t)(end - text.s) + 1, stdout);
		break;
	}
	buf_free(&text);
}

static int
verb_show(struct queue *q)
{
	struct wire_packet p;
	bool any = true;

	if (q->ids.n == 0)
		fatal(EX_USAGE, "cannot show: which message? give its ID");
	q->every = true;
	if (q->json)
		return verb_list(q);
	for (size_t i = 0; i < q->ids.n; i++) {
		say(q, "SHOW", q->ids.id[i], (struct span){ "", 0 });
		hear(q, &p);
		if (!wire_is(&p, "FILES")) {
			fprintf(stderr, "%s: no such message in the queue\n", q->ids.id[i]);
			any = false;
			continue;
		}
		if (!q->whole) {
			uint64_t next = number(p.word[1]);

			printf("state %s", p.word[0]);
			if (next > 0 && strcmp(p.word[0], "waiting") == 0)
				printf(", next attempt in %s", span_text(q, (int64_t)next - time(NULL)));
			putchar('\n');
			copy(p.fds[1], false);
			putchar('\n');
		}
		copy(p.fds[0], !q->whole);
		wire_drop(&p);
	}
	return any ? 0 : 1;
}

/* --- changes ------------------------------------------------------------- */

static void
ids_add(struct ids *ids, const char *id)
{
	if (ids->n > 0 && strcmp(ids->id[ids->n - 1], id) == 0)
		return; /* another recipient of the same message */
	if (ids->n == ids->cap) {
		ids->cap = ids->cap == 0 ? 64 : ids->cap * 2;
		ids->id = mem_grow(ids->id, ids->cap, sizeof *ids->id);
	}
	strlcpy(ids->id[ids->n++], id, sizeof *ids->id);
}

static struct ids found;

static void
remember(struct queue *q, const struct control_item *item)
{
	(void)q;
	ids_add(&found, item->word[ITEM_ID]);
}

static const char *
who(void)
{
	static char by[64];
	const struct passwd *pw = getpwuid(getuid());

	snprintf(by, sizeof by, "by %s", pw == NULL ? "an administrator" : pw->pw_name);
	return by;
}

static uint64_t
change(struct queue *q, const char *verb, const char *by, const struct ids *ids)
{
	uint64_t done = 0;

	for (size_t at = 0; at < ids->n;) {
		struct buf body = BUF_INIT(LIMIT_PACKET - 256);
		struct wire_packet p;

		for (size_t i = 0; i < IDS_A_PACKET && at < ids->n; i++)
			buf_addf(&body, "%s\n", ids->id[at++]);
		say(q, verb, by, buf_span(&body));
		hear(q, &p);
		done += number(p.word[0]);
		buf_free(&body);
	}
	return done;
}

static bool
is_sure(const struct queue *q, const char *verb, size_t n)
{
	char answer[16];

	if (q->yes || !isatty(STDIN_FILENO) || n == 0)
		return true;
	fprintf(stderr, "%s %zu message%s? [y/N] ", verb, n, n == 1 ? "" : "s");
	return fgets(answer, sizeof answer, stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

static int
change_chosen(struct queue *q, const char *verb, const char *by, const char *ask, const char *done_word)
{
	const struct ids *ids = &q->ids;
	uint64_t done;

	if (q->ids.n == 0 && !q->chosen)
		fatal(EX_USAGE, "cannot choose: give IDs, --to, --from, --site, --older, --state or --all");
	if (q->chosen) {
		list(q, remember);
		ids = &found;
	}
	if (ask != NULL && !is_sure(q, ask, ids->n))
		return 1;
	done = change(q, verb, by, ids);
	printf("%llu message%s %s\n", (unsigned long long)done, done == 1 ? "" : "s", done_word);
	return done == 0 || done < q->ids.n ? 1 : 0;
}

static int
verb_retry(struct queue *q)
{
	return change_chosen(q, "RETRY", NULL, NULL, "to be tried now");
}

static void
remember_tried(struct queue *q, const struct control_item *item)
{
	if (strcmp(item->word[ITEM_STATE], "held") != 0)
		remember(q, item);
}

/* Those whose turn is now, or has not come yet. */
static void
remember_pending(struct queue *q, const struct control_item *item)
{
	if (strcmp(item->word[ITEM_STATE], "active") == 0 ||
	    (strcmp(item->word[ITEM_STATE], "held") != 0 && (int64_t)number(item->word[ITEM_NEXT]) <= time(NULL)))
		remember(q, item);
}

/* The messages among these that fn chooses; q->rcpts counts those that are still there. */
static struct ids
look_again(struct queue *q, const struct ids *ids, void (*fn)(struct queue *, const struct control_item *))
{
	found = (struct ids){ NULL, 0, 0 };
	q->rcpts = 0;
	for (size_t at = 0; at < ids->n; at += q->ids.n) {
		q->ids.id = ids->id + at;
		q->ids.n = ids->n - at < IDS_ASKED ? ids->n - at : IDS_ASKED;
		q->rcpts += list(q, fn);
	}
	q->ids = (struct ids){ NULL, 0, 0 };
	return found;
}

/* Until each of them was tried; the number of those that stay in the queue. */
static uint64_t
await_tried(struct queue *q, const struct ids *all)
{
	struct ids pending = { NULL, 0, 0 }, left = look_again(q, all, remember_pending);
	int pause_ms = 20;

	while (left.n > 0) {
		poll(NULL, 0, pause_ms);
		pause_ms = pause_ms < 1000 ? pause_ms * 2 : 1000;
		free(pending.id);
		pending = left;
		left = look_again(q, &pending, remember_pending);
	}
	free(pending.id);
	free(left.id);
	left = look_again(q, all, remember_tried);
	free(left.id);
	return q->rcpts;
}

static int
verb_flush(struct queue *q)
{
	struct wire_packet p;
	struct ids all;
	uint64_t stay;

	if (q->chosen || q->ids.n > 0)
		return verb_retry(q);
	list(q, remember_tried);
	all = found;
	say(q, "FLUSH", NULL, (struct span){ "", 0 });
	hear(q, &p);
	printf("%s message%s to be tried now\n", p.word[0], strcmp(p.word[0], "1") == 0 ? "" : "s");
	if (q->no_wait || all.n == 0)
		return 0;
	(void)fflush(stdout);
	stay = await_tried(q, &all);
	printf("%llu done, %llu to be tried again later\n", (unsigned long long)(all.n - stay),
	    (unsigned long long)stay);
	free(all.id);
	return stay > 0 ? EX_TEMPFAIL : 0;
}

static int
verb_hold(struct queue *q)
{
	return change_chosen(q, "HOLD", who(), NULL, "held");
}

static int
verb_release(struct queue *q)
{
	return change_chosen(q, "RELEASE", who(), NULL, "released");
}

static int
verb_delete(struct queue *q)
{
	char by[80];

	snprintf(by, sizeof by, "deleted %s", who());
	return change_chosen(q, "DELETE", by, "delete", "deleted");
}

/* --- the link ------------------------------------------------------------- */

static uint64_t
link_number(struct queue *q, const char *name)
{
	struct wire_packet p;
	uint64_t n = 0;

	say(q, "STATUS", NULL, (struct span){ "", 0 });
	hear(q, &p);
	while (p.body.s != NULL && p.body.len > 0) {
		struct span line = span_cut(&p.body, '\n'), word = span_cut(&line, ' ');

		if (span_is(word, name) && line.s != NULL && num_parse(line, INT64_MAX, &n) == 0)
			break;
	}
	return n;
}

static uint64_t
tell_link(struct queue *q, const char *how)
{
	const char *const words[] = { how, who() };
	struct wire_packet p;

	if (wire_send(&q->wire, deadline_in(ANSWER_WAIT_MS), NULL, (struct span){ "", 0 }, "LINK", words, 2) == -1)
		fatal(EX_TEMPFAIL, "cannot ask queued: %s", strerror(errno));
	hear(q, &p);
	return number(p.word[0]);
}

/* Ends this process, which becomes collect. */
static int
become_collect(struct queue *q, const char *word)
{
	char *path = instance_path(instance_libexec(), "collect");
	char *const argv[] = { path, mem_dup("-C"), q->instance.root, mem_dup(word), NULL };
	char *const system[] = { path, mem_dup(word), NULL };

	if (fflush(stdout) == EOF)
		return EX_IOERR;
	execv(path, q->instance.root != NULL ? argv : system);
	fatal(EX_OSERR, "cannot run %s: %s", path, strerror(errno));
}

/* What is being sent or collected may come to its end, for a while. */
static int
link_down(struct queue *q)
{
	deadline_ms until = deadline_in((int64_t)q->wait_s * 1000);
	uint64_t busy;
	char settle[32];

	(void)tell_link(q, "down");
	while ((busy = link_number(q, "link_busy")) > 0 && !deadline_over(until))
		poll(NULL, 0, 50);
	printf("the link is down%s\n", busy > 0 ? ": transfers are under way still" : "");
	if (busy > 0 || q->no_collect)
		return busy > 0 ? EX_TEMPFAIL : 0;
	snprintf(settle, sizeof(settle), "--settle=%d", deadline_left(until) / 1000);
	return become_collect(q, settle);
}

/* Accounts that are woken first wake their provider now (wake=). */
static int
link_up(struct queue *q)
{
	uint64_t n = tell_link(q, "up");

	printf("the link is up: %llu message%s to be tried now\n", (unsigned long long)n, n == 1 ? "" : "s");
	return q->no_collect ? 0 : become_collect(q, "now");
}

static int
verb_link(struct queue *q)
{
	const char *how = q->ids.n == 1 ? q->ids.id[0] : q->ids.n == 0 ? "status" : "";

	if (strcmp(how, "up") == 0)
		return link_up(q);
	if (strcmp(how, "down") == 0)
		return link_down(q);
	if (strcmp(how, "status") != 0)
		fatal(EX_USAGE, "cannot understand that: usage: posthouse link up | down | status");
	printf("the link is %s; %llu transfers are under way by it\n", link_number(q, "link_down") != 0 ? "down" : "up",
	    (unsigned long long)link_number(q, "link_busy"));
	return 0;
}

/* --- the command line ---------------------------------------------------- */

static const struct {
	const char *name;
	int (*fn)(struct queue *);
} verbs[] = {
	{ "list", verb_list },
	{ "show", verb_show },
	{ "count", verb_count },
	{ "status", verb_status },
	{ "retry", verb_retry },
	{ "flush", verb_flush },
	{ "link", verb_link },
	{ "hold", verb_hold },
	{ "release", verb_release },
	{ "delete", verb_delete },
};

static const struct option options[] = {
	{ "from", required_argument, NULL, 'f' },
	{ "to", required_argument, NULL, 't' },
	{ "site", required_argument, NULL, 's' },
	{ "older", required_argument, NULL, 'o' },
	{ "state", required_argument, NULL, 'S' },
	{ "all", no_argument, NULL, 'a' },
	{ "done", no_argument, NULL, 'd' },
	{ "json", no_argument, NULL, 'j' },
	{ "message", no_argument, NULL, 'm' },
	{ "yes", no_argument, NULL, 'y' },
	{ "no-wait", no_argument, NULL, 'n' },
	{ "no-collect", no_argument, NULL, 'c' },
	{ "wait", required_argument, NULL, 'w' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void
usage(FILE *to)
{
	fputs("usage: posthouse queue list [--json] [--done] [CHOICE ...]\n"
	      "       posthouse queue show [--json | --message] ID ...\n"
	      "       posthouse queue count [--json] [CHOICE ...]\n"
	      "       posthouse queue status [--json]\n"
	      "       posthouse queue flush [--no-wait]\n"
	      "       posthouse link [up [--no-collect] | down [--no-collect] [--wait TIME] | status]\n"
	      "       posthouse queue retry | hold | release | delete [--yes] CHOICE ...\n"
	      "\n"
	      "CHOICE: ID | --to ADDRESS | --from ADDRESS | --site HOST | --older 2h | --state STATE | --all\n"
	      "An ADDRESS may be @DOMAIN, or <> for the null sender. All choices must fit.\n", to);
}

static void
select_by(struct queue *q, const char *name, const char *value)
{
	if (value[0] == '\0' || strchr(value, '\n') != NULL)
		fatal(EX_USAGE, "cannot choose by --%s: no value", name);
	buf_addf(&q->selectors, "%s %s\n", name, value);
	q->chosen = true;
}

static void
select_older(struct queue *q, const char *value)
{
	char text[24];
	uint64_t s;

	if (num_duration(span_of(value), INT32_MAX, &s) == -1)
		fatal(EX_USAGE, "cannot read --older %s: write 90s, 15m, 2h or 5d", value);
	snprintf(text, sizeof text, "%llu", (unsigned long long)s);
	select_by(q, "older", text);
}

static void
read_wait(struct queue *q, const char *value)
{
	if (num_duration(span_of(value), LINK_WAIT_MAX_S, &q->wait_s) == -1)
		fatal(EX_USAGE, "cannot read --wait %s: write 90s or 5m, up to a day", value);
}

static void
read_options(struct queue *q, int argc, char *argv[])
{
	const char *dir = NULL;
	int c;

	buf_init(&q->selectors, LIMIT_PACKET / 2);
	q->wait_s = LINK_WAIT_S;
	while ((c = getopt_long(argc, argv, "C:", options, NULL)) != -1) {
		switch (c) {
		case 'C': dir = optarg; break;
		case 'f': select_by(q, "from", optarg); break;
		case 't': select_by(q, "to", optarg); break;
		case 's': select_by(q, "site", optarg); break;
		case 'S': select_by(q, "state", optarg); break;
		case 'o': select_older(q, optarg); break;
		case 'a': q->chosen = true; break;
		case 'd': q->every = true; break;
		case 'j': q->json = true; break;
		case 'm': q->whole = true; break;
		case 'y': q->yes = true; break;
		case 'n': q->no_wait = true; break;
		case 'c': q->no_collect = true; break;
		case 'w': read_wait(q, optarg); break;
		case 'h': usage(stdout); exit(0);
		default: usage(stderr); exit(EX_USAGE);
		}
	}
	instance_open(&q->instance, dir);
}

int
main(int argc, char *argv[])
{
	struct queue q = { .wire.fd = -1 };
	const char *verb;

	log_open("posthouse queue");
	read_options(&q, argc, argv);
	q.arena = arena_new();
	verb = optind < argc ? argv[optind++] : "list";
	for (; optind < argc; optind++) {
		if (strlen(argv[optind]) >= LIMIT_ID || strpbrk(argv[optind], " \n") != NULL)
			fatal(EX_USAGE, "cannot be the ID of a message: %s", argv[optind]);
		ids_add(&q.ids, argv[optind]);
	}
	for (size_t i = 0; i < COUNT(verbs); i++) {
		if (strcmp(verbs[i].name, verb) != 0)
			continue;
		call_queued(&q);
		i = (size_t)verbs[i].fn(&q);
		return fflush(stdout) == EOF ? EX_IOERR : (int)i;
	}
	usage(stderr);
	return EX_USAGE;
}
