/*
 * file: files and directories, durably.
 *
 * Knows the calls and the differences of file systems; not what the files
 * mean (lib/store does).
 */
#include "lib/sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/base/ascii.h"

#define MAGIC_XFS 0x58465342 /* linux/magic.h has it only of late */

void
file_close(int fd)
{
	int saved = errno;

	if (fd != -1)
		close(fd);
	errno = saved;
}

int
file_read_all(int fd, void *to, size_t n)
{
	char *p = to;
	ssize_t got;

	while (n > 0) {
		got = read(fd, p, n);
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return -1;
		if (got == 0) {
			errno = EIO;
			return -1;
		}
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

int
file_write_all(int fd, const void *from, size_t n)
{
	const char *p = from;
	ssize_t put;

	while (n > 0) {
		put = write(fd, p, n);
		if (put == -1 && errno == EINTR)
			continue;
		if (put == -1)
			return -1;
		p += put;
		n -= (size_t)put;
	}
	return 0;
}

int
file_slurp_at(int dir_fd, const char *name, struct buf *out)
{
	char piece[16384];
	int fd, rv = -1;
	ssize_t n;

	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	while ((n = read(fd, piece, sizeof(piece))) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			goto out;
		buf_add(out, piece, (size_t)n);
		if (buf_over(out)) {
			errno = EFBIG;
			goto out;
		}
	}
	rv = 0;
out:
	file_close(fd);
	return rv;
}

/* file_copy by hand, from *at. */
static int
copy_by_reading(int from, int to, off_t at)
{
	char piece[65536];
	ssize_t n;

	while ((n = pread(from, piece, sizeof(piece), at)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 || file_write_all(to, piece, (size_t)n) == -1)
			return -1;
		at += n;
	}
	return 0;
}

int
file_copy(int from, int to)
{
	off_t at = 0;
	ssize_t n;

	for (;;) {
		n = copy_file_range(from, &at, to, NULL, 1 << 30, 0);
		if (n == 0)
			return copy_by_reading(from, to, at); /* the end, or a lie */
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && (errno == EXDEV || errno == EINVAL ||
		    errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM))
			return copy_by_reading(from, to, at);
		if (n == -1)
			return -1;
	}
}

int
file_writeout(int fd)
{
	const unsigned how = SYNC_FILE_RANGE_WAIT_BEFORE |
	    SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

	if (sync_file_range(fd, 0, 0, how) == 0)
		return 0;
	return errno == ENOSYS || errno == EINVAL || errno == ESPIPE ? 0 : -1;
}

void
file_writeout_begin(int fd)
{
	(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* Write, sync, rename, sync, all in dir_fd. */
static int
replace_in(int dir_fd, const char *name, const void *octets, size_t n,
    mode_t mode)
{
	char *temp = mem_fmt(".%s.%d", name, (int)getpid());
	int fd, rv = -1;

	(void)unlinkat(dir_fd, temp, 0); /* of a predecessor with our pid */
	fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1)
		goto out;
	if (file_write_all(fd, octets, n) == -1 || fchmod(fd, mode) == -1 ||
	    fsync(fd) == -1 || renameat(dir_fd, temp, dir_fd, name) == -1 ||
	    fsync(dir_fd) == -1)
		goto out;
	rv = 0;
out:
	file_close(fd);
	if (rv == -1 && fd != -1) {
		int saved = errno;

		(void)unlinkat(dir_fd, temp, 0);
		errno = saved;
	}
	free(temp);
	return rv;
}

int
file_replace_at(int dir_fd, const char *name, const void *octets, size_t n,
    mode_t mode)
{
	const char *slash = strrchr(name, '/');
	char *dir;
	int fd, rv;

	if (slash == NULL)
		dir = mem_dup(".");
	else
		dir = mem_dupn(name, (size_t)(slash - name) + 1);
	fd = openat(dir_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	if (fd == -1)
		return -1;
	rv = replace_in(fd, slash == NULL ? name : slash + 1, octets, n, mode);
	file_close(fd);
	return rv;
}

int
file_sync_dir_at(int dir_fd, const char *name)
{
	int rv, fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1)
		return -1;
	rv = fsync(fd);
	file_close(fd);
	return rv;
}

int
file_mkdirs_at(int dir_fd, const char *path, mode_t mode)
{
	char *copy = mem_dup(path), *at = copy;
	int rv = 0;

	while (rv == 0 && at != NULL) {
		at = strchr(at + (*at == '/'), '/');
		if (at != NULL)
			*at = '\0';
		if (*copy != '\0' && mkdirat(dir_fd, copy, mode) == -1 &&
		    errno != EEXIST)
			rv = -1;
		if (at != NULL)
			*at = '/';
	}
	free(copy);
	return rv;
}

/* Where there is no O_TMPFILE: a file whose name is gone again. */
static int
unnamed_by_unlink(int dir_fd, mode_t mode)
{
	static unsigned serial;
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "unnamed.%d.%u", (int)getpid(), serial++);
	fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd != -1)
		(void)unlinkat(dir_fd, name, 0);
	return fd;
}

int
file_unnamed_at(int dir_fd, mode_t mode, bool *linkable)
{
	int fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);

	*linkable = fd != -1;
	if (fd == -1 &&
	    (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
		fd = unnamed_by_unlink(dir_fd, mode);
	return fd;
}

int
file_link_fd(int fd, int dir_fd, const char *name)
{
	char from[32];

	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, from, dir_fd, name, AT_SYMLINK_FOLLOW);
}

/* Has the ext4 behind this device a journal? Its sysfs names the journal's
 * kernel thread, or "<none>". */
static bool
ext4_has_journal(dev_t dev)
{
	struct buf text = BUF_INIT(64);
	char link[64], target[512], *path;
	const char *device;
	ssize_t n;
	bool has;

	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(dev),
	    minor(dev));
	n = readlink(link, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = '\0';
	device = strrchr(target, '/');
	path = mem_fmt("/sys/fs/ext4/%s/journal_task",
	    device != NULL ? device + 1 : target);
	has = file_slurp_at(AT_FDCWD, path, &text) == 0 &&
	    ascii_digit(*buf_str(&text));
	free(path);
	buf_free(&text);
	return has;
}

bool
file_names_follow(int dir_fd)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(dir_fd, &fs) == -1 || fstat(dir_fd, &st) == -1)
		return false;
	switch ((unsigned long)fs.f_type) {
	case MAGIC_XFS:
	case BTRFS_SUPER_MAGIC:
		return true;
	case EXT4_SUPER_MAGIC:
		return ext4_has_journal(st.st_dev);
	default:
		return false;
	}
}
