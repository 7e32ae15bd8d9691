/*
 * record: run/master.state and run/master.pid.
 */
#include "master/record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/store/words.h"
#include "lib/sys/file.h"

#define RECORD_MAX (256 * 1024)
#define FIRST_LINE "posthouse-master 1"

/* --- writing ------------------------------------------------------------ */

static void
add_quoted(struct buf *out, const char *name, const char *text)
{
	buf_addf(out, " %s=\"", name);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *text == '\n' ? ' ' : *text);
	}
	buf_addc(out, '"');
}

static void
format(const struct record *r, struct buf *out)
{
	size_t i;

	buf_addf(out, FIRST_LINE "\nmaster pid=%d born=%" PRIu64 " since=%" PRId64
	    " session=%d reloads=%u", (int)r->pid, r->born, r->since_s,
	    (int)r->session, r->reloads);
	add_quoted(out, "error", r->error);
	buf_addc(out, '\n');
	for (i = 0; i < r->service_count; i++) {
		const struct record_service *s = &r->services[i];

		buf_addf(out, "service name=%s pid=%d born=%" PRIu64 " since=%" PRId64
		    " starts=%u state=%s\n", s->name, (int)s->pid, s->born,
		    s->since_s, s->starts, s->state);
	}
	for (i = 0; i < r->listener_count; i++) {
		const struct record_listener *l = &r->listeners[i];

		buf_addf(out, "listen name=%s address=%s", l->name, l->address);
		if (l->error[0] != '\0')
			add_quoted(out, "error", l->error);
		buf_addc(out, '\n');
	}
}

/* Need not survive a crash of the machine: no process does. */
int
record_write(const struct instance *inst, const struct record *r)
{
	struct buf text = BUF_INIT(RECORD_MAX);
	char *path = instance_path(inst->run, "master.state");
	char *fresh = mem_fmt("%s.new", path);
	int rv = -1;
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
	    0644);

	format(r, &text);
	if (fd != -1 && file_write_all(fd, text.s, text.len) == 0)
		rv = rename(fresh, path);
	file_close(fd);
	free(fresh);
	free(path);
	buf_free(&text);
	return rv;
}

/* --- reading ------------------------------------------------------------ */

static uint64_t
number(const struct words *w, const char *name)
{
	const struct span *s = words_get(w, name);
	uint64_t n;

	return s != NULL && num_parse(*s, INT64_MAX, &n) == 0 ? n : 0;
}

static void
text(const struct words *w, const char *name, char *out, size_t size)
{
	const struct span *s = words_get(w, name);

	snprintf(out, size, "%.*s", s != NULL ? (int)s->len : 0,
	    s != NULL ? s->s : "");
}

static void
take_service(struct record *r, const struct words *w)
{
	struct record_service *s = &r->services[r->service_count];

	if (r->service_count == RECORD_SERVICES)
		return;
	r->service_count++;
	text(w, "name", s->name, sizeof(s->name));
	text(w, "state", s->state, sizeof(s->state));
	s->pid = (pid_t)number(w, "pid");
	s->born = number(w, "born");
	s->since_s = (int64_t)number(w, "since");
	s->starts = (unsigned)number(w, "starts");
}

static void
take_listener(struct record *r, const struct words *w)
{
	struct record_listener *l = &r->listeners[r->listener_count];

	if (r->listener_count == RECORD_LISTENERS)
		return;
	r->listener_count++;
	text(w, "name", l->name, sizeof(l->name));
	text(w, "address", l->address, sizeof(l->address));
	text(w, "error", l->error, sizeof(l->error));
}

static void
take(struct record *r, const struct words *w)
{
	if (w->n == 0)
		return;
	if (span_is(w->w[0].value, "master")) {
		r->pid = (pid_t)number(w, "pid");
		r->session = (pid_t)number(w, "session");
		r->born = number(w, "born");
		r->since_s = (int64_t)number(w, "since");
		r->reloads = (unsigned)number(w, "reloads");
		text(w, "error", r->error, sizeof(r->error));
	} else if (span_is(w->w[0].value, "service")) {
		take_service(r, w);
	} else if (span_is(w->w[0].value, "listen")) {
		take_listener(r, w);
	}
}

static int
parse(struct record *r, struct span rest)
{
	struct arena *arena = arena_new();
	struct buf why = BUF_INIT(1024);
	struct words w;
	int rv = -1;

	errno = EINVAL;
	if (!span_is(span_cut(&rest, '\n'), FIRST_LINE))
		goto out;
	while (rest.s != NULL) {
		if (words_parse(span_cut(&rest, '\n'), arena, &w, &why) == -1) {
			errno = EINVAL;
			goto out;
		}
		take(r, &w);
	}
	rv = 0;
out:
	buf_free(&why);
	arena_free(arena);
	return rv;
}

int
record_read(const struct instance *inst, struct record *r)
{
	struct buf got = BUF_INIT(RECORD_MAX);
	char *path = instance_path(inst->run, "master.state");
	int rv = -1;

	*r = (struct record){ 0 };
	if (file_slurp_at(AT_FDCWD, path, &got) == 0)
		rv = parse(r, buf_span(&got));
	free(path);
	buf_free(&got);
	return rv;
}

pid_t
record_master(const struct instance *inst)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char *path = instance_path(inst->run, "master.pid");
	int fd = open(path, O_RDWR | O_CLOEXEC);
	pid_t pid = 0;

	if (fd == -1 && errno == EACCES)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd != -1 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
		pid = lock.l_pid;
	file_close(fd);
	free(path);
	return pid;
}

/* --- whose process is it? ------------------------------------------------ */

/* A number may have been given anew; group, session and birth together have not. */
static bool
belongs(const struct process *p, const struct record_service *s, pid_t session)
{
	return s->pid != 0 && p->group == s->pid && p->session == session &&
	    p->born >= s->born;
}

struct process *
record_processes(const struct record *r, size_t *n)
{
	struct process *list = processes_read(n);
	size_t i, j, kept = 0;

	for (i = 0; i < *n; i++)
		for (j = 0; j < r->service_count; j++)
			if (belongs(&list[i], &r->services[j], r->session)) {
				list[kept++] = list[i];
				break;
			}
	*n = kept;
	return list;
}

unsigned
record_count(const struct record_service *s, const struct process *list, size_t n,
    uint64_t *rss_octets)
{
	unsigned count = 0;
	size_t i;

	*rss_octets = 0;
	for (i = 0; i < n; i++)
		if (s->pid != 0 && list[i].group == s->pid) {
			*rss_octets += list[i].rss_octets;
			count++;
		}
	return count;
}
