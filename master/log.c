/*
 * log: posthouse log: the log of a day.
 *
 * Knows where the day files lie; what a line says is for grep(1) and for
 * posthouse-log(7).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/store/instance.h"
#include "lib/sys/file.h"

#define DAYS_MAX 36500
#define SOME 65536
#define DAY_LENGTH 10 /* YYYY-MM-DD */

static const char usage[] =
    "usage: posthouse [-C DIR] log [--day DAY]\n"
    "  Shows today's log. DAY is YYYY-MM-DD, \"yesterday\", or how many days ago.\n"
    "  posthouse-log(7) explains every event.\n";

/* The day as its file is called; NULL: no such word. */
static const char *
day_name(const char *word, char *out, size_t size)
{
	time_t now = time(NULL);
	uint64_t ago = 0;
	struct tm tm;

	if (strcmp(word, "yesterday") == 0) {
		ago = 1;
	} else if (strlen(word) == DAY_LENGTH && word[4] == '-' && word[7] == '-' &&
	    strspn(word, "0123456789-") == DAY_LENGTH) {
		return word;
	} else if (num_parse(span_of(word), DAYS_MAX, &ago) == -1) {
		return NULL;
	}
	localtime_r(&now, &tm);
	tm.tm_mday -= (int)ago;
	tm.tm_hour = 12;
	tm.tm_isdst = -1;
	(void)mktime(&tm);
	return strftime(out, size, "%Y-%m-%d", &tm) > 0 ? out : NULL;
}

static bool
is_day(const char *file)
{
	return strlen(file) == DAY_LENGTH + strlen(".log") &&
	    strspn(file, "0123456789-") == DAY_LENGTH &&
	    strcmp(file + DAY_LENGTH, ".log") == 0;
}

/* Nothing was written that day: on which days was something? */
static int
no_such_day(const char *dir_name, const char *day)
{
	char first[DAY_LENGTH + 1] = "", last[DAY_LENGTH + 1] = "";
	const struct dirent *e;
	DIR *dir = opendir(dir_name);

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (!is_day(e->d_name))
			continue;
		if (*first == '\0' || strncmp(e->d_name, first, DAY_LENGTH) < 0)
			memcpy(first, e->d_name, DAY_LENGTH);
		if (strncmp(e->d_name, last, DAY_LENGTH) > 0)
			memcpy(last, e->d_name, DAY_LENGTH);
	}
	if (dir != NULL)
		closedir(dir);
	if (*first == '\0')
		fprintf(stderr, "log: nothing was written on %s, nor on any other day\n", day);
	else
		fprintf(stderr, "log: nothing was written on %s; there is %s to %s\n", day,
		    first, last);
	return 1;
}

static int
show(const char *dir, const char *day)
{
	static char some[SOME];
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s.log", dir, day);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1 && errno == ENOENT)
		return no_such_day(dir, day);
	if (fd == -1) {
		fprintf(stderr, "log: cannot read %s: %s\n", path, strerror(errno));
		return EX_NOINPUT;
	}
	while ((n = read(fd, some, sizeof(some))) > 0)
		if (file_write_all(STDOUT_FILENO, some, (size_t)n) == -1)
			break;
	file_close(fd);
	return n == 0 ? 0 : EX_IOERR;
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "day", required_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	const char *dir = NULL, *word = "0", *day;
	static struct instance inst; /* until the process ends */
	char text[32];
	int o;

	log_open("log");
	while ((o = getopt_long(argc, argv, "C:h", options, NULL)) != -1) {
		if (o == 'C') {
			dir = optarg;
		} else if (o == 'd') {
			word = optarg;
		} else {
			fputs(usage, o == 'h' ? stdout : stderr);
			return o == 'h' ? 0 : EX_USAGE;
		}
	}
	day = day_name(word, text, sizeof(text));
	if (day == NULL || optind < argc) {
		fputs(usage, stderr);
		return EX_USAGE;
	}
	instance_open(&inst, dir);
	return show(inst.log, day);
}
