/*
 * maildir: mailboxes on disk.
 *
 * Knows the three directories and the names in them. Never looks into a message,
 * and never leaves the directory it was given.
 */
#include "lib/store/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/sys/file.h"

/* --- names --------------------------------------------------------------- */

void
maildir_name_format(struct buf *out, int64_t arrived_s, const char *id,
    const char *host, uint64_t size, uint64_t wire, const char *key)
{
	buf_addf(out, "%lld.%s.", (long long)arrived_s, id);
	for (; *host != '\0'; host++)
		if (*host == '/' || *host == ':' || *host == ',')
			buf_addf(out, "\\%03o", (unsigned)*host);
		else
			buf_addc(out, *host);
	buf_addf(out, ",S=%llu,W=%llu", (unsigned long long)size,
	    (unsigned long long)wire);
	if (*key != '\0')
		buf_addf(out, ",K=%s", key);
}

static bool
size_field(struct span field, char letter, uint64_t *out)
{
	if (field.len < 3 || field.s[0] != letter || field.s[1] != '=')
		return false;
	field = (struct span){ field.s + 2, field.len - 2 };
	return num_parse(field, UINT64_MAX, out) == 0;
}

/* Where the flags begin: at the last ":2,". */
static size_t
flags_at(struct span name)
{
	size_t i;

	for (i = name.len; i-- > 0;)
		if (name.s[i] == ':')
			return i;
	return name.len;
}

void
maildir_name_parse(struct span name, struct maildir_name *out)
{
	struct span rest, field;
	size_t end = flags_at(name);

	memset(out, 0, sizeof(*out));
	out->flags = SPAN("");
	if (name.len - end > 3 && memcmp(name.s + end, ":2,", 3) == 0)
		out->flags = (struct span){ name.s + end + 3, name.len - end - 3 };
	rest = (struct span){ name.s, end };
	out->unique = rest;
	span_cut(&rest, ',');
	while (rest.s != NULL) {
		const char *at = rest.s;
		bool known = false;

		field = span_cut(&rest, ',');
		if (!out->has_size && size_field(field, 'S', &out->size))
			known = out->has_size = true;
		else if (!out->has_wire && size_field(field, 'W', &out->wire))
			known = out->has_wire = true;
		if (known && (size_t)(at - name.s) - 1 < out->unique.len)
			out->unique.len = (size_t)(at - name.s) - 1;
	}
}

/* --- directories --------------------------------------------------------- */

static int
open_beneath(int root, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/* Make the directory path of n octets, below a parent that is there. */
static int
make_one(int root, const char *path, size_t n)
{
	char *copy = mem_dupn(path, n);
	char *slash = strrchr(copy, '/');
	int rv, parent = root;

	if (slash != NULL) {
		*slash = '\0';
		parent = open_beneath(root, copy);
	}
	rv = parent == -1 ? -1 :
	    mkdirat(parent, slash == NULL ? copy : slash + 1, 0700);
	if (rv == -1 && errno == EEXIST)
		rv = 0;
	if (parent != root)
		file_close(parent);
	free(copy);
	return rv;
}

static int
make_all(int root, const char *path)
{
	size_t i;

	for (i = 1; path[i - 1] != '\0'; i++)
		if ((path[i] == '/' || path[i] == '\0') && path[i - 1] != '/' &&
		    make_one(root, path, i) == -1)
			return -1;
	return 0;
}

static int
make_inside(int dir)
{
	static const char *const names[] = { "tmp", "new", "cur" };
	size_t i;

	for (i = 0; i < COUNT(names); i++)
		if (mkdirat(dir, names[i], 0700) == -1 && errno != EEXIST)
			return -1;
	return 0;
}

int
maildir_open(int mail_root_fd, const char *path)
{
	int fd = open_beneath(mail_root_fd, path);

	if (fd != -1 || errno != ENOENT)
		return fd;
	if (path[0] == '\0' || path[0] == '/') {
		errno = EXDEV;
		return -1;
	}
	if (make_all(mail_root_fd, path) == -1)
		return -1;
	fd = open_beneath(mail_root_fd, path);
	if (fd != -1 && make_inside(fd) == -1) {
		file_close(fd);
		return -1;
	}
	return fd;
}

/* --- delivery ------------------------------------------------------------ */

/* A fresh tmp/ file; what an earlier attempt may have left there goes. */
static int
create_tmp(int dir, const char *tmp)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dir, tmp, flags, 0600);

	if (fd != -1 || errno != EEXIST)
		return fd;
	if (unlinkat(dir, tmp, 0) == -1 && errno != ENOENT)
		return -1;
	return openat(dir, tmp, flags, 0600);
}

