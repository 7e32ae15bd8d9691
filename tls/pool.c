/*
 * pool: the processes that terminate TLS.
 *
 * Knows processes, how many connections each has, and who may take more; nothing of TLS.
 */
#include "tls/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/sys/proc.h"

#define SEAT_DESCRIPTORS 5 /* of a connection, while it begins */

enum { SLOT_EMPTY, SLOT_TAKING, SLOT_LEAVING };

struct slot {
	atomic_int state;
	atomic_size_t count; /* connections */
	pid_t pid;           /* the parent's */
	unsigned born;       /* in which generation */
};
struct pool_shared {
	atomic_uint generation;
	atomic_size_t level; /* connections up to which a process takes more */
	atomic_int idle;     /* processes without any; near enough, and put right by the parent */
	struct slot slots[];
};

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* As many as the system lets us have, less what a process has without connections. */
static size_t
descriptors(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == -1)
		return 256;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	return files.rlim_max > 128 ? (size_t)files.rlim_max - 64 : 64;
}

void
pool_open(struct pool *p)
{
	size_t octets;

	p->slot_count = 2 * p->max + POOL_SPARE_MIN;
	p->most = smaller((p->connections + p->max - 1) / p->max, descriptors() / SEAT_DESCRIPTORS);
	octets = sizeof(struct pool_shared) + p->slot_count * sizeof(struct slot);
	// cppcheck-suppress invalidFunctionArg
	p->shared = mmap(NULL, octets, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->shared == MAP_FAILED || pipe2(p->busy, O_CLOEXEC | O_NONBLOCK) == -1)
		fatal(EX_OSERR, "cannot set up the pool of processes: %s", strerror(errno));
	atomic_store(&p->shared->level, 1);
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

static void
hear_level(int signo)
{
	(void)signo; /* SIGUSR2: there is room again; it has ended the wait */
}

void
seat_count(struct seat *s, size_t count)
{
	size_t before = atomic_exchange(&s->slot->count, count), level = atomic_load(&s->shared->level);

	if (before == 0)
		atomic_fetch_sub(&s->shared->idle, 1);
	else if (count == 0)
		atomic_fetch_add(&s->shared->idle, 1);
	if (count > before)
		s->served++;
	if (count > before ? count >= level : level > 1)
		(void)!write(s->busy, "", 1); /* a full pipe wakes the parent as well */
}

bool
seat_open(const struct seat *s, size_t count)
{
	return !s->leaving && count < atomic_load(&s->shared->level);
}

void
seat_totals(const struct seat *s, size_t *connections, size_t *processes)
{
	*connections = *processes = 0;
	for (size_t i = 0; i < s->pool->slot_count; i++) {
		const struct slot *slot = &s->shared->slots[i];

		*connections += atomic_load(&slot->state) == SLOT_EMPTY ? 0 : atomic_load(&slot->count);
		*processes += atomic_load(&slot->state) != SLOT_EMPTY;
	}
}

bool
seat_kept(struct seat *s, size_t count)
{
	bool enough = count == 0 && s->served > 0 &&
	    (s->served >= POOL_REUSE || atomic_load(&s->shared->idle) > POOL_SPARE_MAX);

	if (proc_stopping || retire || enough || s->slot->born != atomic_load(&s->shared->generation)) {
		s->leaving = true;
		atomic_store(&s->slot->state, SLOT_LEAVING);
	}
	return !s->leaving;
}

static NORETURN void
work(struct pool *p, struct slot *slot, pid_t parent)
{
	struct seat seat = { .pool = p, .shared = p->shared, .slot = slot, .busy = p->busy[1] };
	struct sigaction on_retire = { .sa_handler = hear_retire }, on_level = { .sa_handler = hear_level };
	sigset_t quiet;

	log_open("tlsd");
	proc_follow_parent(parent);
	sigemptyset(&quiet);
	sigaddset(&quiet, SIGUSR1);
	sigaddset(&quiet, SIGUSR2);
	sigaddset(&quiet, SIGTERM);
	sigprocmask(SIG_BLOCK, &quiet, NULL);
	sigprocmask(SIG_SETMASK, NULL, &seat.awake);
	sigdelset(&seat.awake, SIGUSR1);
	sigdelset(&seat.awake, SIGUSR2);
	sigdelset(&seat.awake, SIGTERM);
	(void)sigaction(SIGUSR1, &on_retire, NULL);
	(void)sigaction(SIGUSR2, &on_level, NULL);
	p->work(p->arg, &seat);
	_exit(0);
}

/* --- in the parent -------------------------------------------------------- */

static bool
start(struct pool *p, struct slot *s)
{
	pid_t parent = getpid(), pid;

	s->born = atomic_load(&p->shared->generation);
	atomic_store(&s->count, 0);
	atomic_store(&s->state, SLOT_TAKING);
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
	for (size_t i = 0; i < p->slot_count; i++)
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
		if (status != 0 && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM))
			log_event(EV_WARNING, LS("text", "a process died; its connections are lost, no others"),
			    LN("pid", pid), LN("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
			    LN("connections", atomic_load(&s->count)));
	}
}

