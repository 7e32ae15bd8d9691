/*
 * lock: one process at a time works on an account: flock(2) on ACCOUNT.lock.
 *
 * Who collects writes into it that it is at work, then that it is done; so those who waited for it know whether it came
 * to its end. A process that stays (IMAP IDLE) writes its pid there. Who has other work on the account leaves it empty,
 * and sends such a process SIGTERM; the pid is right as long as the lock is taken.
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
static const char at_work[] = "at work", done[] = "done";

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

static void
write_note(int fd, const char *text)
{
	(void)!ftruncate(fd, 0);
	(void)!pwrite(fd, text, strlen(text), 0);
}

static struct span
read_note(int fd, char text[16])
{
	ssize_t n = pread(fd, text, 16, 0);

	return (struct span){ text, n > 0 ? (size_t)n : 0 };
}

/* Whoever has the lock and stays; 0: nobody. */
static pid_t
who_stays(int fd)
{
	char text[16];
	uint64_t pid = 0;

	return num_parse(read_note(fd, text), INT32_MAX, &pid) == 0 ? (pid_t)pid : 0;
}

static enum lock_other
what_other_did(int fd)
{
	char text[16];
	struct span note = read_note(fd, text);

	if (note.len == 0)
		return LOCK_OTHER_NOTHING;
	return span_is(note, done) ? LOCK_OTHER_DID : LOCK_OTHER_DIED;
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
	return fd;
}

int
lock_account(const struct house *h, const char *name, enum lock_other *other, struct buf *why)
{
	bool joined = false;
	int fd = take(h, name, false, &joined, why);

	*other = fd != -1 && joined ? what_other_did(fd) : LOCK_OTHER_NOTHING;
	if (fd != -1 && *other == LOCK_OTHER_NOTHING)
		write_note(fd, at_work); /* else others may wait who want to know, too */
	return fd;
}

void
lock_done(int lock)
{
	write_note(lock, done);
}

bool
lock_at_work(const struct house *h, const char *name)
{
	struct buf why = BUF_INIT(256);
	int fd = open_lock(h, name, &why);
	bool begun = fd != -1 && what_other_did(fd) == LOCK_OTHER_DIED, busy = begun && flock(fd, LOCK_EX | LOCK_NB) == -1;

	if (begun && !busy)
		write_note(fd, ""); /* it died; who finds our lock now waits for nothing of its own */
	file_close(fd);
	buf_free(&why);
	return busy;
}

int
lock_claim(const struct house *h, const char *name, struct buf *why)
{
	bool joined = false;
	int fd = take(h, name, true, &joined, why);

	if (fd != -1)
		write_note(fd, "");
	return fd;
}

void
lock_stay(int lock)
{
	char text[16];

	snprintf(text, sizeof(text), "%ld", (long)getpid());
	write_note(lock, text);
}
