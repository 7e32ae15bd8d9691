/*
 * logfile: what the programs say on standard error, in one file a day.
 *
 * One writer, whole lines, as they come. Knows days and lines, not what a line says.
 */
#include "master/logfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"

#define READ_OCTETS 65536
#define LINE_MAX_OCTETS 65536 /* a longer one is broken up */
#define PIPE_OCTETS (1024 * 1024)
#define DAY_NAME sizeof("2026-11-22")
#define DAY_FORMAT "%Y-%m-%d"

/* --- days --------------------------------------------------------------- */

/* "2026-11-22.log" and nothing else: other files there are not ours. */
static bool
is_day(const char *name)
{
	static const char shape[] = "dddd-dd-dd.log";
	size_t i;

	if (strlen(name) != sizeof(shape) - 1)
		return false;
	for (i = 0; name[i] != '\0'; i++)
		if (shape[i] == 'd' ? !ascii_digit(name[i]) : name[i] != shape[i])
			return false;
	return true;
}

static void
forget_old(const struct logfile *l, const struct tm *today)
{
	struct tm tm = *today;
	char oldest[DAY_NAME];
	const struct dirent *e;
	DIR *dir;

	if (l->keep_days == 0 || (dir = opendir(l->dir)) == NULL)
		return;
	tm.tm_mday -= (int)l->keep_days;
	tm.tm_hour = 12; /* no hour that a change of the clock leaves out */
	tm.tm_isdst = -1;
	(void)mktime(&tm);
	(void)strftime(oldest, sizeof(oldest), DAY_FORMAT, &tm);
	while ((e = readdir(dir)) != NULL)
		if (is_day(e->d_name) &&
		    strncmp(e->d_name, oldest, DAY_NAME - 1) < 0)
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
}

int64_t
logfile_turn(struct logfile *l, int64_t now_s)
{
	time_t now = (time_t)now_s;
	char day[DAY_NAME], *path;
	struct tm tm, next;

	if (now_s < l->midnight_s && l->fd != -1)
		return l->midnight_s;
	localtime_r(&now, &tm);
	(void)strftime(day, sizeof(day), DAY_FORMAT, &tm);
	file_close(l->fd);
	path = mem_fmt("%s/%s.log", l->dir, day);
	l->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
	    0640);
	free(path);
	forget_old(l, &tm);
	next = tm;
	next.tm_mday++;
	next.tm_hour = next.tm_min = next.tm_sec = 0;
	next.tm_isdst = -1;
	l->midnight_s = (int64_t)mktime(&next);
	return l->midnight_s;
}

void
logfile_open(struct logfile *l, const char *dir, uint64_t keep_days, int echo_fd)
{
	*l = (struct logfile){ dir, keep_days, echo_fd, -1, 0, 0 };
	logfile_turn(l, clock_real_us() / 1000000);
}

/* --- lines -------------------------------------------------------------- */

static uint64_t
count_lines(const char *s, size_t n)
{
	const char *end = s + n;
	uint64_t lines = 0;

	while (s < end && (s = memchr(s, '\n', (size_t)(end - s))) != NULL) {
		lines++;
		s++;
	}
	return lines;
}

/* A full disk stops no program: lines are lost then, and counted. */
static void
put(struct logfile *l, const char *s, size_t n)
{
	uint64_t lost;

	if (l->echo_fd != -1 && file_write_all(l->echo_fd, s, n) == -1)
		l->echo_fd = -1;
	if (l->fd == -1 || file_write_all(l->fd, s, n) == -1) {
		l->lost += count_lines(s, n);
	} else if (l->lost > 0) {
		lost = l->lost;
		l->lost = 0;
		log_error(EV_MASTER_LOG_LOST, LN("lines", lost));
	}
}

int
source_open(struct log_source *src)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) == -1)
		return -1;
	/* Room for a burst, where the kernel allows it. */
	(void)fcntl(fd[0], F_SETPIPE_SZ, PIPE_OCTETS);
	(void)fcntl(fd[0], F_SETFL, O_NONBLOCK);
	src->read_fd = fd[0];
	src->write_fd = fd[1];
	buf_init(&src->pending, LINE_MAX_OCTETS + READ_OCTETS);
	return 0;
}

static ssize_t
read_some(struct log_source *src)
{
	char some[READ_OCTETS];
	ssize_t n = read(src->read_fd, some, sizeof(some));

	if (n > 0)
		buf_add(&src->pending, some, (size_t)n);
	return n;
}

static void
put_lines(struct log_source *src, struct logfile *l, bool all)
{
	const struct buf *p = &src->pending;
	const char *end = p->len > 0 ? memrchr(p->s, '\n', p->len) : NULL;

	if (end != NULL) {
		put(l, p->s, (size_t)(end - p->s) + 1);
		buf_drop(&src->pending, (size_t)(end - p->s) + 1);
	}
	if (p->len >= LINE_MAX_OCTETS || (all && p->len > 0)) {
		buf_addc(&src->pending, '\n');
		put(l, p->s, p->len);
		buf_reset(&src->pending);
	}
}

void
source_read(struct log_source *src, struct logfile *l)
{
	if (read_some(src) > 0)
		put_lines(src, l, false);
}

void
source_drain(struct log_source *src, struct logfile *l)
{
	while (read_some(src) > 0)
		put_lines(src, l, false);
	put_lines(src, l, true);
}
