/*
 * entry: may one more session begin in this mailbox?
 *
 * Knows other sessions by a table of hashes, and the last login by the time of a file in the maildir.
 */
#include "pop3d/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>

#include "lib/base/log.h"
#include "lib/sys/file.h"

#define LAST_LOGIN "pop3d-login" /* a file in the maildir, empty: its mtime counts */

void
entry_open(struct tenants *t, size_t n)
{
	void *of = mmap(NULL, n * sizeof(*t->of), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (of == MAP_FAILED)
		fatal(EX_OSERR, "cannot make a table of sessions: %s", strerror(errno));
	*t = (struct tenants){ .of = of, .shared = of, .n = n };
}

void
entry_left(struct tenants *t, size_t which)
{
	atomic_store(&t->of[which], 0);
}

/* FNV-1a: two mailboxes that share one share a limit, which does no harm; libcrypto's digests would cost more
 * than all else that a session does before its first answer. */
static uint64_t
hash_of(const char *mailbox)
{
	uint64_t v = UINT64_C(14695981039346656037);

	for (; *mailbox != '\0'; mailbox++)
		v = (v ^ (unsigned char)*mailbox) * UINT64_C(1099511628211);
	return v == 0 ? 1 : v;
}

/* First our own name, then the count: of two that come at once neither overlooks the other. */
static uint64_t
count_tenants(struct tenants *t, const char *mailbox)
{
	uint64_t own = hash_of(mailbox), n = 0;

	atomic_store(&t->of[t->self], own);
	for (size_t i = 0; i < t->n; i++)
		n += atomic_load(&t->of[i]) == own;
	return n;
}

/* Seconds that are still to wait; a time to come is a clock that was set back. */
static uint64_t
to_wait(int dir_fd, uint64_t delay_s)
{
	struct stat st;
	time_t now = time(NULL);

	if (fstatat(dir_fd, LAST_LOGIN, &st, AT_SYMLINK_NOFOLLOW) == -1 || st.st_mtime > now ||
	    (uint64_t)(now - st.st_mtime) >= delay_s)
		return 0;
	return delay_s - (uint64_t)(now - st.st_mtime);
}

/* That it cannot be noted is worth no error: the next login comes early, then. */
static void
note_login(int dir_fd)
{
	int fd = openat(dir_fd, LAST_LOGIN, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd != -1)
		(void)futimens(fd, NULL);
	file_close(fd);
}

bool
entry_free(const struct conf *conf, struct tenants *t, const char *mailbox, int dir_fd, struct buf *refusal)
{
	uint64_t sessions = count_tenants(t, mailbox), wait_s = 0;

	(void)munmap(t->shared, t->n * sizeof(*t->of));
	t->of = NULL;
	if (conf->pop3d_login_delay > 0)
		wait_s = to_wait(dir_fd, conf->pop3d_login_delay);
	if (sessions > conf->pop3d_connections_per_user)
		buf_adds(refusal, "[IN-USE] too many sessions in this mailbox");
	else if (wait_s > 0)
		buf_addf(refusal, "[LOGIN-DELAY] too early: wait %llu seconds more", (unsigned long long)wait_s);
	else if (conf->pop3d_lock && flock(dir_fd, LOCK_EX | LOCK_NB) == -1)
		buf_adds(refusal, errno == EWOULDBLOCK ? "[IN-USE] another session has this mailbox" :
		    "[SYS/TEMP] mailbox cannot be locked now");
	else {
		if (conf->pop3d_login_delay > 0)
			note_login(dir_fd);
		return true;
	}
	return false;
}
