/*
 * lock: one process at a time works on an account: flock(2) on ACCOUNT.lock.
 *
 * A process that stays (IMAP IDLE) writes its pid there. Who has other work on the account sends it SIGTERM; the pid
 * is right as long as the lock is taken.
 */
#include "collector/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/base/clock.h"
#include "lib/base/num.h"
#include "lib/sys/file.h"

#define WAIT_MS (3600 * 1000)
#define LOOK_MS 50

static int
open_lock(const struct house *h, const char *name, struct buf *why)
{
	struct buf path = BUF_INIT(4096);
	int fd;

	buf_addf(&path, "%s/", h->state_dir);
	word_encode(&path, name, strlen(name), "/.");
	buf_adds(&path, ".lock");
	fd = open(buf_str(&path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	buf_free(&path);
	if (fd == -1)
		buf_addf(why, "cannot write below %s: %s", h->state_dir, strerror(errno));
	return fd;
}

/* Whoever has the lock and stays; 0: nobody. */
static pid_t
who_stays(int fd)
{
	char text[16] = "";
	ssize_t n = pread(fd, text, sizeof(text), 0);
	uint64_t pid = 0;

	if (n <= 0 || num_parse((struct span){ text, (size_t)n }, INT32_MAX, &pid) == -1)
		return 0;
	return (pid_t)pid;
}

static int
take(const struct house *h, const char *name, bool claim, bool *joined, struct buf *why)
{
	deadline_ms until = deadline_in(WAIT_MS);
	int fd = open_lock(h, name, why);
	pid_t told = 0, other;

	while (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == -1) {
		*joined = true;
		if (deadline_over(until)) {
			buf_adds(why, "another process works on this account and does not come to an end");
			file_close(fd);
			return -1;
		}
		other = claim ? who_stays(fd) : 0;
		if (other != told && other != 0)
			(void)kill(other, SIGTERM);
		told = other;
		poll(NULL, 0, LOOK_MS);
	}
	if (fd != -1)
		(void)!ftruncate(fd, 0);
	return fd;
}

int
lock_account(const struct house *h, const char *name, bool *joined, struct buf *why)
{
	*joined = false;
	return take(h, name, false, joined, why);
}

int
lock_claim(const struct house *h, const char *name, struct buf *why)
{
	bool joined = false;

	return take(h, name, true, &joined, why);
}

void
lock_stay(int lock)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%ld", (long)getpid());

	(void)!pwrite(lock, text, (size_t)n, 0);
}
