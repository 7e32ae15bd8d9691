/*
 * purge: a maildir goes, with all in it. Done by a process with the rights of the
 * mailboxes' owner: as root nothing is removed in directories that somebody else can change.
 */
#include "auth/purge.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth/boxes.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"

#define DEPTH_MAX 8 /* a maildir has 2, one with subfolders and their things few more */

static bool remove_tree(int dir_fd, const char *name, int depth);

static bool
remove_inside(int fd, int depth)
{
	DIR *dir = fdopendir(fd);
	struct dirent *e;
	bool all = true;

	if (dir == NULL) {
		file_close(fd);
		return false;
	}
	while ((e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			all = remove_tree(fd, e->d_name, depth + 1) && all;
	closedir(dir);
	return all;
}

static bool
remove_tree(int dir_fd, const char *name, int depth)
{
	int fd;

	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return true;
	if ((errno != EISDIR && errno != EPERM) || depth > DEPTH_MAX)
		return false;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd != -1 && remove_inside(fd, depth) &&
	    unlinkat(dir_fd, name, AT_REMOVEDIR) == 0;
}

bool
purge_directory(const char *path)
{
	char *parent = mem_dup(path), *slash = strrchr(parent, '/');
	bool done = false;
	int fd;

	if (slash != NULL && slash != parent && slash[1] != '\0') {
		*slash = '\0';
		fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		done = fd == -1 ? errno == ENOENT : remove_tree(fd, slash + 1, 0);
		file_close(fd);
	}
	free(parent);
	return done;
}

static int
be_purger(const struct instance *inst, const char *address, int fd)
{
	struct boxes boxes;
	struct conf conf;
	char go;

	conf_load(&conf, inst);
	if (!boxes_read_one(&boxes, inst, &conf, address))
		return EX_NOUSER;
	if (write(fd, "!", 1) != 1 || read(fd, &go, 1) != 1)
		return EX_OK; /* called off */
	return purge_directory(boxes.box[0].maildir) ? EX_OK : EX_IOERR;
}

void
purge_begin(struct purge *p, const struct instance *inst, const char *address)
{
	int pair[2];
	char found;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		fatal(EX_OSERR, "cannot make a socketpair: %s", strerror(errno));
	p->pid = fork();
	if (p->pid == -1)
		fatal(EX_OSERR, "cannot fork: %s", strerror(errno));
	if (p->pid == 0) {
		file_close(pair[0]);
		_exit(be_purger(inst, address, pair[1]));
	}
	file_close(pair[1]);
	p->fd = pair[0];
	if (read(p->fd, &found, 1) != 1)
		fatal(EX_CONFIG, "cannot find the mailbox of %s in the maps in force", address);
}

bool
purge_finish(struct purge *p)
{
	int status = 0;
	bool told = write(p->fd, "!", 1) == 1;

	file_close(p->fd);
	while (waitpid(p->pid, &status, 0) == -1)
		if (errno != EINTR)
			return false;
	return told && WIFEXITED(status) && WEXITSTATUS(status) == EX_OK;
}
