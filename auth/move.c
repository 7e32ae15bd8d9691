/*
 * move: a mailbox gets another directory.
 *
 * First every message gets its name in the new directory too, then the maps name that, then
 * comes what arrived meanwhile, then the old directory goes: at no time is a message
 * nowhere. A process that is the mailboxes' owner works on the directories, the one
 * that may change the maps has it done by posthouse user.
 */
#include "auth/move.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth/boxes.h"
#include "auth/purge.h"
#include "lib/base/log.h"
#include "lib/store/maildir.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"

#define DEPTH_MAX 8        /* a maildir has 2 */
#define SETTLE_MS 5000     /* then nobody delivers by the old maps any more */
#define EDIT_S 660         /* posthouse user compiles */

struct names {
	char **name;
	size_t n, cap;
};
struct mover {
	int from, to;          /* the maildirs; -1 */
	struct names seen;     /* what the first time found, without flags; sorted then */
	bool again;            /* the second time: what was seen may have been read or deleted since */
	uint64_t files;
};

/* --- names ---------------------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* The first time: remember it. The second time: was it there the first time? */
static bool
seen_before(struct mover *m, const char *file)
{
	char *name = mem_dupn(file, strcspn(file, ":"));
	bool known;

	if (m->again) {
		known = m->seen.n > 0 &&
		    bsearch(&name, m->seen.name, m->seen.n, sizeof(char *), by_name) != NULL;
		free(name);
		return known;
	}
	if (m->seen.n == m->seen.cap) {
		m->seen.cap = m->seen.cap == 0 ? 256 : m->seen.cap * 2;
		m->seen.name = mem_grow(m->seen.name, m->seen.cap, sizeof(char *));
	}
	m->seen.name[m->seen.n++] = name;
	return false;
}

/* --- files ---------------------------------------------------------------- */

/* Another file system: the octets, the time, and both on disk. */
static int
copy_file(int from_dir, int to_dir, const char *name)
{
	int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), rv = -1;
	bool linkable = false;
	int to = from == -1 ? -1 : file_unnamed_at(to_dir, 0600, &linkable);
	struct stat st;

	if (to != -1 && linkable && fstat(from, &st) == 0 && file_copy(from, to) == 0) {
		const struct timespec times[2] = { st.st_atim, st.st_mtim };

		if (futimens(to, times) == 0 && fsync(to) == 0)
			rv = file_link_fd(to, to_dir, name);
	}
	file_close(from);
	file_close(to);
	return rv;
}

/* 0 also when it is there already, or has just gone. */
static int
move_file(struct mover *m, int from_dir, int to_dir, const char *name)
{
	int rv;

	if (seen_before(m, name))
		return 0;
	rv = linkat(from_dir, name, to_dir, name, 0);
	if (rv == -1 && (errno == EXDEV || errno == EPERM || errno == EMLINK))
		rv = copy_file(from_dir, to_dir, name);
	if (rv == 0)
		m->files++;
	return rv == 0 || errno == EEXIST || errno == ENOENT ? 0 : -1;
}

static int move_directory(struct mover *, int from, int to, int depth);

static int
move_entry(struct mover *m, int from, int to, const char *name, int depth)
{
	struct stat st;
	int sub_from, sub_to, rv = -1;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISDIR(st.st_mode))
		return S_ISREG(st.st_mode) ? move_file(m, from, to, name) : 0;
	if (mkdirat(to, name, 0700) == -1 && errno != EEXIST)
		return -1;
	if (strcmp(name, "tmp") == 0) /* deliveries under way, which end where they began */
		return 0;
	sub_from = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	sub_to = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub_from != -1 && sub_to != -1)
		rv = move_directory(m, sub_from, sub_to, depth + 1);
	file_close(sub_from);
	file_close(sub_to);
	return rv;
}

