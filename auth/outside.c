/*
 * outside: questions to those who know passwords elsewhere: authd's side.
 *
 * Knows lines, numbers and times; who is asked how is the keeper's business (outside_keeper.c).
 */
#include "auth/outside.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"

#define LAST_WORD_MS 5000 /* a keeper that has said nothing so long after a program's time never will */

struct outside_job {
	struct outside_head head;
	char *packet; /* NULL: sent */
	size_t octets;
	deadline_ms until;
	verify_done *done;
	void *arg;
	TAILQ_ENTRY(outside_job) next;
};

/* The uid that was asked for. root is the one who may read the system's own passwords. */
static void
become(const struct conf *conf)
{
	if (strcmp(conf->auth_program_user, "root") != 0)
		proc_drop(conf->auth_program_user);
}

static bool
may_become(const struct conf *conf)
{
	return !proc_privileged() || getpwnam(conf->auth_program_user) != NULL;
}

void
outside_fork(struct outside *o, const struct conf *conf)
{
	pid_t self = getpid();
	int pair[2];

	o->fd = -1;
	o->limit_ms = (int64_t)conf->auth_program_timeout * 1000 + LAST_WORD_MS;
	TAILQ_INIT(&o->waiting);
	if (!may_become(conf)) /* whoever needs it is told so when he comes */
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		fatal(EX_OSERR, "cannot make a socketpair: %s", strerror(errno));
	o->keeper = fork();
	if (o->keeper == -1)
		fatal(EX_OSERR, "cannot fork: %s", strerror(errno));
	if (o->keeper == 0) {
		if (pair[1] > 3)
			close_range(3, (unsigned)pair[1] - 1, 0);
		close_range((unsigned)pair[1] + 1, ~0U, 0);
		log_open(NULL);
		signal(SIGINT, SIG_IGN); /* authd's end is ours */
		become(conf);
		proc_follow_parent(self);
		outside_keep(pair[1], conf);
	}
	file_close(pair[1]);
	o->fd = pair[0];
}

/* --- jobs ----------------------------------------------------------------------- */

static void
wipe_packet(struct outside_job *job)
{
	if (job->packet != NULL)
		explicit_bzero(job->packet, job->octets);
	free(job->packet);
	job->packet = NULL;
}

static void
job_free(struct outside_job *job)
{
	wipe_packet(job);
	free(job);
}

/* The one who is asked in this place has his answer. */
static void
job_end(struct outside *o, size_t place, enum verified v, const char *text)
{
	struct outside_job *job = o->asked[place];

	o->asked[place] = NULL;
	job->done(job->arg, v, text);
	job_free(job);
}

/* What cannot be sent ends by its time, which is over. */
static void
job_send(struct outside *o, size_t place, struct outside_job *job)
{
	bool sent = send(o->fd, job->packet, job->octets, MSG_NOSIGNAL | MSG_DONTWAIT) != -1;

	job->until = deadline_in(sent ? o->limit_ms : 0);
	wipe_packet(job);
	o->asked[place] = job;
}

static void
watch_time(struct outside *o)
{
	deadline_ms until = NEVER;
	struct timeval tv;
	int64_t ms;

	for (size_t i = 0; i < OUTSIDE_AT_ONCE; i++)
		if (o->asked[i] != NULL)
			until = deadline_earlier(until, o->asked[i]->until);
	event_del(o->timer);
	if (until == NEVER)
		return;
	ms = deadline_left(until);
	tv = (struct timeval){ ms / 1000, ms % 1000 * 1000 };
	event_add(o->timer, &tv);
}

static void
jobs_feed(struct outside *o)
{
	struct outside_job *job;

	for (size_t i = 0; i < OUTSIDE_AT_ONCE; i++) {
		job = o->asked[i] == NULL ? TAILQ_FIRST(&o->waiting) : NULL;
		if (job == NULL)
			continue;
		TAILQ_REMOVE(&o->waiting, job, next);
		o->waiting_count--;
		job_send(o, i, job);
	}
	watch_time(o);
}

static void
answered(struct outside *o, struct outside_answer *answer)
{
	enum verified v = answer->verdict == VERIFIED_RIGHT ? VERIFIED_RIGHT :
	    answer->verdict == VERIFIED_WRONG ? VERIFIED_WRONG : VERIFIED_NOT;

	answer->text[sizeof(answer->text) - 1] = '\0';
	for (size_t i = 0; i < OUTSIDE_AT_ONCE; i++)
		if (o->asked[i] != NULL && o->asked[i]->head.number == answer->number) {
			job_end(o, i, v, answer->text);
			return;
		}
}

