/*
 * outside_keeper: starts a process for each question, and buries it; and what that process does.
 *
 * Knows DJB's checkpassword, commands that know tokens, and that PAM is asked elsewhere (pam.c). Nothing of authd's is in
 * these processes: they were forked before it had read anything.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "auth/outside.h"
#include "auth/pam.h"
#include "lib/base/ascii.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/sys/proc.h"

#define CHECKPASSWORD_MAX 512 /* octets that its interface takes */
#define WORDS_MAX 32          /* of a command */
#define LAST_WORD_S 2         /* a process ends itself so long after its program's time */

struct seat {
	pid_t pid; /* 0: free */
	uint32_t number;
};
struct keeper {
	int fd;
	const struct conf *conf;
	struct seat seats[OUTSIDE_AT_ONCE];
};

/* --- in a process of its own --------------------------------------------------- */

struct question {
	enum outside_kind kind;
	char *how;
	const char *login, *secret, *client;
};

static size_t
cut_words(char *command, char *argv[], size_t max)
{
	size_t n = 0;
	char *save = NULL;

	for (char *w = strtok_r(command, " \t", &save); w != NULL && n < max; w = strtok_r(NULL, " \t", &save))
		argv[n++] = w;
	argv[n] = NULL;
	return n;
}

/* A program that did neither of the things it should. */
static enum verified
complain(const char *program, int status, const struct buf *err)
{
	char what[64];

	if (status == -1)
		(void)snprintf(what, sizeof(what), "%s", errno == ETIMEDOUT ? "it took too long" : strerror(errno));
	else if (WIFEXITED(status))
		(void)snprintf(what, sizeof(what), "exit code %d", WEXITSTATUS(status));
	else
		(void)snprintf(what, sizeof(what), "signal %d", WTERMSIG(status));
	log_event(EV_WARNING, LS("text", "a program that checks logins cannot tell"), LS("program", program),
	    LS("error", what), LS("said", buf_str(err)));
	return VERIFIED_NOT;
}

static enum verified
verdict(const char *program, int status, const struct buf *err)
{
	if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) <= 1)
		return WEXITSTATUS(status) == 0 ? VERIFIED_RIGHT : VERIFIED_WRONG;
	return complain(program, status, err);
}

/* https://cr.yp.to/checkpwd/interface.html: on descriptor 3 name, password and a timestamp, each with a NUL; it runs
 * the program that is named last when all is well. 1: wrong, 2: misused, 111: trouble. */
static enum verified
ask_program(const struct keeper *k, struct question *q)
{
	static char well[] = "/bin/true";
	char *argv[WORDS_MAX + 2];
	struct buf input = BUF_INIT(CHECKPASSWORD_MAX), out = BUF_INIT(4096), err = BUF_INIT(400);
	size_t n = cut_words(q->how, argv, WORDS_MAX);
	enum verified v;

	argv[n] = well;
	argv[n + 1] = NULL;
	buf_add(&input, q->login, strlen(q->login) + 1);
	buf_add(&input, q->secret, strlen(q->secret) + 1);
	buf_addf(&input, "Y%lld", (long long)time(NULL));
	buf_addc(&input, '\0');
	if (buf_over(&input)) /* it cannot be told, so it is nobody's */
		return VERIFIED_WRONG;
	v = verdict(argv[0], proc_feed(argv, 3, buf_span(&input), &out, &err, (int)k->conf->auth_program_timeout), &err);
	buf_wipe(&input);
	return v;
}

/* The first line of what it says is whose the token is. */
static enum verified
ask_token(const struct keeper *k, struct question *q, char text[LIMIT_ADDRESS + 1])
{
	char *argv[WORDS_MAX + 1];
	struct buf out = BUF_INIT(4096), err = BUF_INIT(400);
	struct span all, line;
	enum verified v;

	if (cut_words(q->how, argv, WORDS_MAX) == 0)
		return VERIFIED_NOT;
	v = verdict(argv[0], proc_feed(argv, 0, span_of(q->secret), &out, &err, (int)k->conf->auth_program_timeout), &err);
	all = buf_span(&out);
	line = span_trim(span_cut(&all, '\n'));
	if (v != VERIFIED_RIGHT)
		return v;
	if (line.len == 0 || line.len > LIMIT_ADDRESS || memchr(line.s, '\0', line.len) != NULL)
		return VERIFIED_WRONG;
	memcpy(text, line.s, line.len);
	text[line.len] = '\0';
	return v;
}

/* System users have no domain. */
static enum verified
ask_pam(const struct keeper *k, const struct question *q)
{
	char user[LIMIT_ADDRESS + 1];

	strlcpy(user, q->login, sizeof(user));
	user[strcspn(user, "@")] = '\0';
	return pam_verify(k->conf->pam_directory, q->how, user, q->secret, q->client);
}

