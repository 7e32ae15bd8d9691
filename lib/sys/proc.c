/*
 * proc: processes: privileges, signals, pools of workers.
 *
 * Knows uids, signals and fork(2); not what a worker does.
 */
#include "lib/sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "lib/sys/sanitized.h"

/* --- privileges --------------------------------------------------------- */

static int was_root = -1; /* -1: not looked yet */

bool
proc_privileged(void)
{
	if (was_root == -1)
		was_root = geteuid() == 0;
	return was_root == 1;
}

static void
no_new_privileges(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		fatal(EX_OSERR, "cannot give up new privileges: %s",
		    strerror(errno));
}

static void
no_core_dumps(void)
{
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, SANITIZED, 0, 0, 0);
}

/* Whom we die with: the kernel forgets it when the uid changes. */
struct following {
	pid_t parent;
	int signo; /* 0: nobody */
};

static struct following
following_now(void)
{
	struct following f = { getppid(), 0 };

	(void)prctl(PR_GET_PDEATHSIG, &f.signo);
	return f;
}

static void
follow_again(struct following f)
{
	if (f.signo == 0)
		return;
	(void)prctl(PR_SET_PDEATHSIG, f.signo);
	if (getppid() != f.parent)
		(void)raise(f.signo); /* it was quicker */
}

void
proc_drop(const char *user)
{
	struct following following = following_now();
	const struct passwd *pw;
	uid_t uid, now[3];
	gid_t gid;

	if (!proc_privileged()) {
		no_new_privileges();
		return;
	}
	pw = getpwnam(user);
	if (pw == NULL || pw->pw_uid == 0)
		fatal(EX_NOUSER, "cannot become %s: %s", user,
		    pw == NULL ? "no such user (posthouse setup makes it)"
		               : "it is root");
	uid = pw->pw_uid;
	gid = pw->pw_gid;
	if (initgroups(user, gid) == -1 || setresgid(gid, gid, gid) == -1 ||
	    setresuid(uid, uid, uid) == -1)
		fatal(EX_OSERR, "cannot become %s: %s", user, strerror(errno));
	if (setuid(0) == 0 || getresuid(&now[0], &now[1], &now[2]) == -1 ||
	    now[0] != uid || now[1] != uid || now[2] != uid)
		fatal(EX_OSERR, "cannot become %s for good", user);
	no_new_privileges();
	no_core_dumps();
	follow_again(following);
}

/* Do we run under a uid made for one of the services (systemd's User=)? Then
 * the others run under theirs. */
static bool
service_uids_in_use(void)
{
	static const char *const users[] = { "phsmtpd", "phpop3", "phcollect",
		"phqueue", "phmail", "phremote", "phauth", "phtoken" };
	const struct passwd *pw = getpwuid(getuid());
	size_t i;

	for (i = 0; pw != NULL && i < COUNT(users); i++)
		if (strcmp(pw->pw_name, users[i]) == 0)
			return true;
	return false;
}

uid_t
proc_uid(const char *user)
{
	const struct passwd *pw;

	if (!proc_privileged() && !service_uids_in_use())
		return getuid();
	pw = getpwnam(user);
	return pw != NULL ? pw->pw_uid : getuid();
}

/* --- signals ------------------------------------------------------------ */

volatile sig_atomic_t proc_stopping;

static void
stop(int signo)
{
	(void)signo;
	proc_stopping = 1;
}

void
proc_signals(void)
{
	struct sigaction sa = { .sa_handler = stop }; /* no SA_RESTART: waits end */

	sigemptyset(&sa.sa_mask);
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGINT, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	(void)sigaction(SIGPIPE, &sa, NULL);
}

void
proc_many_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

void
proc_follow_parent(pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	if (getppid() != parent)
		(void)raise(SIGTERM); /* it was quicker */
}

/* --- a pool of workers -------------------------------------------------- */

#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 10000
#define SHORT_LIFE_MS 1000
#define AGAIN_MS 200

struct slot {
	pid_t pid; /* 0: none */
	int64_t started_ms, due_ms;
	int64_t pause_ms;
};

struct pool {
	struct slot *slots;
	int n;
	int (*work)(void *arg, int slot);
	void *arg;
	sigset_t watched, before;
};

static void NORETURN
be_worker(struct pool *p, int slot, pid_t parent)
{
	struct slot *slots = p->slots;
	int (*work)(void *, int) = p->work;
	void *arg = p->arg;

	log_open(NULL);
	proc_signals();
	sigprocmask(SIG_SETMASK, &p->before, NULL);
	proc_follow_parent(parent);
	free(slots);
	exit(work(arg, slot));
}

static void
slot_start(struct pool *p, int i)
{
	struct slot *s = &p->slots[i];
	pid_t parent = getpid(), pid = fork();

	if (pid == 0)
		be_worker(p, i, parent);
	s->started_ms = clock_mono_ms();
	if (pid == -1) {
		warn_text("cannot start a worker: %s", strerror(errno));
		s->due_ms = s->started_ms + PAUSE_MAX_MS;
		return;
	}
	s->pid = pid;
}

