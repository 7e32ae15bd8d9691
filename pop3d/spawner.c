/*
 * spawner: a mailbox process for every login.
 *
 * Forked before the first client comes, it never reads an octet from one. It trades the ticket of a login for a
 * mailbox at authd: a ticket that authd does not know opens nothing, whoever sent it. Then a process of its own narrows
 * itself to that one maildir, and only then reads on. Behind its session it rests a while: it can never open another
 * mailbox, so the next login to the same one may have it, and saves the fork, the narrowing, and the reading of
 * directories that have not changed.
 */
#include "pop3d/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
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
#define RESTING_MAX 100 /* processes that rest at once */
#define SESSIONS_MAX 1000 /* of a process, one after another */

struct child {
	pid_t pid; /* 0: free */
	int fd;    /* connections go in here; -1: no more */
	bool busy; /* as far as is known: it says when it rests, and is heard when somebody wants to know */
	char *mailbox, *maildir;
	char client[64]; /* of the session */
};
struct house {
	struct spawner *of;
	struct child *children; /* as many as there may be sessions, and those that rest */
	size_t count, alive;
	struct auth auth;
	char *packet;
	sigset_t held, waiting; /* waiting: in ppoll, and while authd is asked */
};

/* --- a session ------------------------------------------------------------ */

/* A mailbox process. */
struct tenant {
	const struct spawner *sp;
	const char *mailbox, *maildir;
	struct session s;
	struct stat home; /* the maildir that was opened */
	bool narrow;      /* and nothing else can be opened any more */
};

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

/* The maildir, as it is now. 0; -1 errno. */
static int
open_drop(struct tenant *t)
{
	int dir = open_maildir(t->maildir);

	if (dir == -1 || fstat(dir, &t->home) == -1) {
		file_close(dir);
		return -1;
	}
	return drop_open(&t->s.drop, dir);
}

/* For another session. Somebody may have put another maildir into this one's place meanwhile: what is narrowed to the old
 * one cannot open it. */
static int
renew_drop(struct tenant *t)
{
	struct stat st;

	if (stat(t->maildir, &st) == -1)
		return -1;
	if (st.st_dev != t->home.st_dev || st.st_ino != t->home.st_ino) {
		errno = ESTALE;
		return -1;
	}
	return drop_renew(&t->s.drop);
}

static void
narrow(struct tenant *t)
{
	char *cur = mem_fmt("%s/cur", t->maildir), *new = mem_fmt("%s/new", t->maildir);
	const struct sandbox box = {
		.mode = t->sp->conf->sandbox,
		.paths = { { t->maildir, MAY_READ | MAY_WRITE },
			/* for speed: from a file the kernel looks for a rule step by step upwards */
			{ cur, MAY_READ | MAY_WRITE }, { new, MAY_READ | MAY_WRITE } },
	};

	sandbox_enter(&box);
	t->narrow = true;
	free(cur);
	free(new);
}

static void
refuse(struct tenant *t, const char *client, const struct buf *refusal)
{
	log_event(EV_POP3_REFUSED, LS("client", client), LS("mailbox", t->mailbox), LS("limit", refusal->s));
	answer_f(&t->s.io, "-ERR %s\r\n", refusal->s);
	say(&t->s, "");
}

/* The drop is open. */
static void
enter(struct tenant *t, const struct handover *h)
{
	struct buf refusal = BUF_INIT(256);

	if (entry_free(t->sp->conf, t->s.drop.dir, &refusal)) {
		if (!t->narrow)
			narrow(t);
		log_event(EV_POP3_LOGIN, LS("mailbox", t->mailbox), LS("client", h->client));
		session_serve(&t->s);
		entry_leave(t->sp->conf, t->s.drop.dir);
	} else
		refuse(t, h->client, &refusal);
	buf_free(&refusal);
}

/* True: there may be another one in this process. */
static bool
session_run(struct tenant *t, const struct handover *h)
{
	struct session *s = &t->s;
	bool open;

	session_init(s, t->sp->conf, t->mailbox, h);
	io_open(&s->io, h->fd);
	io_unget(&s->io, h->ahead);
	open = (t->narrow ? renew_drop(t) : open_drop(t)) == 0;
	if (open)
		enter(t, h);
	else {
		log_error(EV_WARNING, LS("text", "cannot open a mailbox"), LS("mailbox", t->mailbox),
		    LS("error", strerror(errno)));
		say(s, kind_of_trouble(errno));
	}
	io_close(&s->io);
	return open && t->narrow && !proc_stopping;
}

/* The next connection; false: it is time to leave. One that is sent at the last moment is served: behind
 * shutdown(2) nothing comes any more. */
static bool
rest(int fd, char *packet, struct handover *h)
{
	if (packet_send(fd, "i", 1, NULL, 0, NEVER) == -1)
		return false;
	if (handover_take(fd, packet, h) == 1)
		return true;
	return errno == EAGAIN && shutdown(fd, SHUT_RD) == 0 && handover_take(fd, packet, h) == 1;
}

