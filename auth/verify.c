/*
 * verify: slow hashes, in helper processes.
 *
 * Each helper has a socket of its own and one job at a time; the others wait in
 * line. A helper that dies or takes too long is replaced by its keeper
 * (proc_pool); the job it had is answered with VERIFIED_NOT. Knows hashes and
 * passwords, not whose they are.
 */
#include "auth/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/mail/scram.h"
#include "lib/net/sasl.h"
#include "lib/store/hash.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"

#define JOB_S 15 /* a hash that takes longer has a cost nobody meant */

/* A packet to a helper: its head, then hash NUL password NUL. Back: number, verdict, and what was made. */
struct job_head {
	uint32_t number;
	struct verify_make make;
};
struct job_answer {
	uint32_t number;
	uint32_t right;
	char made[HASH_MAX + SCRAM_VERIFIER_MAX];
};
#define JOB_OCTETS (sizeof(struct job_head) + HASH_MAX + LIMIT_PASSWORD + 1)

/* --- in a helper ---------------------------------------------------------- */

static bool
belongs(const char *hash, const char *password)
{
	char *prepared = hash_wants_prepared(hash) ? sasl_prepared(password) : NULL;
	bool right = hash_verify(hash, prepared != NULL ? prepared : password);

	if (prepared != NULL)
		explicit_bzero(prepared, strlen(prepared));
	free(prepared);
	return right;
}

/* Nothing, when the system has no randomness today. */
static void
make_anew(const struct verify_make *make, const char *password, char *out, size_t room)
{
	char *hash = hash_make(password);
	char *verifier = make->iterations > 0 ? sasl_verifier(password, make->iterations) : NULL;
	int n = hash == NULL ? -1 : snprintf(out, room, "%s%s%s", hash, verifier == NULL ? "" : " ",
	    verifier == NULL ? "" : verifier);

	if (n < 0 || (size_t)n >= room)
		out[0] = '\0';
	free(hash);
	free(verifier);
}

static void
job_do(const struct job_head *head, const char *body, size_t n, struct job_answer *answer)
{
	const char *hash = body, *end = memchr(body, '\0', n);

	if (end == NULL || body[n - 1] != '\0')
		return;
	answer->right = belongs(hash, end + 1);
	if (answer->right && head->make.wanted)
		make_anew(&head->make, end + 1, answer->made, sizeof(answer->made));
}

struct keeper {
	int fds[VERIFY_HELPERS];
	enum sandbox_mode mode;
};

static int
helper_work(void *arg, int slot)
{
	const struct keeper *k = arg;
	const struct sandbox box = { .mode = k->mode };
	int fd = k->fds[slot];
	char packet[JOB_OCTETS];
	struct job_head head;
	ssize_t n;

	log_open("authd");
	signal(SIGTERM, SIG_DFL); /* nothing of a check outlives it */
	for (int i = 0; i < VERIFY_HELPERS; i++)
		if (i != slot)
			file_close(k->fds[i]);
	sandbox_enter(&box);
	while ((n = recv(fd, packet, sizeof(packet), 0)) > 0) {
		struct job_answer answer = { 0 };

		if (n <= (ssize_t)sizeof(head))
			continue;
		alarm(JOB_S); /* its end, and the keeper makes a new one */
		memcpy(&head, packet, sizeof(head));
		answer.number = head.number;
		job_do(&head, packet + sizeof(head), (size_t)n - sizeof(head), &answer);
		explicit_bzero(packet, (size_t)n);
		alarm(0);
		if (send(fd, &answer, sizeof(answer), MSG_NOSIGNAL) == -1)
			break;
		explicit_bzero(&answer, sizeof(answer));
	}
	return 0;
}

/* --- in authd ------------------------------------------------------------- */

/* All that authd has open and they do not need. Their sockets were made one after the other. */
static void
close_others(const struct keeper *k)
{
	unsigned first = 3;

	for (int i = 0; i < VERIFY_HELPERS; i++) {
		if ((unsigned)k->fds[i] > first)
			close_range(first, (unsigned)k->fds[i] - 1, 0);
		first = (unsigned)k->fds[i] + 1;
	}
	close_range(first, ~0U, 0);
}

static void NORETURN
keep_helpers(struct keeper *k, pid_t parent)
{
	close_others(k);
	proc_follow_parent(parent);
	proc_signals();
	proc_pool(VERIFY_HELPERS, 1000, helper_work, k);
	_exit(0);
}

void
verify_fork(struct verify *v, enum sandbox_mode mode)
{
	struct keeper k = { .mode = mode };
	int pair[2];
	pid_t self = getpid();

	for (int i = 0; i < VERIFY_HELPERS; i++) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
			fatal(EX_OSERR, "cannot make a socketpair: %s", strerror(errno));
		v->helpers[i] = (struct helper){ .of = v, .fd = pair[0] };
		k.fds[i] = pair[1];
	}
	v->keeper = fork();
	if (v->keeper == -1)
		fatal(EX_OSERR, "cannot fork: %s", strerror(errno));
	if (v->keeper == 0)
		keep_helpers(&k, self);
	for (int i = 0; i < VERIFY_HELPERS; i++)
		file_close(k.fds[i]);
}

