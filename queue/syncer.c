/*
 * syncer: syncs of the spool's directories, where a name does not follow its file to the disk.
 *
 * A thread of its own waits for the disk, so that the queue manager does not. All who ask while one sync
 * is under way share the next one. The thread touches the two directories and nothing else.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "queue/queued.h"

struct waiter {
	void (*done)(struct queued *, void *, int);
	void *arg;
	STAILQ_ENTRY(waiter) next;
};
STAILQ_HEAD(waiters, waiter);

struct syncer {
	struct queued *q;
	pthread_mutex_t lock;
	pthread_cond_t wanted;
	bool want;              /* under the lock, with error */
	int error;
	int bell;               /* the thread rings when it is done */
	struct waiters asking, served; /* the loop's own: for the next sync, for the one under way */
};

static void *
work(void *arg)
{
	struct syncer *s = arg;
	const uint64_t one = 1;
	ssize_t n = 0;

	while (n != -1) {
		int error = 0;

		pthread_mutex_lock(&s->lock);
		while (!s->want)
			pthread_cond_wait(&s->wanted, &s->lock);
		s->want = false;
		pthread_mutex_unlock(&s->lock);
		if (fsync(s->q->spool.new_fd) == -1 || fsync(s->q->spool.env_fd) == -1)
			error = errno;
		pthread_mutex_lock(&s->lock);
		s->error = error;
		pthread_mutex_unlock(&s->lock);
		n = write(s->bell, &one, sizeof one);
	}
	return NULL;
}

static void
set_off(struct syncer *s)
{
	STAILQ_CONCAT(&s->served, &s->asking);
	pthread_mutex_lock(&s->lock);
	s->want = true;
	pthread_cond_signal(&s->wanted);
	pthread_mutex_unlock(&s->lock);
}

static void
on_bell(evutil_socket_t fd, short what, void *arg)
{
	struct syncer *s = arg;
	struct waiters served = STAILQ_HEAD_INITIALIZER(served);
	struct waiter *w;
	uint64_t times;
	int error;

	(void)what;
	if (read(fd, &times, sizeof times) == -1)
		return;
	pthread_mutex_lock(&s->lock);
	error = s->error;
	pthread_mutex_unlock(&s->lock);
	STAILQ_CONCAT(&served, &s->served);
	if (!STAILQ_EMPTY(&s->asking))
		set_off(s);
	while ((w = STAILQ_FIRST(&served)) != NULL) {
		STAILQ_REMOVE_HEAD(&served, next);
		w->done(s->q, w->arg, error);
		free(w);
	}
}

struct syncer *
syncer_start(struct queued *q)
{
	struct syncer *s = mem_alloc(1, sizeof *s);
	pthread_t thread;
	int error;

	s->q = q;
	STAILQ_INIT(&s->asking);
	STAILQ_INIT(&s->served);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wanted, NULL);
	s->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	error = s->bell == -1 ? errno : pthread_create(&thread, NULL, work, s);
	if (error != 0)
		fatal(EX_OSERR, "cannot start the thread that syncs: %s", strerror(error));
	queued_watch(q, s->bell, on_bell, s);
	return s;
}

void
syncer_ask(struct syncer *s, void (*done)(struct queued *, void *, int), void *arg)
{
	struct waiter *w = mem_alloc(1, sizeof *w);

	w->done = done;
	w->arg = arg;
	STAILQ_INSERT_TAIL(&s->asking, w, next);
	if (STAILQ_EMPTY(&s->served))
		set_off(s);
}