static int
move_directory(struct mover *m, int from, int to, int depth)
{
	int fd = fcntl(from, F_DUPFD_CLOEXEC, 0), rv = 0;
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (dir == NULL || depth > DEPTH_MAX) {
		if (dir != NULL)
			closedir(dir);
		return -1;
	}
	rewinddir(dir);
	while (rv == 0 && (e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rv = move_entry(m, from, to, e->d_name, depth);
	closedir(dir);
	return rv == 0 ? fsync(to) : -1;
}

/* --- the process that owns the mailboxes ---------------------------------- */

static int
say(const char *what, const char *path)
{
	(void)fprintf(stderr, "posthouse mailbox: %s %s: %s\n", what, path, strerror(errno));
	return EX_CANTCREAT;
}

/* Below the mail root, and neither the old place nor in it. */
static bool
fits(const struct box *b, const char *path, const char *full)
{
	struct span rest = span_of(path), part;
	size_t n = strlen(b->maildir);

	if (strncmp(full, b->maildir, n) == 0 && (full[n] == '\0' || full[n] == '/'))
		return false;
	while (rest.s != NULL) {
		part = span_cut(&rest, '/');
		if (part.len == 0 || span_is(part, ".") || span_is(part, ".."))
			return false;
	}
	return true;
}

/* A place for it that nobody uses: the directory may be there, but empty. */
static int
open_new(const char *root, const char *path, const char *full)
{
	int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;

	if (rmdir(full) == -1 && errno != ENOENT)
		(void)say("cannot use", full);
	else if (root_fd == -1 || (fd = maildir_open(root_fd, path)) == -1)
		(void)say("cannot make", full);
	file_close(root_fd);
	return fd;
}

/* No mail yet: nobody made it. */
static int
open_old(const char *maildir, int *fd)
{
	*fd = open(maildir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd == -1 && errno != ENOENT ? -1 : 0;
}

/* What came until the maps changed, and then the old directory. */
static int
finish(struct mover *m, const struct box *b)
{
	(void)poll(NULL, 0, SETTLE_MS);
	if (m->seen.n > 0)
		qsort(m->seen.name, m->seen.n, sizeof(char *), by_name);
	m->again = true;
	if (m->from == -1 && open_old(b->maildir, &m->from) == -1)
		return say("moved, but cannot open", b->maildir);
	if (m->from != -1 && move_directory(m, m->from, m->to, 0) == -1)
		return say("moved, but cannot copy what came last to", b->maildir);
	if (m->from != -1 && !purge_directory(b->maildir))
		return say("moved, but cannot remove", b->maildir);
	return EX_OK;
}

static int
work(struct mover *m, const struct box *b, const char *path, int fd)
{
	char *full = mem_fmt("%s/%s", b->root, path), go;
	int rv = EX_CANTCREAT;

	if (!fits(b, path, full))
		(void)fprintf(stderr, "posthouse mailbox: %s is no other directory below %s: write "
		    "it without / in front and without ..\n", path, b->root);
	else if ((m->to = open_new(b->root, path, full)) == -1)
		;
	else if (open_old(b->maildir, &m->from) == -1)
		(void)say("cannot open", b->maildir);
	else if (m->from != -1 && move_directory(m, m->from, m->to, 0) == -1)
		(void)say("cannot copy", b->maildir);
	else if (write(fd, "!", 1) == 1 && read(fd, &go, 1) == 1)
		rv = finish(m, b);
	else
		rv = EX_DATAERR; /* the maps are as they were */
	if (m->to != -1 && !m->again)
		(void)!purge_directory(full);
	free(full);
	return rv;
}

static int
be_mover(const struct instance *inst, const struct conf *conf, const char *address,
    const char *path, int fd)
{
	struct mover m = { .from = -1, .to = -1 };
	struct boxes boxes;
	int rv;

	if (!boxes_read_one(&boxes, inst, conf, address)) {
		(void)fprintf(stderr, "posthouse mailbox: %s: no such user\n", address);
		return EX_NOUSER;
	}
	rv = work(&m, &boxes.box[0], path, fd);
	if (rv == EX_OK)
		printf("%s: the mail is in %s/%s now, %llu files\n", boxes.box[0].address,
		    boxes.box[0].root, path, (unsigned long long)m.files);
	return fflush(stdout) == 0 ? rv : EX_IOERR;
}

/* --- the process that may change the maps --------------------------------- */

static bool
change_maps(const struct instance *inst, const char *address, const char *path)
{
	char *program = instance_path(instance_libexec(), "user");
	char *who = mem_dup(address), *where = mem_dup(path);
	char in[] = "-C", set[] = "set", maildir[] = "--maildir";
	char *argv[] = { program, set, who, maildir, where, inst->root == NULL ? NULL : in,
		inst->root, NULL };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int status = null == -1 ? -1 : proc_run(argv, null, EDIT_S);

	file_close(null);
	free(program);
	free(who);
	free(where);
	return status == 0;
}

int
move_mailbox(const struct instance *inst, const struct conf *conf, const char *address,
    const char *path)
{
	int pair[2], status = 0;
	char ready;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1 || (pid = fork()) == -1)
		fatal(EX_OSERR, "cannot start a process: %s", strerror(errno));
	if (pid == 0) {
		file_close(pair[0]);
		_exit(be_mover(inst, conf, address, path, pair[1]));
	}
	file_close(pair[1]);
	if (read(pair[0], &ready, 1) == 1 && change_maps(inst, address, path))
		(void)!write(pair[0], "!", 1);
	file_close(pair[0]);
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return EX_OSERR;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}
