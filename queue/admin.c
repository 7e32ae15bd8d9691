/*
 * admin: the control socket: administrators look and change (lib/wire/control.h).
 *
 * A listing is written by a child: it has the records as they were and reads the envelopes at its
 * client's pace, while this process goes on delivering. Changes name messages by ID and happen here.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/sys/file.h"
#include "lib/sys/proc.h"
#include "lib/wire/control.h"
#include "queue/queued.h"

#define LISTERS_MAX 16
#define SELECTORS_MAX 1000
#define CLIENT_WAIT_MS 300000 /* a pager may stand between */
#define ITEMS_FULL (LIMIT_PACKET - 16384)

struct admin {
	struct wire wire;
	struct queued *q;
	struct event *ev;
	bool may;
	pid_t lister; /* writes to this client; 0: none does */
	LIST_ENTRY(admin) link;
};
static LIST_HEAD(, admin) admins = LIST_HEAD_INITIALIZER(admins);
static size_t listers;

/* --- the listing, in the child ------------------------------------------- */

struct selection {
	struct {
		enum { BY_ID, BY_FROM, BY_TO, BY_SITE, BY_OLDER, BY_STATE } by;
		const char *text;
	} line[SELECTORS_MAX];
	size_t n;
	bool ids, all_rcpts;
};

struct listing {
	struct queued *q;
	struct wire *wire;
	const struct selection *sel;
	struct arena *arena;
	struct buf body;
	uint64_t count;
};

static int
read_selection(struct span body, struct arena *arena, struct selection *sel)
{
	static const char *const names[] = { "id", "from", "to", "site", "older", "state" };

	while (body.s != NULL && body.len > 0) {
		struct span text = span_cut(&body, '\n'), name = span_cut(&text, ' ');
		size_t i = 0;

		while (i < COUNT(names) && !span_is(name, names[i]))
			i++;
		if (i == COUNT(names) || text.s == NULL || sel->n == SELECTORS_MAX)
			return -1;
		sel->line[sel->n].by = (unsigned)i;
		sel->line[sel->n++].text = arena_dupn(arena, text.s, text.len);
		sel->ids = sel->ids || i == BY_ID;
	}
	return 0;
}

/* An address, "@domain" or "<>". */
static bool
address_fits(const char *pattern, const char *address)
{
	const char *at = strrchr(address, '@');

	if (strcmp(pattern, "<>") == 0)
		return address[0] == '\0';
	if (pattern[0] == '@')
		return at != NULL && strcasecmp(at, pattern) == 0;
	return strcasecmp(address, pattern) == 0;
}

static const char *
state_of(const struct record *r, const struct env_rcpt *rcpt)
{
	if (rcpt->status == RCPT_DONE || rcpt->status == RCPT_OWED)
		return "done";
	if (rcpt->status == RCPT_BOUNCED)
		return "bounced";
	if ((r->flags & HELD) != 0)
		return "held";
	if (r->work != NULL)
		return "active";
	return rcpt->attempts == 0 ? "new" : "deferred";
}

/* What the envelope says of one recipient. */
struct facts {
	const struct record *record;
	const struct envelope *env;
	const struct env_rcpt *rcpt;
	const char *state, *site;
};

static bool
fits(const struct selection *sel, const struct facts *f)
{
	uint64_t age;

	for (size_t i = 0; i < sel->n; i++) {
		const char *text = sel->line[i].text;
		bool fit = true;

		switch (sel->line[i].by) {
		case BY_ID: /* chosen already */
			break;
		case BY_FROM:
			fit = address_fits(text, f->env->sender);
			break;
		case BY_TO:
			fit = address_fits(text, f->rcpt->address);
			break;
		case BY_SITE:
			fit = strcasecmp(text, f->site) == 0 || (strchr(f->site, ':') != NULL &&
			    strcasecmp(text, strchr(f->site, ':') + 1) == 0);
			break;
		case BY_OLDER:
			fit = num_parse(span_of(text), INT64_MAX, &age) == 0 &&
			    now_s() - f->env->arrived_s >= (int64_t)age;
			break;
		case BY_STATE:
			fit = strcmp(text, f->state) == 0;
			break;
		}
		if (!fit)
			return false;
	}
	return true;
}

