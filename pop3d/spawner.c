/*
 * spawner: a mailbox process for every login.
 *
 * Forked before the first client comes, it never reads an octet from one. Each session is a
 * process of its own: it trades the ticket for a maildir at authd, narrows itself to
 * that, and only then reads on. A ticket that authd does not know opens nothing, whoever sent it.
 */
#include "pop3d/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/net/ip.h"
#include "lib/store/maildir.h"
#include "lib/sys/file.h"
#include "lib/sys/packet.h"
#include "lib/sys/proc.h"
#include "lib/wire/auth.h"
#include "pop3d/answer.h"
#include "pop3d/entry.h"
#include "pop3d/handover.h"
#include "pop3d/session.h"

#define STOP_MS 5000   /* sessions have so long to end */
#define NUDGE_MS 250   /* SIGTERM again: the first may come just before a wait */

struct child {
	pid_t pid; /* 0: free */
	char client[64];
};
struct house {
	struct spawner *of;
	struct child *children; /* conf->pop3d_connections */
	struct tenants tenants; /* whose mailbox each of them has */
	size_t count;
	char *packet;
	sigset_t waiting;       /* while in ppoll */
};

/* --- a session ------------------------------------------------------------ */

static void
say(struct session *s, const char *text)
{
	io_puts(&s->io, text);
	(void)!io_flush(&s->io, deadline_in(s->timeout_ms));
}

/* ROOT/./MAILDIR. */
static int
open_maildir(const char *where)
{
	const char *rest = strstr(where, "/./");
	char *root;
	int root_fd, fd = -1;

	if (rest == NULL) {
		errno = EINVAL;
		return -1;
	}
	root = mem_dupn(where, (size_t)(rest - where));
	root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd != -1)
		fd = maildir_open(root_fd, rest + 3);
	file_close(root_fd);
	free(root);
	return fd;
}

static bool
redeem(struct session *s, const struct spawner *sp, const struct handover *h,
    char mailbox[LIMIT_ADDRESS + 1], struct buf *maildir)
{
	char *path = instance_path(sp->inst->run, "auth");
	enum auth_answer answer;
	struct auth auth;

	auth_init(&auth, path);
	answer = auth_redeem(&auth, h->ticket, mailbox, maildir);
	auth_close(&auth);
	free(path);
	if (answer == AUTH_YES)
		return true;
	log_event(EV_WARNING, LS("text", "a login could not be redeemed"),
	    LS("client", h->client), LS("reason", auth.reason));
	say(s, "-ERR [SYS/TEMP] mailbox not available now, try again later\r\n");
	return false;
}

/* RFC 3206, 4: is it over by itself some time, or must somebody mend it? */
static const char *
kind_of_trouble(int error)
{
	switch (error) {
	case EACCES:
	case EINVAL:
	case ELOOP:
	case ENOTDIR:
	case EPERM:
	case EROFS:
	case EXDEV:
		return "-ERR [SYS/PERM] mailbox cannot be opened: the postmaster has to mend it\r\n";
	default:
		return "-ERR [SYS/TEMP] mailbox cannot be opened now\r\n";
	}
}

/* Open, and there is no reason against one more session. */
static bool
open_drop(struct session *s, const struct spawner *sp, struct tenants *tenants, const char *mailbox,
    const char *maildir)
{
	struct buf refusal = BUF_INIT(256);
	int dir = open_maildir(maildir);

	if (dir != -1 && !entry_free(sp->conf, tenants, mailbox, dir, &refusal)) {
		log_event(EV_POP3_REFUSED, LS("client", s->client), LS("mailbox", mailbox),
		    LS("limit", buf_str(&refusal)));
		answer_f(&s->io, "-ERR %s\r\n", buf_str(&refusal));
		say(s, "");
		buf_free(&refusal);
		file_close(dir);
		return false;
	}
	buf_free(&refusal);
	if (dir != -1 && drop_open(&s->drop, dir) == 0)
		return true;
	log_error(EV_WARNING, LS("text", "cannot open a mailbox"), LS("mailbox", mailbox),
	    LS("error", strerror(errno)));
	say(s, kind_of_trouble(errno));
	return false;
}

static void
narrow(const struct spawner *sp, const char *maildir)
{
	const struct sandbox box = {
		.mode = sp->conf->sandbox,
		.paths = { { maildir, MAY_READ | MAY_WRITE } },
	};

	sandbox_enter(&box);
}

static void
session_run(const struct spawner *sp, struct tenants *tenants, const struct handover *h)
{
	char mailbox[LIMIT_ADDRESS + 1];
	struct buf maildir = BUF_INIT(8192);
	struct session s = { .timeout_ms = (int64_t)sp->conf->pop3d_timeout * 1000,
		.login_delay_s = sp->conf->pop3d_login_delay, .client = h->client };

	io_open(&s.io, h->fd);
	io_unget(&s.io, h->ahead);
	if (redeem(&s, sp, h, mailbox, &maildir) &&
	    open_drop(&s, sp, tenants, mailbox, buf_str(&maildir))) {
		narrow(sp, buf_str(&maildir));
		log_event(EV_POP3_LOGIN, LS("mailbox", mailbox), LS("client", h->client));
		s.mailbox = mailbox;
		session_serve(&s);
		drop_close(&s.drop);
	}
	io_close(&s.io);
	buf_free(&maildir);
}

