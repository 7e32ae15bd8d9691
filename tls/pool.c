/*
 * pool: the processes that terminate TLS, one connection each at a time.
 *
 * Knows processes and who is free; nothing of TLS.
 */
#include "tls/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"

enum { SLOT_EMPTY, SLOT_FREE, SLOT_BUSY };

struct slot {
	atomic_int state;
	pid_t pid;       /* the parent's */
	unsigned born;   /* in which generation */
};
struct pool_shared {
	atomic_uint generation;
	atomic_int spare; /* free processes; near enough, and put right by the parent */
	struct slot slots[];
};

void
pool_open(struct pool *p)
{
	size_t octets = sizeof(struct pool_shared) + p->max * sizeof(struct slot);

	p->shared = mmap(NULL, octets, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->shared == MAP_FAILED || pipe2(p->busy, O_CLOEXEC | O_NONBLOCK) == -1)
		fatal(EX_OSERR, "cannot set up the pool of processes: %s", strerror(errno));
}

int
pool_fd(const struct pool *p)
{
	return p->busy[0];
}

/* --- in a process of the pool --------------------------------------------- */

static volatile sig_atomic_t retire; /* SIGUSR1: be replaced */

static void
hear_retire(int signo)
{
	(void)signo;
	retire = 1;
}

static int
make_waiting(const struct pool *p)
{
	/* One connection wakes one process. */
	struct epoll_event e = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep == -1 || epoll_ctl(ep, EPOLL_CTL_ADD, p->listen_fd, &e) == -1)
		fatal(EX_OSERR, "cannot wait for connections: %s", strerror(errno));
	return ep;
}

/* The next connection, or -1: there is no need of this process any more. Signals come in only while it waits. */
static int
next_connection(const struct pool *p, int ep, const sigset_t *awake)
{
	struct epoll_event e;
	int fd;

	while (!proc_stopping && !retire) {
		fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd != -1)
			return fd;
		(void)!epoll_pwait(ep, &e, 1, -1, awake);
	}
	return -1;
}

static void
set_state(struct pool *p, struct slot *s, int state)
{
	atomic_store(&s->state, state);
	atomic_fetch_add(&p->shared->spare, state == SLOT_FREE ? 1 : -1);
	if (state == SLOT_BUSY)
		(void)!write(p->busy[1], "", 1); /* a full pipe wakes the parent as well */
}

static NORETURN void
work(struct pool *p, struct slot *s, pid_t parent)
{
	struct sigaction on_retire = { .sa_handler = hear_retire };
	sigset_t quiet, awake;
	int ep, fd;

	log_open("tlsd");
	proc_follow_parent(parent);
	sigemptyset(&quiet);
	sigaddset(&quiet, SIGUSR1);
	sigaddset(&quiet, SIGTERM);
	sigprocmask(SIG_BLOCK, &quiet, NULL);
	sigprocmask(SIG_SETMASK, NULL, &awake);
	sigdelset(&awake, SIGUSR1);
	sigdelset(&awake, SIGTERM);
	(void)sigaction(SIGUSR1, &on_retire, NULL);
	ep = make_waiting(p);
	p->enter(p->arg);
	for (unsigned n = 0; n < POOL_REUSE && (fd = next_connection(p, ep, &awake)) != -1; n++) {
		set_state(p, s, SLOT_BUSY);
		p->serve(p->arg, fd);
		if (s->born != atomic_load(&p->shared->generation) ||
		    atomic_load(&p->shared->spare) >= POOL_SPARE_MAX)
			break;
		set_state(p, s, SLOT_FREE);
	}
	_exit(0);
}

/* --- in the parent -------------------------------------------------------- */

static bool
start(struct pool *p, struct slot *s)
{
	pid_t parent = getpid(), pid;

	s->born = atomic_load(&p->shared->generation);
	atomic_store(&s->state, SLOT_FREE);
	pid = fork();
	if (pid == 0)
		work(p, s, parent);
	if (pid != -1) {
		s->pid = pid;
		return true;
	}
	atomic_store(&s->state, SLOT_EMPTY);
	log_error(EV_WARNING, LS("text", "cannot start a process"), LS("error", strerror(errno)));
	return false;
}

static struct slot *
slot_of(const struct pool *p, pid_t pid)
{
	for (size_t i = 0; i < p->max; i++)
		if (p->shared->slots[i].pid == pid)
			return &p->shared->slots[i];
	return NULL;
}

static void
bury(struct pool *p)
{
	struct slot *s;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if ((s = slot_of(p, pid)) == NULL)
			continue;
		s->pid = 0;
		atomic_store(&s->state, SLOT_EMPTY);
		if (WIFSIGNALED(status) && WTERMSIG(status) != SIGTERM)
			log_event(EV_WARNING, LS("text", "a process died; its connection is lost, no other"),
			    LN("pid", pid), LN("signal", WTERMSIG(status)));
	}
}

static size_t
count(const struct pool *p, int state)
{
	size_t n = 0;

	for (size_t i = 0; i < p->max; i++)
		n += atomic_load(&p->shared->slots[i].state) == state;
	return n;
}

static void
start_missing(struct pool *p)
{
	size_t spare = count(p, SLOT_FREE), i = 0;

	for (; i < p->max && spare < POOL_SPARE_MIN; i++)
		if (p->shared->slots[i].pid == 0) {
			if (!start(p, &p->shared->slots[i]))
				break;
			spare++;
		}
	atomic_store(&p->shared->spare, (int)spare);
	if (spare == 0 && i == p->max && !p->full_told)
		log_event(EV_WARNING, LS("text", "all processes are busy: new TLS connections wait (tls_connections)"),
		    LN("tls_connections", p->max));
	p->full_told = spare == 0;
}

void
pool_tend(struct pool *p)
{
	char octets[512];

	while (read(p->busy[0], octets, sizeof(octets)) > 0)
		continue;
	bury(p);
	start_missing(p);
}

static void
tell_all(const struct pool *p, int signo)
{
	for (size_t i = 0; i < p->max; i++)
		if (p->shared->slots[i].pid != 0)
			(void)kill(p->shared->slots[i].pid, signo);
}

void
pool_renew(struct pool *p)
{
	atomic_fetch_add(&p->shared->generation, 1);
	tell_all(p, SIGUSR1);
}

void
pool_close(struct pool *p, int grace_ms)
{
	deadline_ms until = deadline_in(grace_ms);

	tell_all(p, SIGTERM);
	for (;;) {
		bury(p);
		if (count(p, SLOT_EMPTY) == p->max)
			return;
		if (deadline_over(until))
			break;
		poll(NULL, 0, 20);
	}
	tell_all(p, SIGKILL);
}