static int
send_items(struct listing *l)
{
	int rv = 0;

	if (l->body.len > 0)
		rv = wire_send(l->wire, deadline_in(CLIENT_WAIT_MS), NULL, buf_span(&l->body), "ITEM", NULL, 0);
	buf_reset(&l->body);
	return rv;
}

static const char *
site_of(struct listing *l, const struct envelope *e, const struct env_rcpt *r)
{
	struct buf why = BUF_INIT(512);
	struct nexthop hop;
	int rv = router_nexthop(&l->q->router, e->sender, r->address, r->action, l->arena, &hop, NULL, &why);

	buf_free(&why);
	return rv == 0 ? hop.text : "";
}

static int
list_rcpt(struct listing *l, struct facts *f)
{
	char arrived[24], octets[24], attempts[12], next[24];
	struct control_item item = { .word = { f->record->id, arrived, octets, f->env->sender,
	                                 f->rcpt->address, f->state, attempts, next, f->site, f->rcpt->last } };

	snprintf(arrived, sizeof arrived, "%lld", (long long)f->env->arrived_s);
	snprintf(octets, sizeof octets, "%llu", (unsigned long long)f->env->octets);
	snprintf(attempts, sizeof attempts, "%u", f->rcpt->attempts);
	snprintf(next, sizeof next, "%u", f->record->place == NO_PLACE ? 0 : f->record->due);
	control_item_add(&l->body, &item);
	return l->body.len > ITEMS_FULL ? send_items(l) : 0;
}

static int
list_record(struct listing *l, const struct record *r)
{
	int fd = files_open_envelope(&l->q->spool, r, O_RDONLY), rv = 0;
	struct buf why = BUF_INIT(512);
	struct envelope e;
	bool any = false;

	arena_reset(l->arena);
	if (fd != -1 && envelope_read(fd, l->arena, &e, &why) == 0)
		for (size_t i = 0; rv == 0 && i < e.rcpt_count; i++) {
			struct facts f = { r, &e, &e.rcpts[i], state_of(r, &e.rcpts[i]), "" };

			if (rcpt_is_open(f.rcpt))
				f.site = site_of(l, &e, f.rcpt);
			else if (!l->sel->all_rcpts)
				continue;
			if (!fits(l->sel, &f))
				continue;
			any = true;
			rv = list_rcpt(l, &f);
		}
	l->count += any;
	buf_free(&why);
	file_close(fd);
	return rv;
}

static int
by_id(const void *a, const void *b)
{
	const struct record *const *x = a, *const *y = b;

	return strcmp((*x)->id, (*y)->id);
}

/* In the order of arrival, which is that of the IDs. */
static struct record **
chosen(const struct records *r, const struct selection *sel, size_t *n)
{
	struct record **all = mem_alloc(r->count + sel->n + 1, sizeof(struct record *)), *rec;

	*n = 0;
	for (size_t i = 0; sel->ids && i < sel->n; i++)
		if (sel->line[i].by == BY_ID && (rec = records_find(r, sel->line[i].text)) != NULL)
			all[(*n)++] = rec;
	for (size_t i = 0; !sel->ids && i < r->buckets; i++)
		for (rec = r->bucket[i]; rec != NULL; rec = rec->next)
			all[(*n)++] = rec;
	qsort(all, *n, sizeof(struct record *), by_id);
	return all;
}

static int
list(struct queued *q, struct wire *wire, const struct selection *sel)
{
	struct listing l = { .q = q, .wire = wire, .sel = sel, .arena = arena_new(),
		.body = BUF_INIT(LIMIT_PACKET - 64) };
	struct record **all;
	char count[24];
	size_t n;

	all = chosen(&q->records, sel, &n);
	for (size_t i = 0; i < n; i++)
		if ((i == 0 || all[i] != all[i - 1]) && list_record(&l, all[i]) == -1)
			return 1;
	if (send_items(&l) == -1)
		return 1;
	snprintf(count, sizeof count, "%llu", (unsigned long long)l.count);
	return wire_say(wire, deadline_in(CLIENT_WAIT_MS), "END", count) == -1;
}

/* --- in the queue manager ------------------------------------------------ */

static bool
answer_count(struct admin *a, size_t n)
{
	char count[24];

	snprintf(count, sizeof count, "%zu", n);
	return wire_say(&a->wire, NEVER, "END", count) == 0;
}

