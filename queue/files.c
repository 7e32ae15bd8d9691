/*
 * files: names in the spool (DESIGN section 4).
 *
 *   new/ID, cur/ID   the message
 *   env/ID           its envelope: what makes it a message of the queue
 *   hold/ID          the envelope of a message that is held; the message stays where it is
 *   bad/ID, bad/ID.message   an envelope that does not parse, and its message
 *
 * Order of names: the message before its envelope, and away in the opposite order; so an envelope
 * always has a message, and a message without envelope was never acknowledged or is done with.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/sys/file.h"
#include "queue/queued.h"

int
files_link(const struct spool *s, int msg_fd, int env_fd, const char *id, bool held)
{
	int error;

	if (file_link_fd(msg_fd, s->new_fd, id) == -1)
		return -1;
	if (file_link_fd(env_fd, held ? s->hold_fd : s->env_fd, id) == 0)
		return 0;
	error = errno;
	unlinkat(s->new_fd, id, 0);
	errno = error;
	return -1;
}

static int
envelope_dir(const struct spool *s, const struct record *r)
{
	return (r->flags & HELD) != 0 ? s->hold_fd : s->env_fd;
}

void
files_unlink(const struct spool *s, const struct record *r)
{
	unlinkat(envelope_dir(s, r), r->id, 0);
	if ((r->flags & IN_NEW) == 0 && unlinkat(s->cur_fd, r->id, 0) == 0)
		return;
	if (unlinkat(s->new_fd, r->id, 0) == -1 && (r->flags & IN_NEW) != 0)
		unlinkat(s->cur_fd, r->id, 0);
}

void
files_attempted(const struct spool *s, struct record *r)
{
	if ((r->flags & IN_NEW) != 0)
		renameat(s->new_fd, r->id, s->cur_fd, r->id);
	r->flags &= ~(unsigned)IN_NEW;
}

int
files_open_message(const struct spool *s, const char *id)
{
	int fd = openat(s->cur_fd, id, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd == -1 && errno == ENOENT)
		fd = openat(s->new_fd, id, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd;
}

int
files_open_envelope(const struct spool *s, const struct record *r, int flags)
{
	return openat(envelope_dir(s, r), r->id, flags | O_CLOEXEC | O_NOFOLLOW);
}

int
files_hold(const struct spool *s, const char *id)
{
	return renameat(s->env_fd, id, s->hold_fd, id);
}

int
files_release(const struct spool *s, const char *id)
{
	return renameat(s->hold_fd, id, s->env_fd, id);
}

void
files_bad(const struct spool *s, const struct record *r)
{
	char name[LIMIT_ID + 16];

	snprintf(name, sizeof name, "%s.message", r->id);
	if (renameat(s->cur_fd, r->id, s->bad_fd, name) == -1)
		renameat(s->new_fd, r->id, s->bad_fd, name);
	renameat(envelope_dir(s, r), r->id, s->bad_fd, r->id);
}

/* --- after a start ------------------------------------------------------- */

/* Calls fn for each name that is no dot file. */
static int
each_name(int dir_fd, void (*fn)(struct queued *, struct found *, int, const char *), struct queued *q,
    struct found *f)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (d == NULL) {
		file_close(fd);
		return -1;
	}
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			fn(q, f, dir_fd, e->d_name);
	closedir(d);
	return 0;
}

static void
stale(struct queued *q, struct found *f, int dir_fd, const char *name)
{
	(void)q;
	if (unlinkat(dir_fd, name, 0) == 0)
		f->swept++;
}

/*
 * The file's time says when it is due: nothing is read here. An empty envelope was linked but never synced
 * before the power went: nobody was told that we have the message.
 */
static void
envelope_found(struct queued *q, struct found *f, int dir_fd, const char *name)
{
	bool held = dir_fd == q->spool.hold_fd;
	struct record *r;
	struct stat st;

	if (!spool_id_valid(name) || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    !S_ISREG(st.st_mode)) {
		log_event(EV_QUEUE_BAD, LS("id", name), LS("reason", "not an envelope's name"));
		f->bad++;
		return;
	}
	if (st.st_size == 0) {
		stale(q, f, dir_fd, name);
		return;
	}
	if (records_find(&q->records, name) != NULL)
		return; /* held and released at once: the one in env/ counts */
	r = records_add(&q->records, name);
	r->flags |= ON_LINK; /* for all we know without reading it */
	f->messages++;
	if (held) {
		r->flags |= HELD;
		q->records.held++;
		f->held++;
	} else
		records_schedule(&q->records, r, st.st_mtim.tv_sec);
}

static void
message_found(struct queued *q, struct found *f, int dir_fd, const char *name)
{
	struct record *r = records_find(&q->records, name);

	if (r == NULL)
		stale(q, f, dir_fd, name);
	else if (dir_fd == q->spool.new_fd)
		r->flags |= IN_NEW;
}

int
files_scan(struct queued *q, struct found *f)
{
	const struct spool *s = &q->spool;

	memset(f, 0, sizeof *f);
	if (each_name(s->tmp_fd, stale, q, f) == -1 ||
	    each_name(s->env_fd, envelope_found, q, f) == -1 ||
	    each_name(s->hold_fd, envelope_found, q, f) == -1 ||
	    each_name(s->new_fd, message_found, q, f) == -1 ||
	    each_name(s->cur_fd, message_found, q, f) == -1)
		return -1;
	return 0;
}

/* --- keys ---------------------------------------------------------------- */

#define KEYS_BACK_S 3600 /* who was cut off comes again with what is at most so much older than the newest */

static void
read_key(struct queued *q, const struct record *r, struct arena *arena)
{
	struct buf why = BUF_INIT(512);
	struct envelope e;
	int fd = files_open_envelope(&q->spool, r, O_RDONLY);

	/* One that does not parse is found when it is due. */
	if (fd != -1 && envelope_read(fd, arena, &e, &why) == 0 && e.key[0] != '\0')
		keys_add(&q->keys, e.key, r->id, true);
	file_close(fd);
	arena_reset(arena);
	buf_free(&why);
}

void
files_read_keys(struct queued *q)
{
	struct arena *arena = arena_new();
	char from[LIMIT_ID] = "";
	const struct record *r;
	size_t n = 0;

	for (size_t i = 0; i < q->records.buckets; i++)
		for (r = q->records.bucket[i]; r != NULL; r = r->next)
			if (strcmp(r->id, from) > 0)
				strlcpy(from, r->id, sizeof from);
	if (*from != '\0')
		spool_id_earlier(from, KEYS_BACK_S);
	for (size_t i = 0; i < q->records.buckets; i++)
		for (r = q->records.bucket[i]; r != NULL && n < KEYS; r = r->next)
			if (strcmp(r->id, from) >= 0) {
				read_key(q, r, arena);
				n++;
			}
	arena_free(arena);
}
