/*
 * posthouse rollback: put the generation before the current one in force.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "router/compile.h"

static const char usage_text[] =
    "usage: posthouse [-C DIR] rollback\n\n"
    "  Puts the generation of maps before the current one in force. The text in etc/\n"
    "  stays as it is: mend it, then posthouse compile.\n";

int
main(int argc, char *argv[])
{
	static const struct option names[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct buf why = BUF_INIT(500);
	const char *dir = NULL;
	struct instance inst;
	char *name = NULL;
	int c, lock, maps_fd;

	log_open("rollback");
	while ((c = getopt_long(argc, argv, "C:", names, NULL)) != -1)
		if (c == 'C')
			dir = optarg;
		else {
			(void)fputs(usage_text, c == 'h' ? stdout : stderr);
			return c == 'h' ? EX_OK : EX_USAGE;
		}
	if (optind != argc) {
		(void)fputs(usage_text, stderr);
		return EX_USAGE;
	}
	instance_open(&inst, dir);
	maps_fd = open(inst.maps, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (maps_fd == -1)
		fatal(EX_NOINPUT, "cannot open %s: %s", inst.maps,
		    strerror(errno));
	lock = generations_lock(maps_fd, &why);
	if (lock != -1)
		name = generations_back(maps_fd, &why);
	if (name == NULL)
		fatal(EX_UNAVAILABLE, "cannot roll back: %s", buf_str(&why));
	(void)printf("generation %s is in force\n", name);
	free(name);
	file_close(lock);
	file_close(maps_fd);
	instance_close(&inst);
	buf_free(&why);
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}