static void
job_free(struct verify_job *job)
{
	explicit_bzero(job->password, strlen(job->password));
	free(job->password);
	free(job->hash);
	free(job);
}

static int
helper_send(struct helper *h, const struct verify_job *job)
{
	char packet[JOB_OCTETS];
	size_t hash_n = strlen(job->hash) + 1, password_n = strlen(job->password) + 1;
	const struct job_head head = { ++h->number, job->make };
	size_t n = sizeof(head);
	ssize_t sent;

	memcpy(packet, &head, sizeof(head));
	memcpy(packet + n, job->hash, hash_n);
	n += hash_n;
	memcpy(packet + n, job->password, password_n);
	n += password_n;
	sent = send(h->fd, packet, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	explicit_bzero(packet, n);
	return sent == -1 ? -1 : 0;
}

static void helpers_feed(struct verify *);

static void
helper_done(struct helper *h, enum verified what, const char *text)
{
	struct verify_job *job = h->job;

	h->job = NULL;
	event_del(h->timer);
	helpers_feed(h->of);
	job->done(job->arg, what, text);
	job_free(job);
}

/* Give what waits to helpers that have time. */
static void
helpers_feed(struct verify *v)
{
	const struct timeval limit = { JOB_S + 5, 0 };
	struct verify_job *job;

	for (int i = 0; i < VERIFY_HELPERS; i++) {
		struct helper *h = &v->helpers[i];

		job = TAILQ_FIRST(&v->waiting);
		if (h->job != NULL || job == NULL)
			continue;
		TAILQ_REMOVE(&v->waiting, job, next);
		v->count--;
		h->job = job;
		/* What cannot be sent now ends by the timer, as a helper that died does. */
		if (helper_send(h, job) == -1)
			log_event(EV_WARNING, LS("text", "a hashing helper takes no work"));
		event_add(h->timer, &limit);
	}
}

static void
helper_readable(evutil_socket_t fd, short what, void *arg)
{
	struct helper *h = arg;
	struct job_answer answer;

	(void)what;
	while (recv((int)fd, &answer, sizeof(answer), MSG_DONTWAIT) == (ssize_t)sizeof(answer))
		if (h->job != NULL && answer.number == h->number) {
			answer.made[sizeof(answer.made) - 1] = '\0';
			helper_done(h, answer.right != 0 ? VERIFIED_RIGHT : VERIFIED_WRONG, answer.made);
		}
	explicit_bzero(&answer, sizeof(answer));
}

static void
helper_late(evutil_socket_t fd, short what, void *arg)
{
	struct helper *h = arg;

	(void)fd;
	(void)what;
	log_event(EV_WARNING, LS("text", "a hashing helper gave no answer in time"));
	if (h->job != NULL)
		helper_done(h, VERIFIED_NOT, "");
}

void
verify_open(struct verify *v, struct event_base *base)
{
	TAILQ_INIT(&v->waiting);
	v->count = 0;
	for (int i = 0; i < VERIFY_HELPERS; i++) {
		struct helper *h = &v->helpers[i];

		h->readable = event_new(base, h->fd, EV_READ | EV_PERSIST,
		    helper_readable, h);
		h->timer = evtimer_new(base, helper_late, h);
		if (h->readable == NULL || h->timer == NULL ||
		    event_add(h->readable, NULL) == -1)
			fatal(EX_OSERR, "cannot watch the hashing helpers");
	}
}

int
verify_start(struct verify *v, const char *hash, const char *password, struct verify_make make,
    verify_done *done, void *arg)
{
	struct verify_job *job;

	if (v->count >= VERIFY_QUEUE || strlen(hash) >= HASH_MAX ||
	    strlen(password) > LIMIT_PASSWORD) {
		errno = EAGAIN;
		return -1;
	}
	job = mem_alloc(1, sizeof(*job));
	job->hash = mem_dup(hash);
	job->password = mem_dup(password);
	job->make = make;
	job->done = done;
	job->arg = arg;
	TAILQ_INSERT_TAIL(&v->waiting, job, next);
	v->count++;
	helpers_feed(v);
	return 0;
}

bool
verify_lost(struct verify *v)
{
	if (v->keeper > 0 && waitpid(v->keeper, NULL, WNOHANG) == v->keeper)
		v->keeper = 0;
	return v->keeper == 0;
}

void
verify_close(struct verify *v)
{
	struct verify_job *job;

	for (int i = 0; i < VERIFY_HELPERS; i++) {
		struct helper *h = &v->helpers[i];

		if (h->job != NULL)
			job_free(h->job);
		event_free(h->readable);
		event_free(h->timer);
		file_close(h->fd);
	}
	while ((job = TAILQ_FIRST(&v->waiting)) != NULL) {
		TAILQ_REMOVE(&v->waiting, job, next);
		job_free(job);
	}
	if (v->keeper == 0)
		return;
	kill(v->keeper, SIGTERM);
	while (waitpid(v->keeper, NULL, 0) == -1 && errno == EINTR)
		continue;
}
