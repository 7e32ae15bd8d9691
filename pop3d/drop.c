/*
 * drop: a maildrop: the messages of one maildir. Knows names and directories;
 * message numbers, answers and limits are the session's.
 */
#include "pop3d/drop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mail/digest.h"
#include "lib/store/maildir.h"
#include "lib/store/quota.h"
#include "lib/sys/file.h"
#include "pop3d/encode.h"

#define NAMES_MAX (512u * 1024 * 1024) /* octets of all names: some five million messages */
#define READ_OCTETS 65536
#define OLD_S 3 /* seconds: coarser than any file system's clock */

static const char *const sub_names[2] = { "cur", "new" };

static const char *
name_of(const struct drop *d, const struct drop_msg *m)
{
	return d->names.s + m->name;
}

/* --- the pass over the directories ---------------------------------------- */

/* The number at the name's start; foreign names have none. */
static uint32_t
name_seconds(const char *s)
{
	uint64_t v = 0;

	while (*s >= '0' && *s <= '9' && v <= UINT32_MAX)
		v = v * 10 + (uint64_t)(*s++ - '0');
	return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

/*
 * W= is what the file has with CRLF line ends. If that is more than S=, every LF
 * was counted as a line end to be; otherwise, and without W=, the file may
 * have come from a program that stores CRLF.
 */
static void
msg_fill(struct drop_msg *m, const struct maildir_name *name)
{
	m->unique = (uint8_t)name->unique.len;
	m->sized = name->has_wire;
	m->octets = name->has_wire ? name->wire : 0;
	m->crlf = !(name->has_wire && name->has_size && name->wire > name->size);
}

static int
add_name(struct drop *d, const char *s, bool in_new, bool file)
{
	size_t len = strlen(s);
	struct maildir_name name;
	struct drop_msg *m;

	maildir_name_parse((struct span){ s, len }, &name);
	if (name.unique.len == 0 || len > NAME_MAX)
		return 0;
	if (d->n == d->cap) {
		d->cap = d->cap == 0 ? 64 : d->cap * 2;
		d->msgs = mem_grow(d->msgs, d->cap, sizeof(*d->msgs));
	}
	m = &d->msgs[d->n];
	memset(m, 0, sizeof(*m));
	m->name = (uint32_t)d->names.len;
	m->when = name_seconds(s);
	m->in_new = in_new;
	m->file = file;
	msg_fill(m, &name);
	buf_add(&d->names, s, len + 1);
	if (buf_over(&d->names)) {
		errno = EFBIG;
		return -1;
	}
	d->n++;
	return 0;
}

/* A DIR takes its descriptor with it, so it gets another. */
static DIR *
open_stream(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir;

	if (copy == -1)
		return NULL;
	dir = fdopendir(copy);
	if (dir == NULL)
		file_close(copy);
	return dir;
}

static int
read_sub(struct drop *d, bool in_new)
{
	DIR *dir = open_stream(d->sub[in_new]);
	struct dirent *e;
	int rv = 0;

	if (dir == NULL)
		return -1;
	while (rv == 0 && (errno = 0, e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.' &&
		    (e->d_type == DT_REG || e->d_type == DT_UNKNOWN))
			rv = add_name(d, e->d_name, in_new, e->d_type == DT_REG);
	if (rv == 0 && errno != 0)
		rv = -1;
	closedir(dir);
	return rv;
}

static int
compare_unique(const struct drop_msg *a, const char *a_name,
    const struct drop_msg *b, const char *b_name)
{
	size_t n = a->unique < b->unique ? a->unique : b->unique;
	int c;

	if (a->when != b->when)
		return a->when < b->when ? -1 : 1;
	c = memcmp(a_name, b_name, n);
	return c != 0 ? c : (int)a->unique - (int)b->unique;
}

static int
compare(const void *a, const void *b, void *arg)
{
	const struct drop_msg *x = a, *y = b;
	const struct drop *d = arg;
	int c = compare_unique(x, name_of(d, x), y, name_of(d, y));

	return c != 0 ? c : strcmp(name_of(d, x), name_of(d, y));
}

static bool
still_there(const struct drop *d, const struct drop_msg *m)
{
	return faccessat(d->sub[m->in_new], name_of(d, m), F_OK,
		   AT_SYMLINK_NOFOLLOW) == 0;
}

/*
 * Sort; and where two have the same unique part, look: one that was renamed during the pass
 * was seen under both names. Two that are really there get other unique-ids.
 */
static void
settle(struct drop *d)
{
	size_t out = 0, end;

	if (d->n > 0)
		qsort_r(d->msgs, d->n, sizeof(*d->msgs), compare, d);
	for (size_t i = 0; i < d->n; i = end) {
		size_t first = out;

		for (end = i + 1; end < d->n; end++)
			if (compare_unique(&d->msgs[i], name_of(d, &d->msgs[i]),
				&d->msgs[end], name_of(d, &d->msgs[end])) != 0)
				break;
		for (size_t j = i; j < end; j++)
			if (end - i == 1 || still_there(d, &d->msgs[j]))
				d->msgs[out++] = d->msgs[j];
		for (size_t j = first; out - first > 1 && j < out; j++)
			d->msgs[j].clash = true;
	}
	d->n = out;
}

/* A change in the same tick of the file system's clock as the one before it leaves the mtime alone. */
static bool
long_ago(const struct timespec *t)
{
	struct timespec now;

	return clock_gettime(CLOCK_REALTIME_COARSE, &now) == 0 && t->tv_sec < now.tv_sec - OLD_S;
}

static int
mtime(const struct drop *d, int which, struct timespec *t)
{
	struct stat st;

	if (fstat(which == 2 ? d->dir : d->sub[which], &st) == -1)
		return -1;
	*t = st.st_mtim;
	return 0;
}

/* new/ first: what moves to cur/ meanwhile is then seen twice, never missed. */
static int
pass(struct drop *d)
{
	d->old = true;
	for (int which = 0; which < 3; which++) {
		if (mtime(d, which, &d->seen[which]) == -1)
			return -1;
		d->old = d->old && long_ago(&d->seen[which]);
	}
	for (int in_new = 1; in_new >= 0; in_new--)
		if (read_sub(d, in_new == 1) == -1)
			return -1;
	settle(d);
	return 0;
}

static int
open_sub(int dir_fd, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
	int fd = openat(dir_fd, name, flags);

	if (fd != -1 || errno != ENOENT)
		return fd;
	if (mkdirat(dir_fd, name, 0700) == -1 && errno != EEXIST)
		return -1;
	return openat(dir_fd, name, flags);
}

static int
open_subs(struct drop *d)
{
	for (int i = 0; i < 2; i++) {
		d->sub[i] = open_sub(d->dir, sub_names[i]);
		if (d->sub[i] == -1)
			return -1;
	}
	return 0;
}

static void
close_subs(struct drop *d)
{
	for (int i = 0; i < 2; i++) {
		file_close(d->sub[i]);
		d->sub[i] = -1;
	}
}

int
drop_open(struct drop *d, int dir_fd)
{
	*d = (struct drop){ .dir = dir_fd, .sub = { -1, -1 } };
	buf_init(&d->names, NAMES_MAX);
	if (open_subs(d) == 0 && pass(d) == 0)
		return 0;
	drop_close(d);
	return -1;
}

/* All of the list; the directories stay open. */
static void
forget(struct drop *d)
{
	free(d->msgs);
	buf_free(&d->names);
	d->msgs = NULL;
	d->n = d->cap = 0;
	d->old = false;
}

static void
forget_uids(struct drop *d)
{
	free(d->foreign);
	free(d->taken);
	uidl_free(&d->uidl);
	d->foreign = d->taken = NULL;
	d->taken_n = 0;
	d->uids_known = false;
}

void
drop_close(struct drop *d)
{
	file_close(d->dir);
	close_subs(d);
	forget(d);
	forget_uids(d);
	d->dir = -1;
}

/* --- what moved meanwhile ------------------------------------------------- */

static bool
unchanged(const struct drop *d)
{
	struct timespec now;

	for (int i = 0; i < 3; i++)
		if (mtime(d, i, &now) == 0 &&
		    (now.tv_sec != d->seen[i].tv_sec || now.tv_nsec != d->seen[i].tv_nsec))
			return false;
	return true;
}

int
drop_renew(struct drop *d)
{
	if (d->old && unchanged(d)) {
		for (size_t i = 0; i < d->n; i++)
			d->msgs[i].deleted = d->msgs[i].read = false;
		return 0;
	}
	forget(d);
	close_subs(d);
	if (open_subs(d) == 0 && pass(d) == 0)
		return 0;
	drop_close(d);
	return -1;
}

void
drop_rest(struct drop *d)
{
	forget_uids(d);
	if (d->n > DROP_RESTING)
		forget(d);
}

/* Take over the names under which now's messages are found. */
static void
follow(struct drop *d, const struct drop *now)
{
	size_t j = 0;

	for (size_t i = 0; i < d->n; i++) {
		struct drop_msg *m = &d->msgs[i];
		int c = -1;

		while (j < now->n &&
		    (c = compare_unique(&now->msgs[j], name_of(now, &now->msgs[j]),
			 m, name_of(d, m))) < 0)
			j++;
		if (j == now->n || c != 0 || m->clash)
			continue;
		m->in_new = now->msgs[j].in_new;
		m->file = now->msgs[j].file;
		if (strcmp(name_of(now, &now->msgs[j]), name_of(d, m)) == 0)
			continue;
		m->name = (uint32_t)d->names.len;
		buf_add(&d->names, name_of(now, &now->msgs[j]),
		    strlen(name_of(now, &now->msgs[j])) + 1);
	}
}

/* Look again, if anything changed since the last look. 0: names may be new. */
static int
look_again(struct drop *d)
{
	struct drop now = { .dir = d->dir, .sub = { d->sub[0], d->sub[1] } };
	int rv;

	if (unchanged(d) || d->names.len > NAMES_MAX / 2) {
		errno = ENOENT;
		return -1;
	}
	buf_init(&now.names, NAMES_MAX / 4);
	rv = pass(&now);
	if (rv == 0) {
		follow(d, &now);
		memcpy(d->seen, now.seen, sizeof(d->seen));
		d->old = false; /* what has come since the session began is not in the list */
	}
	free(now.msgs);
	buf_free(&now.names);
	return rv;
}

/* --- messages ------------------------------------------------------------- */

/* A regular file and nothing that could block: the directory has said so, mostly. */
static int
open_msg(const struct drop *d, const struct drop_msg *m)
{
	int fd = openat(d->sub[m->in_new], name_of(d, m),
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd != -1 && !m->file && (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))) {
		file_close(fd);
		errno = EINVAL;
		fd = -1;
	}
	return fd;
}

int
drop_read(struct drop *d, size_t i)
{
	int fd = open_msg(d, &d->msgs[i]);

	if (fd == -1 && errno == ENOENT && look_again(d) == 0)
		fd = open_msg(d, &d->msgs[i]);
	return fd;
}

/* Nobody wrote the size into the name: count it, once a session. */
static uint64_t
count(struct drop *d, size_t i)
{
	struct wire_count c = { 0 };
	int fd = drop_read(d, i);
	char *octets;
	ssize_t n;

	if (fd == -1)
		return 0;
	octets = mem_grow(NULL, READ_OCTETS, 1);
	while ((n = read(fd, octets, READ_OCTETS)) > 0)
		wire_count_some(&c, octets, (size_t)n);
	free(octets);
	file_close(fd);
	return wire_count_end(&c);
}

uint64_t
drop_size(struct drop *d, size_t i)
{
	struct drop_msg *m = &d->msgs[i];

	if (!m->sized) {
		m->octets = count(d, i);
		m->sized = true;
	}
	return m->octets;
}

static bool
uid_as_is(const struct drop_msg *m, const char *name)
{
	if (m->clash || m->unique > LIMIT_UIDL)
		return false;
	for (size_t i = 0; i < m->unique; i++)
		if (name[i] < 0x21 || name[i] > 0x7e)
			return false;
	return true;
}

static int
by_octets(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static bool
is_taken(const struct drop *d, const char *uid)
{
	return d->taken_n > 0 && bsearch(&uid, d->taken, d->taken_n, sizeof(*d->taken), by_octets) != NULL;
}

/* One that the file gives to two messages is neither's: they all go, and the messages have their own. */
static void
drop_doubles(struct drop *d)
{
	size_t out = 0, end;

	if (d->taken_n > 0)
		qsort(d->taken, d->taken_n, sizeof(*d->taken), by_octets);
	for (size_t i = 0; i < d->taken_n; i = end) {
		for (end = i + 1; end < d->taken_n && strcmp(d->taken[i], d->taken[end]) == 0; end++)
			continue;
		if (end - i == 1)
			d->taken[out++] = d->taken[i];
	}
	d->taken_n = out;
	for (size_t i = 0; i < d->n; i++)
		if (d->foreign[i] != NULL && !is_taken(d, d->foreign[i]))
			d->foreign[i] = NULL;
}

/* Those of another server, which clients know. */
static void
read_foreign(struct drop *d)
{
	d->uids_known = true;
	if (uidl_read(&d->uidl, d->dir) == -1 || d->uidl.n == 0)
		return;
	d->foreign = mem_alloc(d->n + 1, sizeof(*d->foreign));
	d->taken = mem_alloc(d->n + 1, sizeof(*d->taken));
	for (size_t i = 0; i < d->n; i++) {
		const struct drop_msg *m = &d->msgs[i];

		if (!m->clash)
			d->foreign[i] = uidl_find(&d->uidl, (struct span){ name_of(d, m), m->unique });
		if (d->foreign[i] != NULL)
			d->taken[d->taken_n++] = d->foreign[i];
	}
	drop_doubles(d);
}

void
drop_uid(struct drop *d, size_t i, char out[LIMIT_UIDL + 1])
{
	const struct drop_msg *m = &d->msgs[i];
	const char *name = name_of(d, m);
	uint8_t digest[DIGEST_OCTETS];

	if (!d->uids_known)
		read_foreign(d);
	if (d->foreign != NULL && d->foreign[i] != NULL) {
		strlcpy(out, d->foreign[i], LIMIT_UIDL + 1);
		return;
	}
	if (uid_as_is(m, name)) {
		memcpy(out, name, m->unique);
		out[m->unique] = '\0';
		if (!is_taken(d, out))
			return;
	}
	/* Of a clash the whole name: no later message gets this unique-id. */
	digest_sha256(name, m->clash ? strlen(name) : m->unique, digest);
	digest_hex(digest, sizeof(digest), out);
}

/* --- the end -------------------------------------------------------------- */

/* That somebody has read it is worth no error. */
static void
move_seen(struct drop *d, struct drop_msg *m)
{
	char to[NAME_MAX + 8];
	const char *name = name_of(d, m);

	if (strchr(name, ':') != NULL || strlen(name) + 4 > NAME_MAX)
		return;
	(void)snprintf(to, sizeof(to), "%s:2,S", name);
	(void)renameat(d->sub[1], name, d->sub[0], to);
}

struct commit {
	size_t removed, missing, failed;
	uint64_t octets; /* removed, as their names say */
	bool touched[2];
	int why;
};

static uint64_t
file_octets(const struct drop *d, const struct drop_msg *m)
{
	struct maildir_name name;

	maildir_name_parse(span_of(name_of(d, m)), &name);
	return name.has_size ? name.size : 0;
}

/* One round over what is to be deleted. missing: not under the name we know. */
static void
remove_deleted(struct drop *d, struct commit *c)
{
	c->missing = c->failed = 0;
	for (size_t i = 0; i < d->n; i++) {
		struct drop_msg *m = &d->msgs[i];

		if (!m->deleted || m->gone)
			continue;
		if (unlinkat(d->sub[m->in_new], name_of(d, m), 0) == 0) {
			m->gone = true;
			c->removed++;
			c->octets += file_octets(d, m);
			c->touched[m->in_new] = true;
		} else if (errno == ENOENT)
			c->missing++;
		else {
			c->why = errno;
			c->failed++;
		}
	}
}

size_t
drop_commit(struct drop *d, size_t *removed)
{
	struct commit c = { 0 };

	remove_deleted(d, &c);
	if (c.missing > 0 && look_again(d) == 0)
		remove_deleted(d, &c);
	if (c.removed > 0) /* what goes wrong here is counted anew when the mailbox seems full */
		(void)!quota_note(d->dir, -(int64_t)c.octets, -(int64_t)c.removed);
	c.removed += c.missing; /* somebody else was quicker */
	for (size_t i = 0; i < d->n; i++)
		if (d->msgs[i].read && d->msgs[i].in_new && !d->msgs[i].deleted)
			move_seen(d, &d->msgs[i]);
	for (int i = 0; i < 2; i++) /* else a power cut brings them back */
		if (c.touched[i] && fsync(d->sub[i]) == -1 && errno != EINVAL) {
			c.why = errno;
			c.failed += c.removed;
			c.removed = 0;
		}
	*removed = c.removed;
	errno = c.why;
	return c.failed;
}
