/*
 * backup: a consistent copy of an instance while it runs.
 *
 *     posthouse [-C DIR] backup TARGET
 *
 * TARGET becomes an instance root of its own. What makes it consistent is the order, since
 * messages only ever move one way (provider → spool → mailbox): state first, then the spool,
 * then the mail. A message that moves meanwhile is copied at both places, never at none: a
 * queued copy whose delivery is in the mailbox already is recognised there by its name.
 * Inside a spool and a maildir the same holds: envelopes before messages, new/ before cur/.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/store/conf.h"
#include "lib/store/instance.h"
#include "lib/store/map.h"
#include "lib/store/state.h"
#include "lib/store/words.h"
#include "lib/sys/file.h"

struct backup {
	struct instance house;
	const char *target;
	int target_fd;
	uint64_t files, octets;
};

static const char usage[] = "usage: posthouse [-C DIR] backup TARGET\n"
			    "Copy the instance, while it runs, into the new directory TARGET.\n";

/* env, new, cur, then everything else: see above. */
static int
rank(const char *name)
{
	static const char *const order[] = { "env", "new", "cur" };

	for (int i = 0; i < (int)COUNT(order); i++)
		if (strcmp(name, order[i]) == 0)
			return i;
	return (int)COUNT(order);
}

static int
by_rank(const FTSENT **a, const FTSENT **b)
{
	int difference = rank((*a)->fts_name) - rank((*b)->fts_name);

	return difference != 0 ? difference : strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Owner (as root), mode and times as they are: an envelope's mtime is its next attempt. */
static int
keep_marks(int fd, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (geteuid() == 0 && fchown(fd, st->st_uid, st->st_gid) == -1)
		return -1;
	if (fchmod(fd, st->st_mode & 07777) == -1)
		return -1;
	return futimens(fd, times);
}

static bool
ends_in(const char *name, const char *tail)
{
	size_t n = strlen(name), m = strlen(tail);

	return n >= m && strcmp(name + n - m, tail) == 0;
}

/* A file that is gone meanwhile has moved on: it is copied where it went. */
static void
copy_file(struct backup *b, const char *from, const char *to)
{
	int in, out;
	struct stat st;

	in = open(from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (in == -1 && errno == ENOENT)
		return;
	if (in == -1 || fstat(in, &st) == -1)
		fatal(EX_NOINPUT, "cannot read %s: %s", from, strerror(errno));
	out = openat(b->target_fd, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out == -1 || file_copy(in, out) == -1 || keep_marks(out, &st) == -1)
		fatal(EX_CANTCREAT, "cannot write %s/%s: %s", b->target, to, strerror(errno));
	file_close(in);
	file_close(out);
	b->files++;
	b->octets += (uint64_t)st.st_size;
}

/* SQLite's own copy: its -wal file belongs to the database. */
static void
copy_database(struct backup *b, const char *from, const char *to, const struct stat *st)
{
	struct buf why = BUF_INIT(1024);
	char *path = instance_path(b->target, to);
	int fd;

	if (state_copy(from, path, &why) == -1)
		fatal(EX_SOFTWARE, "cannot copy %s: %s", from, buf_str(&why));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd == -1 || keep_marks(fd, st) == -1)
		fatal(EX_CANTCREAT, "cannot write %s: %s", path, strerror(errno));
	file_close(fd);
	free(path);
	buf_free(&why);
	b->files++;
}

static void
copy_link(struct backup *b, const char *from, const char *to)
{
	char value[4096];
	ssize_t n = readlink(from, value, sizeof(value) - 1);

	if (n == -1)
		fatal(EX_NOINPUT, "cannot read %s: %s", from, strerror(errno));
	value[n] = '\0';
	if (symlinkat(value, b->target_fd, to) == -1)
		fatal(EX_CANTCREAT, "cannot write %s/%s: %s", b->target, to, strerror(errno));
}

static void
end_directory(struct backup *b, const char *to, const struct stat *st)
{
	int fd = openat(b->target_fd, to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1 || keep_marks(fd, st) == -1)
		fatal(EX_CANTCREAT, "cannot write %s/%s: %s", b->target, to, strerror(errno));
	file_close(fd);
}

static void
copy_entry(struct backup *b, const FTSENT *e, const char *to)
{
	const char *from = e->fts_path;

	switch (e->fts_info) {
	case FTS_D:
		if (file_mkdirs_at(b->target_fd, to, 0700) == -1)
			fatal(EX_CANTCREAT, "cannot make %s/%s: %s", b->target, to, strerror(errno));
		break;
	case FTS_DP:
		end_directory(b, to, e->fts_statp);
		break;
	case FTS_F:
		if (ends_in(from, ".db"))
			copy_database(b, from, to, e->fts_statp);
		else if (!ends_in(from, ".db-wal") && !ends_in(from, ".db-shm"))
			copy_file(b, from, to);
		break;
	case FTS_SL:
		copy_link(b, from, to);
		break;
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		if (e->fts_errno != ENOENT)
			fatal(EX_NOINPUT, "cannot read %s: %s", from, strerror(e->fts_errno));
		break;
	default: /* sockets and the like are made anew by start */
		break;
	}
}

/* The tree at from becomes TARGET/to. */
static void
copy_tree(struct backup *b, const char *from, const char *to)
{
	char *roots[] = { mem_dup(from), NULL };
	size_t skip = strlen(from);
	uint64_t files = b->files, octets = b->octets;
	FTSENT *e;
	FTS *walk;

	if (access(from, F_OK) == -1 && errno == ENOENT) {
		free(roots[0]);
		return;
	}
	walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_rank);
	if (walk == NULL)
		fatal(EX_NOINPUT, "cannot read %s: %s", from, strerror(errno));
	while ((e = fts_read(walk)) != NULL) {
		char *name = mem_fmt("%s%s", to, e->fts_path + skip);

		copy_entry(b, e, name);
		free(name);
	}
	fts_close(walk);
	free(roots[0]);
	printf("%-8s %8llu files %12llu octets\n", to, (unsigned long long)(b->files - files),
	    (unsigned long long)(b->octets - octets));
}

