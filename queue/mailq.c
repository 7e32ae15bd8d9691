/*
 * mailq: the queue, under the name that people know. All it does is become
 * `posthouse queue list`; options that other mailqs have are let go.
 */
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "queue/handover.h"

int
main(int argc, char *argv[])
{
	const char *dir = NULL;
	int c;

	while ((c = getopt(argc, argv, "+A:C:qv")) != -1) {
		if (c == 'C')
			dir = optarg;
		else if (c == '?') {
			fputs("usage: mailq [-C DIR] [ARGUMENT ...]\n", stderr);
			return EX_USAGE;
		}
	}
	handover_mailq(dir, argv + optind);
}
