/*
 * options: what all command lines have in common.
 */
#include "lib/base/options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

void
options_usage(const char *text, int code)
{
	(void)fputs(text, code == 0 ? stdout : stderr);
	exit(code);
}

void
options_refuse(const char *verb, int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)fprintf(stderr, "posthouse %s: ", verb);
	(void)vfprintf(stderr, format, ap);
	(void)fputc('\n', stderr);
	va_end(ap);
	exit(code);
}

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
			options_usage(usage, 0);
		} else {
			options_usage(usage, EX_USAGE);
		}
	}
	if (optind < argc)
		options_usage(usage, EX_USAGE);
	return dir;
}
