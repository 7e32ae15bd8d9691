/*
 * compile: text maps become a generation of tables, all or nothing.
 *
 * Works in a directory of its own until nothing is wrong; a program that reads
 * maps never sees it before (generations.c).
 */
#include "router/compile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/sys/file.h"

/* A scratch directory, for a check that shall change nothing. */
static char *
scratch(struct buf *why)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = mem_fmt("%s/posthouse-check.XXXXXX", tmp != NULL &&
	    tmp[0] == '/' ? tmp : "/tmp");

	if (mkdtemp(dir) != NULL)
		return dir;
	buf_addf(why, "cannot make a directory in %s: %s", dir,
	    strerror(errno));
	free(dir);
	return NULL;
}

static void
name_files(struct compile *c)
{
	size_t i;

	for (i = 0; i < MAP_COUNT; i++)
		c->files[i] = instance_path(c->inst->etc, map_names[i]);
	c->conf_file = instance_path(c->inst->etc, "posthouse.conf");
}

static void
forget(struct compile *c)
{
	size_t i;

	for (i = 0; i < MAP_COUNT; i++)
		free(c->files[i]);
	free(c->conf_file);
	free(c->default_domain);
	free(c->postmaster_domain);
	free(c->where);
	free(c->name);
	conf_free(&c->conf);
	file_close(c->dir_fd);
}

/* Everything into the directory name in parent. 0: and nothing is wrong. */
static int
build_in(struct compile *c, int parent, const char *where, const char *name,
    unsigned long counts[MAP_COUNT])
{
	unsigned long errors = c->report->errors;

	c->where = mem_dup(where);
	c->name = mem_dup(name);
	c->dir_fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	name_files(c);
	if (c->dir_fd == -1)
		report_error(c->report, name, 0, "cannot open: %s",
		    strerror(errno));
	else {
		build_conf(c);
		build_maps(c);
		check_maps(c);
	}
	memcpy(counts, c->counts, sizeof(c->counts));
	forget(c);
	return c->report->errors == errors ? 0 : -1;
}

static int
check_only_in(const struct instance *inst, struct report *report,
    unsigned long counts[MAP_COUNT])
{
	struct compile c = { .inst = inst, .report = report };
	struct buf why = BUF_INIT(500);
	char *dir = scratch(&why);
	int rv = -1, fd = -1;

	if (dir == NULL)
		report_error(report, inst->etc, 0, "%s", buf_str(&why));
	else {
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (mkdirat(fd, "check", 0700) == 0)
			rv = build_in(&c, fd, dir, "check", counts);
		else
			report_error(report, dir, 0, "cannot be used: %s",
			    strerror(errno));
		generations_remove(fd, "check");
		file_close(fd);
		(void)rmdir(dir);
	}
	free(dir);
	buf_free(&why);
	return rv;
}

static int
publish_in(const struct instance *inst, int maps_fd, struct report *report,
    char **out, unsigned long counts[MAP_COUNT], struct buf *why)
{
	struct compile c = { .inst = inst, .report = report };
	char *tmp = generations_begin(maps_fd, why), *name = NULL;
	int rv = -1;

	if (tmp == NULL)
		return -1;
	if (build_in(&c, maps_fd, inst->maps, tmp, counts) == 0)
		name = generations_publish(maps_fd, tmp, why);
	else
		generations_remove(maps_fd, tmp);
	if (name != NULL)
		rv = 0;
	if (out != NULL)
		*out = name;
	else
		free(name);
	free(tmp);
	return rv;
}

int
compile_maps(const struct instance *inst, bool check_only,
    struct report *report, char **name, unsigned long counts[MAP_COUNT])
{
	struct buf why = BUF_INIT(500);
	int rv = -1, maps_fd, lock;

	if (name != NULL)
		*name = NULL;
	if (access(inst->etc, R_OK | X_OK) == -1) {
		report_error(report, inst->etc, 0, "cannot read: %s; posthouse "
		    "setup makes an instance", strerror(errno));
		return -1;
	}
	if (check_only)
		return check_only_in(inst, report, counts);
	if (mkdir(inst->maps, 0755) == -1 && errno != EEXIST)
		buf_addf(&why, "cannot make: %s; ", strerror(errno));
	maps_fd = open(inst->maps, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	lock = maps_fd == -1 ? -1 : generations_lock(maps_fd, &why);
	if (maps_fd == -1)
		buf_addf(&why, "cannot open: %s", strerror(errno));
	if (lock != -1)
		rv = publish_in(inst, maps_fd, report, name, counts, &why);
	if (why.len > 0)
		report_error(report, inst->maps, 0, "%s", buf_str(&why));
	file_close(lock);
	file_close(maps_fd);
	buf_free(&why);
	return rv;
}