/* By the book: write to tmp/, sync, rename to new/, sync new/. */
static int
copy_in(int dir, int msg_fd, const char *tmp, const char *name)
{
	int rv = -1, fd = create_tmp(dir, tmp);

	if (fd == -1)
		return -1;
	if (file_copy(msg_fd, fd) == -1 || fsync(fd) == -1)
		goto out;
	if (renameat(dir, tmp, dir, name) == -1)
		goto out;
	rv = file_sync_dir_at(dir, "new");
	if (rv == -1) { /* not durable, so it is not delivered */
		int keep = errno;

		(void)unlinkat(dir, name, 0);
		errno = keep;
	}
out:
	file_close(fd);
	if (rv == -1) {
		int keep = errno;

		(void)unlinkat(dir, tmp, 0);
		errno = keep;
	}
	return rv;
}

/* Linking is not possible here, though a copy may be. */
static bool
must_copy(int error)
{
	return error == EXDEV || error == EPERM || error == EMLINK ||
	    error == EACCES || error == EOPNOTSUPP;
}

int
maildir_deliver(int dir_fd, int msg_fd, const char *name, bool *copied)
{
	char tmp[NAME_MAX + 8], new[NAME_MAX + 8];
	int rv;

	*copied = false;
	if (strlen(name) > NAME_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	(void)snprintf(new, sizeof(new), "new/%s", name);
	(void)snprintf(tmp, sizeof(tmp), "tmp/%s", name);
	rv = file_link_fd(msg_fd, dir_fd, new);
	if (rv == -1 && errno == ENOENT && make_inside(dir_fd) == 0)
		rv = file_link_fd(msg_fd, dir_fd, new);
	if (rv == 0 || errno == EEXIST)
		return 0;
	if (!must_copy(errno))
		return -1;
	*copied = true;
	if (faccessat(dir_fd, new, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return copy_in(dir_fd, msg_fd, tmp, new);
}

/* --- keys ---------------------------------------------------------------- */

/* In a file's name; its length is 0 when there is none. */
static struct span
key_of(const char *name)
{
	struct span rest = { name, flags_at(span_of(name)) };

	span_cut(&rest, ',');
	while (rest.s != NULL) {
		struct span field = span_cut(&rest, ',');

		if (field.len > 2 && memcmp(field.s, "K=", 2) == 0)
			return (struct span){ field.s + 2, field.len - 2 };
	}
	return SPAN("");
}

static DIR *
open_dir(int dir_fd, const char *sub)
{
	int fd = openat(dir_fd, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);

	if (d == NULL)
		file_close(fd);
	return d;
}

static int
find_key_in(int dir_fd, const char *sub, const char *key)
{
	DIR *d = open_dir(dir_fd, sub);
	struct dirent *e;
	int found = -1;

	if (d == NULL)
		return -1;
	errno = 0;
	while (found == -1 && (e = readdir(d)) != NULL)
		if (span_is(key_of(e->d_name), key))
			found = openat(dirfd(d), e->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (found == -1 && errno == 0)
		errno = ENOENT;
	closedir(d);
	return found;
}

/* FNV-1a: what two keys share is looked at again. */
static uint64_t
hash_of(struct span key)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < key.len; i++)
		h = (h ^ (unsigned char)key.s[i]) * UINT64_C(1099511628211);
	return h;
}

static int
by_hash(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int
read_keys_in(struct maildir_keys *k, int dir_fd, const char *sub)
{
	DIR *d = open_dir(dir_fd, sub);
	struct dirent *e;

	if (d == NULL)
		return -1;
	while ((e = readdir(d)) != NULL) {
		struct span key = key_of(e->d_name);

		if (key.len == 0)
			continue;
		if (k->n == k->room) {
			k->room = k->room == 0 ? 1024 : k->room * 2;
			k->v = mem_grow(k->v, k->room, sizeof(*k->v));
		}
		k->v[k->n++] = hash_of(key);
	}
	closedir(d);
	return 0;
}

int
maildir_keys_read(struct maildir_keys *k, int dir_fd)
{
	k->n = 0;
	if (read_keys_in(k, dir_fd, "new") == -1 || read_keys_in(k, dir_fd, "cur") == -1) {
		k->n = 0;
		return -1;
	}
	if (k->n > 1)
		qsort(k->v, k->n, sizeof(*k->v), by_hash);
	return 0;
}

bool
maildir_keys_may_have(const struct maildir_keys *k, const char *key)
{
	uint64_t hash = hash_of(span_of(key));

	return k->n > 0 && bsearch(&hash, k->v, k->n, sizeof(*k->v), by_hash) != NULL;
}

void
maildir_keys_free(struct maildir_keys *k)
{
	free(k->v);
	*k = (struct maildir_keys){ 0 };
}

/* First new/, then cur/: that way messages move. */
int
maildir_find_key(int dir_fd, const char *key)
{
	int fd = find_key_in(dir_fd, "new", key);

	if (fd == -1 && errno == ENOENT)
		fd = find_key_in(dir_fd, "cur", key);
	return fd;
}