/* Those whose time is over; or all, for the keeper is gone. */
static void
end_late(struct outside *o, bool all)
{
	for (size_t i = 0; i < OUTSIDE_AT_ONCE; i++)
		if (o->asked[i] != NULL && (all || deadline_over(o->asked[i]->until)))
			job_end(o, i, VERIFIED_NOT, "");
}

static void
keeper_readable(evutil_socket_t fd, short what, void *arg)
{
	struct outside *o = arg;
	struct outside_answer answer;
	ssize_t n;

	(void)what;
	while ((n = recv((int)fd, &answer, sizeof(answer), MSG_DONTWAIT)) == (ssize_t)sizeof(answer))
		answered(o, &answer);
	if (n == 0) {
		end_late(o, true);
		event_del(o->readable);
	}
	jobs_feed(o);
}

static void
keeper_late(evutil_socket_t fd, short what, void *arg)
{
	struct outside *o = arg;

	(void)fd;
	(void)what;
	end_late(o, false);
	jobs_feed(o);
}

void
outside_open(struct outside *o, struct event_base *base)
{
	o->timer = evtimer_new(base, keeper_late, o);
	if (o->fd == -1)
		return;
	o->readable = event_new(base, o->fd, EV_READ | EV_PERSIST, keeper_readable, o);
	if (o->timer == NULL || o->readable == NULL || event_add(o->readable, NULL) == -1)
		fatal(EX_OSERR, "cannot watch the keeper of programs");
}

static struct outside_job *
job_new(struct outside *o, const struct outside_ask *ask, verify_done *done, void *arg)
{
	const char *const parts[] = { ask->how, ask->login, ask->secret, ask->client };
	struct outside_job *job = mem_alloc(1, sizeof(*job));
	struct buf packet = BUF_INIT(OUTSIDE_PACKET);

	job->head = (struct outside_head){ ++o->number, (uint32_t)ask->kind };
	job->done = done;
	job->arg = arg;
	buf_add(&packet, &job->head, sizeof(job->head));
	for (size_t i = 0; i < COUNT(parts); i++)
		buf_add(&packet, parts[i], strlen(parts[i]) + 1);
	if (!buf_over(&packet)) {
		job->octets = packet.len;
		job->packet = mem_alloc(1, packet.len);
		memcpy(job->packet, packet.s, packet.len);
	}
	buf_wipe(&packet);
	buf_free(&packet);
	return job;
}

int
outside_start(struct outside *o, const struct outside_ask *ask, verify_done *done, void *arg)
{
	static const struct timeval soon = { 0, 0 };
	struct outside_job *job;

	if (o->keeper == 0) {
		log_event(EV_WARNING, LS("text", "no program can be asked: there is no user to run it (auth_program_user); "
		    "posthouse setup makes it, then restart authd"));
		return -1;
	}
	if (o->waiting_count >= OUTSIDE_QUEUE)
		return -1;
	job = job_new(o, ask, done, arg);
	if (job->packet == NULL) {
		free(job);
		return -1;
	}
	TAILQ_INSERT_TAIL(&o->waiting, job, next);
	o->waiting_count++;
	event_add(o->timer, &soon);
	return 0;
}

bool
outside_lost(struct outside *o)
{
	if (o->keeper == 0 || waitpid(o->keeper, NULL, WNOHANG) != o->keeper)
		return false;
	o->keeper = 0;
	return true;
}

void
outside_close(struct outside *o)
{
	struct outside_job *job;

	while ((job = TAILQ_FIRST(&o->waiting)) != NULL) {
		TAILQ_REMOVE(&o->waiting, job, next);
		job_free(job);
	}
	for (size_t i = 0; i < OUTSIDE_AT_ONCE; i++)
		if (o->asked[i] != NULL)
			job_free(o->asked[i]);
	event_free(o->timer);
	if (o->readable != NULL)
		event_free(o->readable);
	if (o->fd != -1)
		(void)shutdown(o->fd, SHUT_RDWR); /* its end, too, whoever has it still open */
	file_close(o->fd);
	while (o->keeper > 0 && waitpid(o->keeper, NULL, 0) == -1 && errno == EINTR)
		continue;
}