/* --- the spawner ---------------------------------------------------------- */

static void
turn_away(const struct handover *h, const char *text)
{
	(void)!send(h->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
	file_close(h->fd);
}

/* A free place; NULL after the refusal was said. */
static struct child *
place(struct house *n, const struct handover *h)
{
	const struct conf *conf = n->of->conf;
	struct child *free_one = NULL;
	uint64_t same = 0;

	for (size_t i = 0; i < n->count; i++) {
		struct child *c = &n->children[i];

		if (c->pid == 0 && free_one == NULL)
			free_one = c;
		if (c->pid != 0 && strcmp(c->client, h->client) == 0)
			same++;
	}
	if (free_one != NULL && same < conf->pop3d_connections_per_address)
		return free_one;
	log_event(EV_WARNING, LS("text", "too many POP3 sessions"), LS("client", h->client));
	turn_away(h, "-ERR [SYS/TEMP] too many sessions, try again later\r\n");
	return NULL;
}

static void
session_fork(struct house *n, struct handover *h)
{
	struct child *c = place(n, h);
	pid_t self = getpid();

	if (c == NULL)
		return;
	c->pid = fork();
	if (c->pid == 0) {
		proc_follow_parent(self);
		sigprocmask(SIG_SETMASK, &n->waiting, NULL);
		file_close(n->of->fd);
		log_open("pop3d");
		n->tenants.self = (size_t)(c - n->children);
		session_run(n->of, &n->tenants, h);
		exit(0);
	}
	if (c->pid == -1) {
		c->pid = 0;
		turn_away(h, "-ERR [SYS/TEMP] no process can be made now\r\n");
		return;
	}
	strlcpy(c->client, h->client, sizeof(c->client));
	file_close(h->fd);
}

/* How many are left. */
static size_t
reap(struct house *n)
{
	size_t left = 0;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < n->count; i++)
			if (n->children[i].pid == pid) {
				n->children[i].pid = 0;
				entry_left(&n->tenants, i);
			}
	for (size_t i = 0; i < n->count; i++)
		left += n->children[i].pid != 0;
	return left;
}

static void
on_child(int signo)
{
	(void)signo; /* ppoll(2) returns: that is all */
}

/* SIGCHLD and SIGTERM come only while the spawner waits. */
static void
watch_signals(struct house *n)
{
	struct sigaction sa = { .sa_handler = on_child };
	sigset_t held;

	proc_signals();
	sigemptyset(&sa.sa_mask);
	sigaction(SIGCHLD, &sa, NULL);
	sigemptyset(&held);
	sigaddset(&held, SIGCHLD);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGINT);
	sigprocmask(SIG_BLOCK, &held, &n->waiting);
}

/* Until they are all gone by themselves, or SIGTERM. */
static void
await_children(struct house *n)
{
	while (!proc_stopping && reap(n) > 0)
		(void)ppoll(NULL, 0, NULL, &n->waiting);
}

static void
stop_children(struct house *n)
{
	const struct timespec nudge = { 0, NUDGE_MS * 1000000L };
	deadline_ms until = deadline_in(STOP_MS);

	while (reap(n) > 0) {
		for (size_t i = 0; i < n->count; i++)
			if (n->children[i].pid != 0)
				kill(n->children[i].pid,
				    deadline_over(until) ? SIGKILL : SIGTERM);
		(void)ppoll(NULL, 0, &nudge, &n->waiting);
	}
}

/* The packets that are there. False: the other end is closed. */
static bool
take_all(struct house *n)
{
	struct handover h;
	int got;

	while ((got = handover_take(n->of->fd, n->packet, &h)) == 1) {
		session_fork(n, &h);
		explicit_bzero(h.ticket, sizeof(h.ticket));
	}
	return got != 0;
}

int
spawner_run(struct spawner *sp)
{
	struct house n = { .of = sp, .count = sp->conf->pop3d_connections };
	const struct sandbox box = { .mode = sp->conf->sandbox,
		.paths = { { "/", MAY_READ | MAY_WRITE } },
		.calls = CALL_FORK | CALL_UNIX };
	struct pollfd p = { sp->fd, POLLIN, 0 };

	sandbox_prepare(0); /* of the sessions: they keep no call but reading and writing */
	sandbox_enter(&box);
	n.children = mem_alloc(n.count, sizeof(*n.children));
	entry_open(&n.tenants, n.count);
	n.packet = mem_alloc(LIMIT_PACKET + 1, 1);
	tzset(); /* or each session would look for the time zone */
	watch_signals(&n);
	if (fcntl(sp->fd, F_SETFL, O_NONBLOCK) == -1)
		return 1;
	while (!proc_stopping) {
		if (ppoll(&p, 1, NULL, &n.waiting) > 0 && !take_all(&n))
			break;
		reap(&n);
	}
	if (sp->patient)
		await_children(&n);
	stop_children(&n);
	free(n.packet);
	free(n.children);
	return 0;
}
