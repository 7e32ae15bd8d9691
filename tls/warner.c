/*
 * warner: tells of certificates that end soon.
 *
 * tlsd's first process has no sockets but its own and nowhere to write; so this is a process of its own, which holds no
 * key. Knows dates, what was told (a file), and what a letter says.
 */
#include "tls/warner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "lib/sys/packet.h"
#include "lib/sys/proc.h"
#include "lib/sys/sandbox.h"
#include "router/notice.h"

#define DAY_S 86400
#define TOLD_OCTETS (64 * 1024)
#define TOLD_FILE "told" /* lines "SHA-256 DAYS", the newest last */

static const int64_t days_before[] = { 0, 1, 7, 14 }; /* 0: it has ended */

struct warner {
	const struct instance *inst;
	const struct conf *conf;
	char *state_dir, *submit_path;
	struct buf told;   /* the postmaster knows, and it is on disk */
	struct buf logged; /* by this process */
};

/* The nearest of days_before that it is already in; -1: it is none's turn. */
static int64_t
due(const struct secure_pair *p, int64_t now_s)
{
	for (size_t i = 0; i < COUNT(days_before); i++)
		if ((int64_t)p->until_s - now_s <= days_before[i] * DAY_S)
			return days_before[i];
	return -1;
}

/* --- what was told -------------------------------------------------------- */

static bool
knows(const struct buf *list, const char *line)
{
	return strstr(buf_str(list), line) != NULL;
}

/* The oldest lines make room. */
static void
note(struct buf *list, const char *line)
{
	struct span rest = buf_span(list);
	size_t n = strlen(line);
	char *kept;

	while (rest.s != NULL && rest.len > list->max - n)
		(void)span_cut(&rest, '\n');
	kept = mem_dupn(rest.s == NULL ? "" : rest.s, rest.s == NULL ? 0 : rest.len);
	buf_reset(list);
	buf_adds(list, kept);
	buf_adds(list, line);
	free(kept);
}