/* True: the child answers; the client is not listened to until it has. */
static bool
on_list(struct admin *a, struct wire_packet *p)
{
	struct selection *sel;
	struct arena *arena;
	pid_t parent = getpid();

	if (listers >= LISTERS_MAX)
		return false;
	arena = arena_new();
	sel = mem_alloc(1, sizeof *sel);
	sel->all_rcpts = strcmp(p->word[0], "all") == 0;
	if (read_selection(p->body, arena, sel) == -1 || (a->lister = fork()) == -1) {
		a->lister = 0;
		arena_free(arena);
		free(sel);
		return false;
	}
	if (a->lister == 0) {
		signal(SIGTERM, SIG_DFL);
		signal(SIGINT, SIG_DFL);
		proc_follow_parent(parent);
		router_refresh(&a->q->router);
		_exit(list(a->q, &a->wire, sel));
	}
	arena_free(arena);
	free(sel);
	listers++;
	event_del(a->ev);
	return true;
}

static bool
on_show(struct admin *a, struct wire_packet *p)
{
	struct queued *q = a->q;
	struct record *r = records_find(&q->records, p->word[0]);
	char next[24];
	const char *const words[] = { r == NULL ? "" : (r->flags & HELD) != 0 ? "held" :
		r->work != NULL ? "active" : "waiting", next };
	int fds[2] = { -1, -1 };
	bool good;

	if (r != NULL) {
		snprintf(next, sizeof next, "%u", r->place == NO_PLACE ? 0 : r->due);
		fds[0] = files_open_message(&q->spool, r->id);
		fds[1] = files_open_envelope(&q->spool, r, O_RDONLY);
	}
	if (fds[0] != -1 && fds[1] != -1)
		good = wire_send(&a->wire, NEVER, fds, (struct span){ "", 0 }, "FILES", words, 2) == 0;
	else
		good = answer_count(a, 0);
	file_close(fds[0]);
	file_close(fds[1]);
	return good;
}

static int
retry(struct queued *q, struct record *r, const char *by)
{
	(void)by;
	if ((r->flags & HELD) != 0)
		return -1;
	if (r->work == NULL)
		records_schedule(&q->records, r, 0);
	return 0;
}

static int
release(struct queued *q, struct record *r, const char *by)
{
	(void)by;
	return message_release(q, r);
}

static int
delete(struct queued *q, struct record *r, const char *by)
{
	message_delete(q, r, by);
	return 0;
}

static bool
change(struct admin *a, struct wire_packet *p, int (*fn)(struct queued *, struct record *, const char *))
{
	struct queued *q = a->q;
	char id[LIMIT_ID], by[64];
	size_t n = 0;

	strlcpy(by, p->n > 0 ? p->word[0] : "", sizeof by);
	while (p->body.s != NULL && p->body.len > 0) {
		struct span line = span_cut(&p->body, '\n');
		struct record *r = NULL;

		if (line.len < sizeof id) {
			memcpy(id, line.s, line.len);
			id[line.len] = '\0';
			r = records_find(&q->records, id);
		}
		if (r != NULL && fn(q, r, by) == 0)
			n++;
	}
	return answer_count(a, n);
}

static bool
on_hold(struct admin *a, struct wire_packet *p)
{
	return change(a, p, message_hold);
}

static bool
on_release(struct admin *a, struct wire_packet *p)
{
	bool good = change(a, p, release);

	messages_due(a->q);
	return good;
}

static bool
on_delete(struct admin *a, struct wire_packet *p)
{
	return change(a, p, delete);
}

static bool
on_retry(struct admin *a, struct wire_packet *p)
{
	bool good;

	sites_up(&a->q->sites);
	good = change(a, p, retry);
	messages_due(a->q);
	return good;
}

static bool
on_flush(struct admin *a, struct wire_packet *p)
{
	struct records *r = &a->q->records;
	size_t n = r->heap_count;

	(void)p;
	sites_up(&a->q->sites);
	/* All become equal, so the heap stays one. */
	for (size_t i = 0; i < n; i++)
		r->heap[i]->due = 0;
	messages_due(a->q);
	return answer_count(a, n);
}

