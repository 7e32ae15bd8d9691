/*
 * entry: may a session begin in this mailbox?
 *
 * Knows the last login by the time of a file in the maildir; how many sessions there are the spawner counts.
 */
#include "pop3d/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/sys/file.h"

#define LAST_LOGIN "pop3d-login" /* a file in the maildir, empty: its mtime counts */

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
entry_free(const struct conf *conf, int dir_fd, struct buf *refusal)
{
	uint64_t wait_s = 0;

	if (conf->pop3d_login_delay > 0)
		wait_s = to_wait(dir_fd, conf->pop3d_login_delay);
	if (wait_s > 0)
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

void
entry_leave(const struct conf *conf, int dir_fd)
{
	if (conf->pop3d_lock)
		(void)flock(dir_fd, LOCK_UN);
}