static void
remember(struct warner *w, const char *line)
{
	int dir = open(w->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	note(&w->told, line);
	if (dir == -1 || file_replace_at(dir, TOLD_FILE, w->told.s, w->told.len, 0600) == -1)
		log_error(EV_WARNING, LS("text", "cannot write down what the postmaster was told: told again after a restart"),
		    LS("directory", w->state_dir), LS("error", strerror(errno)));
	file_close(dir);
}

static void
recall(struct warner *w)
{
	int dir = open(w->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir != -1 && file_slurp_at(dir, TOLD_FILE, &w->told) == -1)
		buf_reset(&w->told);
	file_close(dir);
}

/* --- the letter ----------------------------------------------------------- */

static void
write_letter(const struct secure_pair *p, int64_t days, struct buf *subject, struct buf *text)
{
	time_t until = (time_t)p->until_s;
	char when[32] = "";
	struct tm tm;

	gmtime_r(&until, &tm);
	(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
	if (days == 0)
		buf_addf(subject, "The certificate %s has expired", p->name);
	else
		buf_addf(subject, "The certificate %s expires within %" PRId64 " day%s", p->name, days, days == 1 ? "" : "s");
	buf_addf(text, "The certificate that is served from %s%s%s\n%s good until %s (universal time).\n\n", p->name,
	    p->hosts[0] != '\0' ? ", for\n" : "", p->hosts, days == 0 ? "was" : "is", when);
	buf_adds(text, "Mail programs and other servers refuse one that has expired. Whatever renews it (an ACME\n"
	    "client?) has not done so, or has not put the new files where tlsd looks for them.\n"
	    "New files are noticed without a restart; the log says tls.certificates when they are\n"
	    "served, tls.reload_rejected when something is wrong with them.\n\n"
	    "    posthouse status --tls     shows what is served\n");
}

static bool
send_letter(struct warner *w, const struct secure_pair *p, int64_t days)
{
	struct buf subject = BUF_INIT(512), text = BUF_INIT(8192), why = BUF_INIT(1024);
	struct notice n = { .program = "tlsd", .again = "Such a letter comes 14, 7 and 1 days before a certificate's end, and then." };
	struct router router;
	bool sent = false;

	write_letter(p, days, &subject, &text);
	n.subject = buf_str(&subject);
	n.text = buf_str(&text);
	if (router_open(&router, w->inst, w->conf, &why) == 0) {
		sent = notice_send(&router, w->submit_path, &n, &why) == 0;
		router_close(&router);
	}
	if (!sent)
		log_error(EV_WARNING, LS("text", buf_str(&why)), LS("about", n.subject));
	buf_free(&subject);
	buf_free(&text);
	buf_free(&why);
	return sent;
}

static void
consider(struct warner *w, const struct secure_pair *p)
{
	int64_t now = (int64_t)time(NULL), days = due(p, now);
	char line[100];

	if (days == -1)
		return;
	(void)snprintf(line, sizeof(line), "%s %" PRId64 "\n", p->digest, days);
	if (knows(&w->told, line))
		return;
	if (!knows(&w->logged, line))
		log_error(EV_TLS_EXPIRES, LS("pair", p->name), LS("hosts", p->hosts),
		    LN("hours", ((int64_t)p->until_s - now) / 3600), LN("within_days", days));
	note(&w->logged, line);
	if (send_letter(w, p, days))
		remember(w, line);
}

/* --- the process ---------------------------------------------------------- */

static void
enter(const struct warner *w)
{
	struct sandbox box = { .mode = w->conf->sandbox,
		.paths = { { w->inst->maps, MAY_READ }, { w->inst->etc, MAY_READ }, { w->state_dir, MAY_READ | MAY_WRITE },
		    { w->inst->run, MAY_READ | MAY_WRITE }, { "/etc", MAY_READ } },
		.calls = CALL_UNIX };

	sandbox_enter(&box);
}

static NORETURN void
work(struct warner *w, int fd, pid_t parent)
{
	static char packet[LIMIT_PACKET + 1];
	int fds[LIMIT_PACKET_FDS], n_fds;
	struct secure_pair p;
	struct span rest;
	ssize_t n;

	log_open("tlsd");
	proc_follow_parent(parent);
	(void)close_range(3, (unsigned)fd - 1, 0); /* nothing of our parent's is open here */
	(void)close_range((unsigned)fd + 1, ~0U, 0);
	(void)!file_mkdirs_at(AT_FDCWD, w->state_dir, 0700); /* in an instance of our own setup may not have made it */
	enter(w);
	buf_init(&w->told, TOLD_OCTETS);
	buf_init(&w->logged, TOLD_OCTETS);
	recall(w);
	while (!proc_stopping && (n = packet_recv(fd, packet, fds, &n_fds, NEVER)) > 0) {
		rest = (struct span){ packet, (size_t)n };
		while (secure_pair_next(&rest, &p))
			consider(w, &p);
	}
	_exit(0);
}

int
warner_start(const struct instance *inst, const struct conf *conf)
{
	struct warner w = { .inst = inst, .conf = conf };
	pid_t parent = getpid(), pid;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1 || (pid = fork()) == -1) {
		log_error(EV_WARNING, LS("text", "cannot start the process that warns of certificates"), LS("error", strerror(errno)));
		return -1;
	}
	if (pid == 0) {
		file_close(ends[0]);
		w.state_dir = instance_path(inst->state, "tls");
		w.submit_path = instance_path(inst->run, "submit");
		work(&w, ends[1], parent);
	}
	file_close(ends[1]);
	return ends[0];
}

void
warner_tell(int fd, const struct pairs *p)
{
	struct buf one = BUF_INIT(LIMIT_PACKET);
	int64_t now = (int64_t)time(NULL);
	struct secure_pair facts;

	for (size_t i = 0; fd != -1 && i < p->count; i++) {
		pairs_describe(p, &p->all[i], &facts);
		if (due(&facts, now) == -1)
			continue;
		buf_reset(&one);
		secure_pair_add(&facts, &one);
		(void)!packet_send(fd, one.s, one.len, NULL, 0, deadline_in(0)); /* in a minute it hears it again */
	}
	buf_free(&one);
}
