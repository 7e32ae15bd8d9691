/*
 * options: the command line of a program that people do not type.
 */
#include "lib/base/options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

const char *
options_dir(int argc, char *argv[], const char *usage)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *dir = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "C:h", options, NULL)) != -1) {
		if (c == 'C') {
			dir = optarg;
		} else if (c == 'h') {
			fputs(usage, stdout);
			exit(0);
		} else {
			fputs(usage, stderr);
			exit(EX_USAGE);
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		exit(EX_USAGE);
	}
	return dir;
}
