/*
 * posthouse rollback: put the generation before the current one in force.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/log.h"
#include "lib/base/options.h"
#include "lib/sys/file.h"
#include "router/compile.h"

static const char usage_text[] =
    "usage: posthouse [-C DIR] rollback\n\n"
    "  Puts the generation of maps before the current one in force. The text in etc/\n"
    "  stays as it is: mend it, then posthouse compile.\n";

int
main(int argc, char *argv[])
{
	struct buf why = BUF_INIT(500);
	struct instance inst;
	char *name = NULL;
	int lock, maps_fd;

	log_open("rollback");
	instance_open(&inst, options_dir(argc, argv, usage_text));
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