static bool
cut_question(char *packet, size_t n, struct question *q)
{
	struct outside_head head;
	char *parts[4], *s = packet + sizeof(head), *end = packet + n;

	memcpy(&head, packet, sizeof(head));
	for (size_t i = 0; i < COUNT(parts); i++) {
		char *nul = s < end ? memchr(s, '\0', (size_t)(end - s)) : NULL;

		if (nul == NULL)
			return false;
		parts[i] = s;
		s = nul + 1;
	}
	*q = (struct question){ (enum outside_kind)head.kind, parts[0], parts[1], parts[2], parts[3] };
	return true;
}

static void NORETURN
ask(const struct keeper *k, uint32_t number, char *packet, size_t n, pid_t parent)
{
	struct outside_answer answer = { .number = number, .verdict = VERIFIED_NOT };
	struct question q;

	log_open(NULL);
	signal(SIGTERM, SIG_DFL);
	(void)setpgid(0, 0); /* what it leaves behind ends with it */
	proc_follow_parent(parent);
	alarm((unsigned)k->conf->auth_program_timeout + LAST_WORD_S);
	if (cut_question(packet, n, &q))
		switch (q.kind) {
		case OUTSIDE_PROGRAM: answer.verdict = ask_program(k, &q); break;
		case OUTSIDE_PAM: answer.verdict = ask_pam(k, &q); break;
		case OUTSIDE_TOKEN: answer.verdict = ask_token(k, &q, answer.text); break;
		}
	_exit(send(k->fd, &answer, sizeof(answer), MSG_NOSIGNAL) == -1);
}

/* --- the keeper ------------------------------------------------------------------ */

static void
start(struct keeper *k, char *packet, size_t n)
{
	struct outside_answer failed = { .verdict = VERIFIED_NOT };
	sigset_t none;
	pid_t parent = getpid();

	memcpy(&failed.number, packet, sizeof(failed.number));
	for (size_t i = 0; i < OUTSIDE_AT_ONCE; i++) {
		if (k->seats[i].pid != 0)
			continue;
		k->seats[i] = (struct seat){ fork(), failed.number };
		if (k->seats[i].pid == 0) {
			sigemptyset(&none);
			sigprocmask(SIG_SETMASK, &none, NULL);
			ask(k, failed.number, packet, n, parent);
		}
		if (k->seats[i].pid > 0)
			return;
		k->seats[i].pid = 0;
		break;
	}
	(void)!send(k->fd, &failed, sizeof(failed), MSG_NOSIGNAL);
}

/* A process that did not come to its own end had no answer to give: a module of PAM took it away, or its time was over. */
static void
bury(struct keeper *k)
{
	siginfo_t info = { 0 };

	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
		struct outside_answer failed = { .verdict = VERIFIED_NOT };
		pid_t pid = info.si_pid;

		(void)kill(-pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		for (size_t i = 0; i < OUTSIDE_AT_ONCE; i++)
			if (k->seats[i].pid == pid) {
				k->seats[i].pid = 0;
				failed.number = k->seats[i].number;
			}
		if (info.si_code != CLD_EXITED || info.si_status != 0) {
			log_event(EV_WARNING, LS("text", "a check of a login did not come to its end"),
			    LN(info.si_code == CLD_EXITED ? "code" : "signal", info.si_status));
			(void)!send(k->fd, &failed, sizeof(failed), MSG_NOSIGNAL);
		}
		info = (siginfo_t){ 0 };
	}
}

static void
noted(int signo)
{
	(void)signo; /* ends the wait */
}

static void
end_all(const struct keeper *k)
{
	for (size_t i = 0; i < OUTSIDE_AT_ONCE; i++)
		if (k->seats[i].pid > 0)
			(void)kill(-k->seats[i].pid, SIGKILL);
}

void
outside_keep(int fd, const struct conf *conf)
{
	struct keeper k = { .fd = fd, .conf = conf };
	const struct sigaction sa = { .sa_handler = noted };
	struct pollfd p = { fd, POLLIN, 0 };
	char packet[OUTSIDE_PACKET];
	sigset_t children, before;
	ssize_t n = 1;

	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, &before);
	sigdelset(&before, SIGCHLD);
	(void)sigaction(SIGCHLD, &sa, NULL);
	while (n != 0) {
		p.revents = 0;
		if (ppoll(&p, 1, NULL, &before) == 1) {
			n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
			if (n > (ssize_t)sizeof(struct outside_head))
				start(&k, packet, (size_t)n);
			explicit_bzero(packet, sizeof(packet));
		}
		bury(&k);
	}
	end_all(&k);
	_exit(0);
}
