/*
 * instance: where one installation keeps what.
 *
 * Knows names of directories; opens and makes none of them.
 */
#include "lib/store/instance.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"

#define INSIDE "/libexec/posthouse"

char *
instance_path(const char *dir, const char *name)
{
	return mem_fmt("%s/%s", dir, name);
}

/* dir as it is, or below the current directory; without a "/" at the end. */
static char *
absolute(const char *dir)
{
	char here[PATH_MAX];
	char *path;
	size_t n;

	if (dir[0] == '/')
		path = mem_dup(dir);
	else if (getcwd(here, sizeof(here)) == NULL)
		fatal(EX_OSERR, "cannot find the current directory: %s",
		    strerror(errno));
	else if (dir[0] == '\0' || strcmp(dir, ".") == 0)
		path = mem_dup(here);
	else
		path = mem_fmt("%s/%s", strcmp(here, "/") == 0 ? "" : here, dir);
	for (n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	return path;
}

void
instance_open(struct instance *inst, const char *dir)
{
	if (dir == NULL) {
		inst->root = NULL;
		inst->etc = mem_dup(ETC_DIR);
		inst->maps = mem_dup(STATE_DIR "/maps");
		inst->mail = mem_dup(STATE_DIR "/mail");
		inst->spool = mem_dup(STATE_DIR "/spool");
		inst->state = mem_dup(STATE_DIR "/state");
		inst->run = mem_dup(RUN_DIR);
		inst->log = mem_dup(LOG_DIR);
		return;
	}
	inst->root = absolute(dir);
	inst->etc = instance_path(inst->root, "etc");
	inst->maps = instance_path(inst->root, "maps");
	inst->mail = instance_path(inst->root, "mail");
	inst->spool = instance_path(inst->root, "spool");
	inst->state = instance_path(inst->root, "state");
	inst->run = instance_path(inst->root, "run");
	inst->log = instance_path(inst->root, "log");
}

void
instance_close(struct instance *inst)
{
	free(inst->root);
	free(inst->etc);
	free(inst->maps);
	free(inst->mail);
	free(inst->spool);
	free(inst->state);
	free(inst->run);
	free(inst->log);
}

/* Cut the last component off. */
static void
up(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash != NULL)
		*slash = '\0';
}

/* The programs around the executable exe, into dir (PATH_MAX): installed
 * beside it, beside its bin/, or in the stage of a build tree. */
static bool
around(const char *exe, char *dir)
{
	static const char *const shapes[] = { INSIDE, "/stage" INSIDE };
	size_t i, n = strlen(exe), room;

	memcpy(dir, exe, n + 1);
	up(dir);
	n = strlen(dir);
	if (n >= strlen(INSIDE) &&
	    strcmp(dir + n - strlen(INSIDE), INSIDE) == 0)
		return true;
	up(dir);
	n = strlen(dir);
	room = PATH_MAX - n;
	for (i = 0; i < COUNT(shapes); i++) {
		if (strlen(shapes[i]) >= room)
			continue;
		memcpy(dir + n, shapes[i], strlen(shapes[i]) + 1);
		if (access(dir, X_OK) == 0)
			return true;
	}
	return false;
}

const char *
instance_libexec(void)
{
	static char dir[PATH_MAX];
	char exe[PATH_MAX];
	ssize_t n;

	if (dir[0] != '\0')
		return dir;
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n > 0) {
		exe[n] = '\0';
		if (around(exe, dir))
			return dir;
	}
	dir[0] = '\0';
	return LIBEXEC_DIR;
}