/* One worker is gone: when does the next one start? */
static void
slot_ended(struct slot *s, int status)
{
	int64_t now = clock_mono_ms();

	if (WIFSIGNALED(status) && !proc_stopping)
		warn_text("worker %d died of signal %d", (int)s->pid,
		    WTERMSIG(status));
	s->pid = 0;
	if (now - s->started_ms >= SHORT_LIFE_MS)
		s->pause_ms = 0;
	else if (s->pause_ms == 0)
		s->pause_ms = PAUSE_FIRST_MS;
	else
		s->pause_ms = s->pause_ms * 2 < PAUSE_MAX_MS ? s->pause_ms * 2
		                                             : PAUSE_MAX_MS;
	s->due_ms = now + s->pause_ms;
}

static void
pool_reap(struct pool *p)
{
	int status, i;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (i = 0; i < p->n; i++)
			if (p->slots[i].pid == pid)
				slot_ended(&p->slots[i], status);
}

/* Start what is due; the moment of the next start, or NEVER. */
static deadline_ms
pool_start_due(struct pool *p)
{
	deadline_ms next = NEVER;
	int64_t now = clock_mono_ms();
	int i;

	for (i = 0; i < p->n; i++) {
		if (p->slots[i].pid == 0 && p->slots[i].due_ms <= now)
			slot_start(p, i);
		if (p->slots[i].pid == 0)
			next = deadline_earlier(next, p->slots[i].due_ms);
	}
	return next;
}

/* Wait for a signal until then. */
static void
pool_wait(struct pool *p, deadline_ms until)
{
	int left = deadline_left(until), signo;
	struct timespec t = { left / 1000, left % 1000 * 1000000L };

	if (left == -1)
		signo = sigwaitinfo(&p->watched, NULL);
	else
		signo = sigtimedwait(&p->watched, NULL, &t);
	if (signo == SIGTERM || signo == SIGINT)
		proc_stopping = 1;
}

static int
pool_kill(struct pool *p, int signo)
{
	int i, alive = 0;

	for (i = 0; i < p->n; i++) {
		if (p->slots[i].pid == 0)
			continue;
		alive++;
		if (signo != 0)
			(void)kill(p->slots[i].pid, signo);
	}
	return alive;
}

void
proc_pool(int n, int grace_ms, int (*work)(void *arg, int slot), void *arg)
{
	struct pool p = { mem_alloc((size_t)n, sizeof(struct slot)), n, work,
		arg, { { 0 } }, { { 0 } } };
	deadline_ms grace;

	sigemptyset(&p.watched);
	sigaddset(&p.watched, SIGCHLD);
	sigaddset(&p.watched, SIGTERM);
	sigaddset(&p.watched, SIGINT);
	sigprocmask(SIG_BLOCK, &p.watched, &p.before);

	while (!proc_stopping) {
		pool_wait(&p, pool_start_due(&p));
		pool_reap(&p);
	}
	/* Again and again: one that comes just before a worker's wait would
	 * be noted by nobody. */
	grace = deadline_in(grace_ms);
	while (pool_kill(&p, deadline_over(grace) ? SIGKILL : SIGTERM) > 0) {
		pool_wait(&p, deadline_in(AGAIN_MS));
		pool_reap(&p);
	}
	sigprocmask(SIG_SETMASK, &p.before, NULL);
	free(p.slots);
}

/* --- other programs ----------------------------------------------------- */

#define SAFE_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* posix_spawnp(3), which would look along the PATH of whoever started us. */
static int
spawn_along_path(pid_t *pid, const posix_spawn_file_actions_t *files,
    const posix_spawnattr_t *attr, char *const argv[])
{
	char safe[] = "PATH=" SAFE_PATH, *env[] = { safe, NULL };
	struct span rest = SPAN(SAFE_PATH), dir;
	int error = ENOENT;
	char *path;

	if (strchr(argv[0], '/') != NULL)
		return posix_spawn(pid, argv[0], files, attr, argv, env);
	while (rest.s != NULL && error == ENOENT) {
		dir = span_cut(&rest, ':');
		path = mem_fmt("%.*s/%s", (int)dir.len, dir.s, argv[0]);
		error = posix_spawn(pid, path, files, attr, argv, env);
		free(path);
	}
	return error;
}

struct ends {
	int out, err;
	int in, in_as; /* in -1: standard input is empty; else it is descriptor in_as there */
};