static bool
on_status(struct admin *a, struct wire_packet *p)
{
	struct queued *q = a->q;
	struct buf body = BUF_INIT(4096);
	bool good;

	(void)p;
	buf_addf(&body, "messages %zu\nactive %zu\nwaiting %zu\nheld %zu\n", q->records.count, q->working,
	    q->records.heap_count, q->records.held);
	buf_addf(&body, "sites %zu\nsites_down %zu\nsubmitters %zu\nstarted %lld\n", q->sites.count,
	    q->sites.down, q->submitter_count, (long long)q->started_s);
	buf_addf(&body, "link_down %d\nlink_busy %zu\n", q->link_down, link_busy(q));
	for (enum kind kind = 0; kind < KIND_COUNT; kind++)
		buf_addf(&body, "agents_%s %zu\nidle_%s %zu\n", kind_names[kind],
		    agents_count(q, kind, false), kind_names[kind], agents_count(q, kind, true));
	good = wire_send(&a->wire, NEVER, NULL, buf_span(&body), "COUNTS", NULL, 0) == 0;
	buf_free(&body);
	return good;
}

static bool
on_link(struct admin *a, struct wire_packet *p)
{
	bool down = strcmp(p->word[0], "down") == 0;
	size_t n;

	if (!down && strcmp(p->word[0], "up") != 0)
		return false;
	return link_set(a->q, down, p->word[1], &n) == 0 && answer_count(a, n);
}

static const struct {
	const char *verb;
	bool (*fn)(struct admin *, struct wire_packet *);
} handlers[] = {
	{ "LIST", on_list },
	{ "SHOW", on_show },
	{ "RETRY", on_retry },
	{ "FLUSH", on_flush },
	{ "LINK", on_link },
	{ "HOLD", on_hold },
	{ "RELEASE", on_release },
	{ "DELETE", on_delete },
	{ "STATUS", on_status },
};

static void
admin_end(struct admin *a)
{
	LIST_REMOVE(a, link);
	event_free(a->ev);
	wire_close(&a->wire);
	free(a);
}

static void
on_packet(evutil_socket_t fd, short what, void *arg)
{
	struct admin *a = arg;
	struct wire_packet p;
	int rv = queued_recv(a->q, &a->wire, &p);
	bool good = false;

	(void)fd, (void)what;
	if (rv == -1 && errno == EAGAIN)
		return;
	if (rv == 1 && !a->may)
		good = wire_send(&a->wire, NEVER, NULL, (struct span){ "", 0 }, "DENIED", NULL, 0) == 0;
	else if (rv == 1)
		for (size_t i = 0; i < COUNT(handlers); i++)
			if (wire_is(&p, handlers[i].verb))
				good = handlers[i].fn(a, &p);
	if (!good)
		admin_end(a);
}

/* A lister has ended: its client is ours again. */
static void
on_child(evutil_socket_t number, short what, void *arg)
{
	struct admin *a;
	pid_t pid;
	int status;

	(void)number, (void)what, (void)arg;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		listers--;
		LIST_FOREACH(a, &admins, link)
			if (a->lister == pid)
				break;
		if (a == NULL)
			continue;
		a->lister = 0;
		a->wire.state = CONTROL_IDLE;
		if (status == 0)
			event_add(a->ev, NULL);
		else
			admin_end(a);
	}
}

/* root, ourselves, and the members of group posthouse, as the kernel knows them. */
static bool
may_administer(const struct queued *q, int fd, uid_t uid)
{
	struct ucred cred;
	gid_t groups[256];
	socklen_t len = sizeof cred, groups_len = sizeof groups;

	if (uid == 0 || uid == getuid())
		return true;
	if (q->admins == (gid_t)-1)
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.gid == q->admins)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &groups_len) == -1)
		return false;
	for (size_t i = 0; i < groups_len / sizeof *groups; i++)
		if (groups[i] == q->admins)
			return true;
	return false;
}

static void
on_connect(evutil_socket_t listen_fd, short what, void *arg)
{
	struct queued *q = arg;
	struct admin *a;
	uid_t uid;
	int fd = queued_accept(listen_fd, &uid);

	(void)what;
	if (fd == -1)
		return;
	a = mem_alloc(1, sizeof *a);
	a->q = q;
	a->may = may_administer(q, fd, uid);
	wire_open(&a->wire, fd, SERVER, control_messages, CONTROL_IDLE);
	LIST_INSERT_HEAD(&admins, a, link);
	a->ev = queued_watch(q, fd, on_packet, a);
}

void
admin_listen(struct queued *q, int fd)
{
	event_add(evsignal_new(q->base, SIGCHLD, on_child, q), NULL);
	queued_watch(q, fd, on_connect, q);
}
