/*
 * generations: the directories under maps/, and which of them is in force.
 *
 * A generation's name is a number that only grows. `current` is a symbolic link,
 * replaced by rename(2): a reader sees the old one or the new one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/num.h"
#include "lib/sys/file.h"
#include "router/compile.h"

#define LOCK_WAIT_S 60
#define NUMBER_MAX 99999999
#define TMP ".tmp"

int
generations_lock(int maps_fd, struct buf *why)
{
	deadline_ms until = deadline_in(LOCK_WAIT_S * 1000);
	int fd = openat(maps_fd, ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd == -1) {
		buf_addf(why, "cannot open maps/.lock: %s", strerror(errno));
		return -1;
	}
	while (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno == EWOULDBLOCK && !deadline_over(until)) {
			(void)poll(NULL, 0, 50);
			continue;
		}
		buf_addf(why, "cannot lock maps/.lock: %s", errno ==
		    EWOULDBLOCK ? "another compile is at work" :
		    strerror(errno));
		file_close(fd);
		return -1;
	}
	return fd;
}

/* The number that is this name; 0: it is no generation's. */
static uint64_t
number_of(const char *name)
{
	uint64_t n;

	if (strlen(name) != 8 || num_parse(span_of(name), NUMBER_MAX, &n) == -1)
		return 0;
	return n;
}

static int
current_of(int maps_fd, char name[NAME_MAX + 1])
{
	ssize_t n = readlinkat(maps_fd, "current", name, NAME_MAX);

	if (n == -1)
		return -1;
	name[n] = '\0';
	return 0;
}

static int
by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* All there are, in order, into *out (the caller frees). Directories that
 * crashed compiles left are removed on the way if sweep. */
static size_t
list(int maps_fd, bool sweep, uint64_t **out)
{
	int fd = openat(maps_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;
	size_t n = 0, len;
	uint64_t number;

	*out = NULL;
	if (dir == NULL) {
		file_close(fd);
		return 0;
	}
	while ((e = readdir(dir)) != NULL) {
		len = strlen(e->d_name);
		if (sweep && len > strlen(TMP) &&
		    strcmp(e->d_name + len - strlen(TMP), TMP) == 0)
			generations_remove(maps_fd, e->d_name);
		number = number_of(e->d_name);
		if (number == 0)
			continue;
		*out = mem_grow(*out, n + 1, sizeof(**out));
		(*out)[n++] = number;
	}
	(void)closedir(dir);
	if (n > 0)
		qsort(*out, n, sizeof(**out), by_number);
	return n;
}

char *
generations_begin(int maps_fd, struct buf *why)
{
	uint64_t *numbers, next;
	size_t n = list(maps_fd, true, &numbers);
	char *name;

	next = n == 0 ? 1 : numbers[n - 1] + 1;
	free(numbers);
	name = mem_fmt("%08llu" TMP, (unsigned long long)next);
	/* The mode is set apart, for a strict umask must not shut others out. */
	if (next <= NUMBER_MAX && mkdirat(maps_fd, name, 0700) == 0 &&
	    fchmodat(maps_fd, name, 0755, 0) == 0)
		return name;
	buf_addf(why, "cannot make maps/%s: %s", name, strerror(errno));
	free(name);
	return NULL;
}

void
generations_remove(int parent_fd, const char *name)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (dir == NULL) {
		file_close(fd);
		(void)unlinkat(parent_fd, name, 0);
		return;
	}
	while ((e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			(void)unlinkat(fd, e->d_name, 0);
	(void)closedir(dir);
	(void)unlinkat(parent_fd, name, AT_REMOVEDIR);
}

/* Make `current` point at name, in one step. */
static int
point_at(int maps_fd, const char *name)
{
	if (unlinkat(maps_fd, "current" TMP, 0) == -1 && errno != ENOENT)
		return -1;
	if (symlinkat(name, maps_fd, "current" TMP) == -1 ||
	    fsync(maps_fd) == -1 ||
	    renameat(maps_fd, "current" TMP, maps_fd, "current") == -1)
		return -1;
	return fsync(maps_fd);
}

/* All but the newest go, and never the one in force. */
static void
prune(int maps_fd, const char *current)
{
	uint64_t *numbers;
	size_t i, n = list(maps_fd, false, &numbers);
	char name[16];

	for (i = 0; i + GENERATIONS_KEPT < n; i++) {
		(void)snprintf(name, sizeof(name), "%08llu",
		    (unsigned long long)numbers[i]);
		if (strcmp(name, current) != 0)
			generations_remove(maps_fd, name);
	}
	free(numbers);
}

char *
generations_publish(int maps_fd, const char *tmp, struct buf *why)
{
	char *name = mem_dupn(tmp, strlen(tmp) - strlen(TMP));

	if (file_sync_dir_at(maps_fd, tmp) == 0 &&
	    renameat(maps_fd, tmp, maps_fd, name) == 0 &&
	    point_at(maps_fd, name) == 0) {
		prune(maps_fd, name);
		return name;
	}
	buf_addf(why, "cannot put maps/%s in force: %s", name, strerror(errno));
	generations_remove(maps_fd, tmp);
	free(name);
	return NULL;
}

char *
generations_back(int maps_fd, struct buf *why)
{
	char current[NAME_MAX + 1], *name = NULL;
	uint64_t *numbers, at;
	size_t i, n;

	if (current_of(maps_fd, current) == -1) {
		buf_addf(why, "cannot read maps/current: %s", strerror(errno));
		return NULL;
	}
	at = number_of(current);
	n = list(maps_fd, false, &numbers);
	for (i = n; i > 0 && numbers[i - 1] >= at; i--)
		continue;
	if (i == 0)
		buf_addf(why, "there is no generation before %s", current);
	else
		name = mem_fmt("%08llu", (unsigned long long)numbers[i - 1]);
	free(numbers);
	if (name == NULL || point_at(maps_fd, name) == 0)
		return name;
	buf_addf(why, "cannot put maps/%s in force: %s", name, strerror(errno));
	free(name);
	return NULL;
}