/* How the processes stand that take connections, at a level. */
struct standing {
	size_t taking, open, idle, empty;
};

static struct standing
look(const struct pool *p, size_t level)
{
	struct standing t = { 0 };

	for (size_t i = 0; i < p->slot_count; i++) {
		struct slot *s = &p->shared->slots[i];
		size_t count = atomic_load(&s->count);

		t.empty += s->pid == 0;
		if (atomic_load(&s->state) != SLOT_TAKING)
			continue;
		t.taking++;
		t.open += count < level;
		t.idle += count == 0;
	}
	return t;
}

static void
start_missing(struct pool *p, size_t n)
{
	for (size_t i = 0; i < p->slot_count && n > 0; i++)
		if (p->shared->slots[i].pid == 0) {
			if (!start(p, &p->shared->slots[i]))
				return;
			n--;
		}
}

static void
tell_all(const struct pool *p, int signo)
{
	for (size_t i = 0; i < p->slot_count; i++)
		if (p->shared->slots[i].pid != 0)
			(void)kill(p->shared->slots[i].pid, signo);
}

/* Nobody has room: all take one more, up to what is allowed in all. Enough have: none takes that many. */
static void
adjust_level(struct pool *p, size_t level, const struct standing *t)
{
	if (t->open < POOL_SPARE_MIN && t->taking >= p->max && level < p->most) {
		atomic_store(&p->shared->level, level + 1);
		tell_all(p, SIGUSR2);
		return;
	}
	while (level > 1 && look(p, level - 1).open >= smaller(2 * POOL_SPARE_MIN, p->max))
		level--;
	atomic_store(&p->shared->level, level);
	if (t->open == 0 && level >= p->most && !p->full_told)
		log_event(EV_WARNING, LS("text", "all processes are busy: new TLS connections wait (tls_connections)"),
		    LN("tls_connections", p->connections));
	p->full_told = t->open == 0 && level >= p->most;
}

void
pool_tend(struct pool *p)
{
	size_t level = atomic_load(&p->shared->level);
	struct standing t;
	char octets[512];

	while (read(p->busy[0], octets, sizeof(octets)) > 0)
		continue;
	bury(p);
	t = look(p, level);
	if (t.taking < p->max && (t.open < POOL_SPARE_MIN || level > 1)) {
		start_missing(p, level > 1 ? p->max - t.taking : smaller(POOL_SPARE_MIN - t.open, p->max - t.taking));
		t = look(p, level);
	}
	atomic_store(&p->shared->idle, (int)t.idle);
	adjust_level(p, level, &t);
}

bool
pool_renew(struct pool *p)
{
	if (look(p, 0).empty < smaller(POOL_SPARE_MIN, p->max))
		return false;
	atomic_fetch_add(&p->shared->generation, 1);
	for (size_t i = 0; i < p->slot_count; i++)
		if (p->shared->slots[i].pid != 0)
			atomic_store(&p->shared->slots[i].state, SLOT_LEAVING);
	tell_all(p, SIGUSR1);
	return true;
}

void
pool_close(struct pool *p, int grace_ms)
{
	deadline_ms until = deadline_in(grace_ms);

	tell_all(p, SIGTERM);
	for (;;) {
		bury(p);
		if (look(p, 0).empty == p->slot_count)
			return;
		if (deadline_over(until))
			break;
		poll(NULL, 0, 20);
	}
	tell_all(p, SIGKILL);
}
