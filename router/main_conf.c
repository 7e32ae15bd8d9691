/*
 * posthouse conf: the settings in force, defaults included.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/log.h"
#include "lib/store/conf.h"

static const char usage_text[] =
    "usage: posthouse [-C DIR] conf [NAME ...]\n\n"
    "  Prints the settings in force with their defaults: all, or these alone (their\n"
    "  values only). posthouse.conf(5) explains each.\n";

/* The value of NAME in "name = value" lines. */
static bool
find(struct span settings, const char *name, struct span *value)
{
	struct span line;

	while (settings.s != NULL) {
		line = span_cut(&settings, '\n');
		if (span_is(span_trim(span_cut(&line, '=')), name) &&
		    line.s != NULL) {
			*value = span_trim(line);
			return true;
		}
	}
	return false;
}

static int
print_values(struct span settings, char *const names[], int n)
{
	struct span value;
	int i;

	for (i = 0; i < n; i++) {
		if (!find(settings, names[i], &value)) {
			(void)fprintf(stderr, "there is no setting \"%s\"; "
			    "posthouse.conf(5) lists those there are\n",
			    names[i]);
			return EX_USAGE;
		}
		(void)printf("%.*s\n", (int)value.len, value.s);
	}
	return EX_OK;
}

int
main(int argc, char *argv[])
{
	static const struct option names[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct buf all = BUF_INIT(1 << 20);
	const char *dir = NULL;
	struct instance inst;
	struct conf conf;
	int c, code;

	log_open("conf");
	while ((c = getopt_long(argc, argv, "C:", names, NULL)) != -1)
		if (c == 'C')
			dir = optarg;
		else {
			(void)fputs(usage_text, c == 'h' ? stdout : stderr);
			return c == 'h' ? EX_OK : EX_USAGE;
		}
	instance_open(&inst, dir);
	conf_load(&conf, &inst);
	conf_print(&conf, &all);
	if (optind < argc)
		code = print_values(buf_span(&all), argv + optind,
		    argc - optind);
	else
		code = fputs(buf_str(&all), stdout) == EOF ? EX_IOERR : EX_OK;
	buf_free(&all);
	conf_free(&conf);
	instance_close(&inst);
	return fflush(stdout) == 0 ? code : EX_IOERR;
}
