/*
 * procs: the processes of this machine, as /proc shows them.
 */
#include "master/procs.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/num.h"
#include "lib/sys/file.h"

#define STAT_MAX 4096
#define PAUSE_NS 5000000L

/* proc(5): the name in parentheses may hold anything, so count behind the last one. */
static int
parse_stat(const char *text, struct process *p)
{
	const char *s = strrchr(text, ')');
	long pages;
	char state;

	if (s == NULL ||
	    // NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers fit
	    sscanf(s + 1, " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d "
	           "%*d %*d %*d %*d %*d %" SCNu64 " %*u %ld", &state, &p->parent,
	        &p->group, &p->session, &p->born, &pages) != 6)
		return -1;
	p->rss_octets = pages < 0 ? 0 : (uint64_t)pages *
	    (uint64_t)sysconf(_SC_PAGESIZE);
	return state == 'Z' || state == 'X' ? -1 : 0;
}

int
process_read(pid_t pid, struct process *p)
{
	struct buf text = BUF_INIT(STAT_MAX);
	char *path = mem_fmt("/proc/%d/stat", (int)pid);
	int rv = -1;

	*p = (struct process){ .pid = pid };
	if (pid > 0 && file_slurp_at(AT_FDCWD, path, &text) == 0)
		rv = parse_stat(buf_str(&text), p);
	buf_free(&text);
	free(path);
	return rv;
}

struct process *
processes_read(size_t *n)
{
	struct process *list = NULL, p;
	const struct dirent *e;
	DIR *dir = opendir("/proc");
	size_t cap = 0;
	uint64_t pid;

	*n = 0;
	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (num_parse(span_of(e->d_name), INT_MAX, &pid) == -1 ||
		    process_read((pid_t)pid, &p) == -1)
			continue;
		if (*n == cap) {
			cap = cap * 2 + 64;
			list = mem_grow(list, cap, sizeof(*list));
		}
		list[(*n)++] = p;
	}
	if (dir != NULL)
		closedir(dir);
	return list;
}

static bool
same_alive(const struct process *p)
{
	struct process now;

	return process_read(p->pid, &now) == 0 && now.born == p->born;
}

static size_t
signal_alive(const struct process *list, size_t n, int signo)
{
	size_t i, alive = 0;

	for (i = 0; i < n; i++) {
		if (!same_alive(&list[i]))
			continue;
		alive++;
		if (signo != 0)
			(void)kill(list[i].pid, signo);
	}
	return alive;
}

size_t
processes_end(const struct process *list, size_t n, int64_t grace_ms)
{
	const struct timespec pause = { 0, PAUSE_NS };
	deadline_ms grace = deadline_in(grace_ms);
	size_t found = signal_alive(list, n, SIGTERM);

	signal_alive(list, n, SIGCONT); /* one that is stopped would not hear it */
	while (signal_alive(list, n, 0) > 0) {
		if (deadline_over(grace)) {
			signal_alive(list, n, SIGKILL);
			grace = deadline_in(grace_ms);
		}
		nanosleep(&pause, NULL);
	}
	return found;
}