/* Its first session, and others in the same mailbox. */
static void
tenant_run(struct tenant *t, int fd, char *packet, struct handover *h)
{
	const uint64_t keep_s = t->sp->conf->pop3d_keep;
	const struct timeval wait = { (time_t)keep_s, 0 };
	unsigned sessions = 0;

	if (keep_s > 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	while (session_run(t, h)) {
		if (strcmp(h->word, "rest") != 0 || ++sessions == SESSIONS_MAX)
			break;
		drop_rest(&t->s.drop);
		if (!rest(fd, packet, h))
			break;
	}
}

/* --- the spawner ---------------------------------------------------------- */

static void
turn_away(const struct handover *h, const char *text)
{
	(void)!send(h->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Has it said that it rests, or left? */
static void
hear(struct child *c)
{
	char word;
	ssize_t got;

	if (!c->busy || c->fd == -1)
		return;
	got = recv(c->fd, &word, 1, MSG_DONTWAIT);
	if (got == -1)
		return;
	c->busy = false;
	if (got == 0) {
		file_close(c->fd);
		c->fd = -1;
	}
}

/* How many sessions there are of those that other (NULL: all) is like: enough to say whether there are max. */
static uint64_t
count_sessions(struct house *n, const char *client, const char *mailbox, uint64_t max)
{
	uint64_t busy = 0;

	for (int heard = 0; heard < 2; heard++) {
		busy = 0;
		for (size_t i = 0; i < n->count; i++) {
			struct child *c = &n->children[i];

			if (c->pid == 0 || (client != NULL && strcmp(c->client, client) != 0) ||
			    (mailbox != NULL && strcmp(c->mailbox, mailbox) != 0))
				continue;
			if (heard == 1)
				hear(c);
			busy += c->busy;
		}
		if (busy < max)
			break; /* it is not more than that */
	}
	return busy;
}

static bool
has_room(struct house *n, const struct handover *h, const char *mailbox)
{
	const struct conf *conf = n->of->conf;

	if (count_sessions(n, NULL, NULL, conf->pop3d_connections) >= conf->pop3d_connections ||
	    count_sessions(n, h->client, NULL, conf->pop3d_connections_per_address) >= conf->pop3d_connections_per_address) {
		log_event(EV_WARNING, LS("text", "too many POP3 sessions"), LS("client", h->client));
		turn_away(h, "-ERR [SYS/TEMP] too many sessions, try again later\r\n");
		return false;
	}
	if (count_sessions(n, NULL, mailbox, conf->pop3d_connections_per_user) >= conf->pop3d_connections_per_user) {
		log_event(EV_POP3_REFUSED, LS("client", h->client), LS("mailbox", mailbox),
		    LS("limit", "[IN-USE] too many sessions in this mailbox"));
		turn_away(h, "-ERR [IN-USE] too many sessions in this mailbox\r\n");
		return false;
	}
	return true;
}

/* May the process rest behind its session? */
static const char *
afterwards(const struct house *n)
{
	return n->alive <= RESTING_MAX && n->of->conf->pop3d_keep > 0 && !n->of->patient ? "rest" : "leave";
}

static void
place_free(struct child *c)
{
	file_close(c->fd);
	free(c->mailbox);
	free(c->maildir);
	c->mailbox = c->maildir = NULL;
	c->fd = -1;
	c->pid = 0;
}

/* Only standard error, the connection and what it gets more of: nothing of the spawner's or of other sessions. */
static void
keep_only(int a, int b)
{
	unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);

	if (low > 3)
		(void)close_range(3, low - 1, 0);
	if (high > low + 1)
		(void)close_range(low + 1, high - 1, 0);
	(void)close_range(high + 1, ~0u, 0);
}

static NORETURN void
child_run(struct house *n, const struct child *c, struct handover *h, int fd, pid_t parent)
{
	struct tenant t = { .sp = n->of, .mailbox = c->mailbox, .maildir = c->maildir };

	proc_follow_parent(parent);
	sigprocmask(SIG_SETMASK, &n->waiting, NULL);
	keep_only(h->fd, fd);
	log_open("pop3d");
	tenant_run(&t, fd, n->packet, h);
	_exit(0); /* what libraries do at the end of a process would only copy their memory */
}

/* 0: a place that is free, and has_room() sees to it that there is one. */
static struct child *
find_child(struct house *n, pid_t pid)
{
	for (size_t i = 0; i < n->count; i++)
		if (n->children[i].pid == pid)
			return &n->children[i];
	return NULL;
}

static void
session_fork(struct house *n, struct handover *h, const char *mailbox, const char *maildir)
{
	struct child *c = find_child(n, 0);
	pid_t self = getpid();
	int pair[2];

	if (c == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1) {
		turn_away(h, "-ERR [SYS/TEMP] no process can be made now\r\n");
		return;
	}
	*c = (struct child){ .fd = pair[0], .busy = true, .mailbox = mem_dup(mailbox), .maildir = mem_dup(maildir) };
	strlcpy(c->client, h->client, sizeof(c->client));
	n->alive++;
	strlcpy(h->word, afterwards(n), sizeof(h->word));
	c->pid = fork();
	if (c->pid == 0)
		child_run(n, c, h, pair[1], self);
	file_close(pair[1]);
	if (c->pid != -1)
		return;
	n->alive--;
	place_free(c);
	turn_away(h, "-ERR [SYS/TEMP] no process can be made now\r\n");
}

/* A process that rests in this mailbox gets the connection. */
static bool
session_give(struct house *n, const struct handover *h, const char *mailbox, const char *maildir)
{
	struct handover on = *h;

	strlcpy(on.word, afterwards(n), sizeof(on.word));
	for (size_t i = 0; i < n->count; i++) {
		struct child *c = &n->children[i];

		if (c->pid == 0 || c->fd == -1 || strcmp(c->mailbox, mailbox) != 0 || strcmp(c->maildir, maildir) != 0)
			continue;
		hear(c);
		if (c->busy || c->fd == -1)
			continue;
		c->busy = true;
		if (handover_send(c->fd, &on) == 0) {
			strlcpy(c->client, h->client, sizeof(c->client));
			return true;
		}
		c->busy = false;
		file_close(c->fd); /* it is leaving */
		c->fd = -1;
	}
	return false;
}

/* What the ticket opens. SIGTERM ends the wait. */
static bool
redeem(struct house *n, const struct handover *h, char mailbox[LIMIT_ADDRESS + 1], struct buf *maildir)
{
	enum auth_answer answer;

	sigprocmask(SIG_SETMASK, &n->waiting, NULL);
	answer = auth_redeem(&n->auth, h->word, mailbox, maildir);
	sigprocmask(SIG_SETMASK, &n->held, NULL);
	if (answer == AUTH_YES)
		return true;
	log_event(EV_WARNING, LS("text", "a login could not be redeemed"),
	    LS("client", h->client), LS("reason", n->auth.reason));
	turn_away(h, "-ERR [SYS/TEMP] mailbox not available now, try again later\r\n");
	return false;
}

static void
admit(struct house *n, struct handover *h)
{
	char mailbox[LIMIT_ADDRESS + 1];
	struct buf maildir = BUF_INIT(8192);

	if (redeem(n, h, mailbox, &maildir) && has_room(n, h, mailbox) &&
	    !session_give(n, h, mailbox, buf_str(&maildir)))
		session_fork(n, h, mailbox, buf_str(&maildir));
	buf_free(&maildir);
}

/* How many are left. */
static size_t
reap(struct house *n)
{
	struct child *c;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if ((c = find_child(n, pid)) != NULL) {
			place_free(c);
			n->alive--;
		}
	return n->alive;
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

	proc_signals();
	sigemptyset(&sa.sa_mask);
	sigaction(SIGCHLD, &sa, NULL);
	sigprocmask(SIG_SETMASK, NULL, &n->waiting);
	n->held = n->waiting;
	sigaddset(&n->held, SIGCHLD);
	sigaddset(&n->held, SIGTERM);
	sigaddset(&n->held, SIGINT);
	sigprocmask(SIG_SETMASK, &n->held, NULL);
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
		reap(n); /* logins may come without a pause */
		admit(n, &h);
		file_close(h.fd);
		explicit_bzero(h.word, sizeof(h.word));
		explicit_bzero(n->packet, (size_t)(h.ahead.s - n->packet) + h.ahead.len);
	}
	return got != 0;
}

static void
house_open(struct house *n, struct spawner *sp)
{
	*n = (struct house){ .of = sp, .count = sp->conf->pop3d_connections + RESTING_MAX };
	n->children = mem_alloc(n->count, sizeof(*n->children));
	for (size_t i = 0; i < n->count; i++)
		n->children[i].fd = -1;
	n->packet = mem_alloc(LIMIT_PACKET + 1, 1);
	auth_init(&n->auth, instance_path(sp->inst->run, "auth"));
	tzset(); /* or each session would look for the time zone */
	watch_signals(n);
	mem_settle();
}

int
spawner_run(struct spawner *sp)
{
	static struct house house; /* one a process */
	const struct sandbox box = { .mode = sp->conf->sandbox,
		.paths = { { "/", MAY_READ | MAY_WRITE } },
		.calls = CALL_FORK | CALL_UNIX };
	struct pollfd p = { sp->fd, POLLIN, 0 };
	struct house *n = &house;

	proc_many_files(); /* one a session */
	sandbox_enter(&box);
	sandbox_prepare(0); /* of the sessions: they keep no call but reading and writing */
	house_open(n, sp);
	if (fcntl(sp->fd, F_SETFL, O_NONBLOCK) == -1)
		return 1;
	while (!proc_stopping) {
		if (ppoll(&p, 1, NULL, &n->waiting) > 0 && !take_all(n))
			break;
		reap(n);
	}
	if (sp->patient)
		await_children(n);
	stop_children(n);
	free(n->packet);
	free(n->children);
	return 0;
}
