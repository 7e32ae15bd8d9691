/*
 * full: marks of mailboxes that are over their quota.
 *
 * Knows their directory and their two times; what a quota is, is store/quota's.
 */
#include "lib/store/full.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/sys/file.h"

static char *
mark_of(const char *dir, const char *address)
{
	struct buf name = BUF_INIT(4096);
	char *path;

	buf_addf(&name, "%s/", dir);
	word_encode(&name, address, strlen(address), "/");
	path = mem_dup(buf_str(&name));
	buf_free(&name);
	return path;
}

int64_t
full_mark(const char *dir, const char *address, int64_t now_s)
{
	char *path = mark_of(dir, address);
	struct timespec times[2] = { { .tv_sec = now_s }, { .tv_sec = now_s } };
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int64_t since = -1;
	struct stat st;

	if (fd == -1 && errno == EEXIST) {
		fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd != -1 && fstat(fd, &st) == 0)
			times[0] = st.st_atim;
	}
	if (fd != -1 && futimens(fd, times) == 0)
		since = times[0].tv_sec;
	file_close(fd);
	free(path);
	return since;
}

void
full_clear(const char *dir, const char *address)
{
	char *path = mark_of(dir, address);

	(void)unlink(path);
	free(path);
}

int64_t
full_since(const char *dir, const char *address, int64_t now_s)
{
	char *path = mark_of(dir, address);
	struct stat st;
	bool there = stat(path, &st) == 0;

	free(path);
	return there && now_s - st.st_mtime < FULL_BELIEVED_S ? st.st_atime : 0;
}

enum outcome
full_outcome(int64_t since_s, int64_t now_s, uint64_t grace_s)
{
	if (since_s == 0)
		return SENT;
	return now_s - since_s < (int64_t)grace_s ? RETRY : FAILED;
}