static bool
has(int dir_fd, const char *directory, const char *id)
{
	char *path = mem_fmt("spool/%s/%s", directory, id);
	bool there = faccessat(dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;

	free(path);
	return there;
}

static void
forget(struct backup *b, const char *directory, const char *id)
{
	char *path = mem_fmt("spool/%s/%s", directory, id);

	if (unlinkat(b->target_fd, path, 0) == -1 && errno != ENOENT)
		fatal(EX_CANTCREAT, "cannot remove %s/%s: %s", b->target, path, strerror(errno));
	free(path);
}

/* What moved on while it was copied stands in the spool twice, or as an envelope alone. */
static void
settle_spool(struct backup *b)
{
	int fd = openat(b->target_fd, "spool/env", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (has(b->target_fd, "cur", e->d_name))
			forget(b, "new", e->d_name);
		else if (!has(b->target_fd, "new", e->d_name))
			forget(b, "env", e->d_name);
	}
	if (dir != NULL)
		closedir(dir);
}

/* What start fills anew: only the directory, with its owner and mode. */
static void
empty_directory(struct backup *b, const char *from, const char *to)
{
	struct stat st;

	if (stat(from, &st) == -1 || mkdirat(b->target_fd, to, 0700) == -1)
		fatal(EX_CANTCREAT, "cannot make %s/%s like %s: %s", b->target, to, from, strerror(errno));
	end_directory(b, to, &st);
}

/* A domain with a mail_root of its own lies outside the house. */
static int
copy_outside(void *arg, struct span key, const struct map_entry *entry)
{
	struct backup *b = arg;
	struct arena *arena = arena_new();
	struct buf why = BUF_INIT(256);
	struct words words;
	const struct span *root;

	if (words_parse(entry->value, arena, &words, &why) == 0 &&
	    (root = words_get(&words, "mail_root")) != NULL) {
		char *from = mem_dupn(root->s, root->len);
		char *to = mem_fmt("outside/%.*s", (int)key.len, key.s);

		copy_tree(b, from, to);
		free(from);
		free(to);
	}
	arena_free(arena);
	buf_free(&why);
	return 0;
}

static void
copy_house(struct backup *b)
{
	struct buf why = BUF_INIT(1024);
	struct generation *maps;
	struct conf conf;

	conf_load(&conf, &b->house);
	copy_tree(b, b->house.etc, "etc");
	copy_tree(b, b->house.maps, "maps");
	copy_tree(b, b->house.state, "state");
	copy_tree(b, b->house.spool, "spool");
	settle_spool(b);
	copy_tree(b, conf.mail_root, "mail");
	empty_directory(b, b->house.run, "run");
	empty_directory(b, b->house.log, "log");
	maps = generation_open(b->house.maps, 1u << MAP_DOMAINS, &why);
	if (maps == NULL || map_each(maps, MAP_DOMAINS, copy_outside, b) == -1)
		fatal(EX_CONFIG, "cannot read the domains map: %s", buf_str(&why));
	generation_close(maps);
	conf_free(&conf);
	buf_free(&why);
}

static void
open_target(struct backup *b)
{
	if (mkdir(b->target, 0755) == -1)
		fatal(EX_CANTCREAT, "cannot make %s: %s", b->target, strerror(errno));
	b->target_fd = open(b->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->target_fd == -1 || fchmod(b->target_fd, 0755) == -1) /* every service's uid passes through */
		fatal(EX_CANTCREAT, "cannot open %s: %s", b->target, strerror(errno));
}

static void
read_options(struct backup *b, int argc, char *argv[])
{
	const char *dir = NULL;
	int c;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		exit(0);
	}
	while ((c = getopt(argc, argv, "+C:")) != -1)
		if (c == 'C')
			dir = optarg;
		else
			exit(EX_USAGE);
	if (argc - optind != 1) {
		fputs(usage, stderr);
		exit(EX_USAGE);
	}
	instance_open(&b->house, dir);
	b->target = argv[optind];
}

int
main(int argc, char *argv[])
{
	struct backup b = { 0 };

	log_open("backup");
	umask(077);
	read_options(&b, argc, argv);
	open_target(&b);
	copy_house(&b);
	if (syncfs(b.target_fd) == -1)
		fatal(EX_IOERR, "cannot write %s to the disk: %s", b.target, strerror(errno));
	printf("%-8s %8llu files %12llu octets in %s\n", "all", (unsigned long long)b.files,
	    (unsigned long long)b.octets, b.target);
	return 0;
}