/* In a process group of its own, so that its children end with it. */
static int
spawn(pid_t *pid, char *const argv[], struct ends ends)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int error;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
	    POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null",
	    O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, ends.out, STDOUT_FILENO);
	if (ends.err != STDERR_FILENO)
		posix_spawn_file_actions_adddup2(&files, ends.err, STDERR_FILENO);
	if (ends.in != -1) /* last: it may take the number of one of ours */
		posix_spawn_file_actions_adddup2(&files, ends.in, ends.in_as);
	error = spawn_along_path(pid, &files, &attr, argv);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	errno = error;
	return error == 0 ? 0 : -1;
}

int
proc_run(char *const argv[], int out_fd, int timeout_s)
{
	deadline_ms deadline = deadline_in((int64_t)timeout_s * 1000);
	struct pollfd p = { -1, POLLIN, 0 };
	int status, n = -1;
	pid_t pid;

	if (spawn(&pid, argv, (struct ends){ out_fd, STDERR_FILENO, -1, -1 }) == -1)
		return -1;
	p.fd = pidfd_open(pid, 0);
	if (p.fd != -1)
		do
			n = poll(&p, 1, deadline_left(deadline));
		while (n == -1 && errno == EINTR && !proc_stopping);
	file_close(p.fd);
	if (n != 1)
		(void)kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return -1;
	if (n == 1)
		return status;
	errno = ETIMEDOUT;
	return -1;
}

/* What is in the pipe now. false: its end, or more than fits. */
static bool
drain(int fd, struct buf *b, bool tail)
{
	char text[4096];
	ssize_t n;

	while ((n = read(fd, text, sizeof(text))) > 0) {
		size_t len = (size_t)n < b->max ? (size_t)n : b->max;

		if (tail && len > b->max - b->len)
			buf_drop(b, len - (b->max - b->len));
		buf_add(b, text + (tail ? (size_t)n - len : 0), tail ? len : (size_t)n);
		explicit_bzero(text, (size_t)n);
		if (!tail && buf_over(b))
			return false;
	}
	return n == -1 && (errno == EAGAIN || errno == EINTR);
}

/* Until the process has ended. 0, or the reason to end it. */
static int
listen_to(pid_t pid, int out_fd, int err_fd, struct buf *out, struct buf *err, deadline_ms deadline)
{
	struct pollfd p[] = { { pidfd_open(pid, 0), POLLIN, 0 }, { out_fd, POLLIN, 0 }, { err_fd, POLLIN, 0 } };
	int why = p[0].fd == -1 ? errno : 0;

	while (why == 0 && p[0].revents == 0) {
		int n = poll(p, COUNT(p), deadline_left(deadline));

		if (n == 0 || (n == -1 && (errno != EINTR || proc_stopping)))
			why = n == 0 ? ETIMEDOUT : errno;
		if (!drain(out_fd, out, false))
			p[1].fd = -1;
		if (!drain(err_fd, err, true))
			p[2].fd = -1;
		if (buf_over(out))
			why = EMSGSIZE;
	}
	file_close(p[0].fd);
	return why;
}

/* A pipe with these octets in it, and nothing behind them. */
static int
filled_pipe(struct span octets)
{
	int ends[2];
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1)
		return -1;
	n = write(ends[1], octets.s, octets.len);
	file_close(ends[1]);
	if (n == (ssize_t)octets.len && fcntl(ends[0], F_SETFL, 0) != -1)
		return ends[0];
	file_close(ends[0]);
	errno = EMSGSIZE;
	return -1;
}

static int
run_with(char *const argv[], int in, int in_as, struct buf *out, struct buf *err, int timeout_s)
{
	deadline_ms deadline = deadline_in((int64_t)timeout_s * 1000);
	int outs[2] = { -1, -1 }, errs[2] = { -1, -1 }, why = 0, status = -1;
	pid_t pid;

	if (pipe2(outs, O_CLOEXEC | O_NONBLOCK) == -1 || pipe2(errs, O_CLOEXEC | O_NONBLOCK) == -1 ||
	    fcntl(outs[1], F_SETFL, 0) == -1 || fcntl(errs[1], F_SETFL, 0) == -1 ||
	    spawn(&pid, argv, (struct ends){ outs[1], errs[1], in, in_as }) == -1) {
		why = errno;
		goto out;
	}
	why = listen_to(pid, outs[0], errs[0], out, err, deadline);
	(void)kill(-pid, SIGKILL); /* its children, too */
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR) {
			why = errno;
			break;
		}
out:
	file_close(outs[0]);
	file_close(outs[1]);
	file_close(errs[0]);
	file_close(errs[1]);
	errno = why;
	return why == 0 ? status : -1;
}

int
proc_output(char *const argv[], struct buf *out, struct buf *err, int timeout_s)
{
	return run_with(argv, -1, -1, out, err, timeout_s);
}

int
proc_feed(char *const argv[], int as, struct span input, struct buf *out, struct buf *err, int timeout_s)
{
	int in = filled_pipe(input), status;

	if (in == -1)
		return -1;
	status = run_with(argv, in, as, out, err, timeout_s);
	file_close(in);
	return status;
}
