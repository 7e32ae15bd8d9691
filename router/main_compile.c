/*
 * posthouse compile: check the maps and put them in force.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/options.h"
#include "router/compile.h"

#define LIMIT_DEFAULT 50

static const char usage_text[] =
    "usage: posthouse [-C DIR] compile [--check] [--limit N]\n\n"
    "  Checks the settings and maps in etc/ and puts them in force, all or none.\n\n"
    "  --check    only say what is wrong; change nothing\n"
    "  --limit N  show at most N errors and warnings (default 50; 0: all)\n";

struct options {
	const char *dir;
	bool check, help;
	uint64_t limit;
};

static void
read_options(struct options *o, int argc, char *argv[])
{
	static const struct option names[] = {
		{ "check", no_argument, NULL, 'c' },
		{ "limit", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	o->limit = LIMIT_DEFAULT;
	while ((c = getopt_long(argc, argv, "C:", names, NULL)) != -1)
		if (c == 'C')
			o->dir = optarg;
		else if (c == 'c')
			o->check = true;
		else if (c == 'h')
			options_usage(usage_text, 0);
		else if (c != 'l' || num_parse(span_of(optarg), UINT32_MAX,
		    &o->limit) == -1)
			options_usage(usage_text, EX_USAGE);
	if (optind != argc)
		options_usage(usage_text, EX_USAGE);
}

static void
print_counts(const unsigned long counts[MAP_COUNT])
{
	const char *sep = "";
	size_t i;

	for (i = 0; i < MAP_COUNT; i++) {
		if (counts[i] == 0)
			continue;
		(void)printf("%s%s %lu", sep, map_names[i], counts[i]);
		sep = ", ";
	}
	(void)puts(sep[0] == '\0' ? "all maps are empty" : "");
}

/* The settings in force, with defaults; false: there are none. */
static bool
settings_in_force(const struct instance *inst, struct buf *out)
{
	char *file = mem_fmt("%s/current/posthouse.conf", inst->maps);
	struct buf why = BUF_INIT(1000);
	struct conf conf;
	bool there = access(file, R_OK) == 0;

	buf_init(out, 1 << 20);
	if (there) {
		there = conf_read(&conf, file, &why) == 0;
		conf_print(&conf, out);
		conf_free(&conf);
	}
	buf_free(&why);
	free(file);
	return there;
}

/* Maps are taken by the next session; settings are not. */
static void
tell_of_settings(const struct instance *inst, const struct buf *before)
{
	struct buf now;

	if (settings_in_force(inst, &now) &&
	    !span_eq(buf_span(before), buf_span(&now)))
		(void)puts("settings have changed: posthouse reload has the "
		    "running programs take them");
	buf_free(&now);
}

int
main(int argc, char *argv[])
{
	unsigned long counts[MAP_COUNT] = { 0 };
	struct options o = { 0 };
	struct instance inst;
	struct report report;
	struct buf before;
	bool again;
	char *name;
	int rv;

	log_open("compile");
	read_options(&o, argc, argv);
	instance_open(&inst, o.dir);
	again = settings_in_force(&inst, &before);
	report_open(&report, STDERR_FILENO, o.limit);
	rv = compile_maps(&inst, o.check, &report, &name, counts);
	report_close(&report);
	if (rv == -1)
		(void)fputs(o.check ? "the maps are not fit for use\n" :
		    "nothing has changed: the old maps stay in force\n", stderr);
	else {
		(void)printf(o.check ? "the maps are fit for use: " :
		    "generation %s is in force: ", name);
		print_counts(counts);
		if (again && !o.check)
			tell_of_settings(&inst, &before);
	}
	buf_free(&before);
	free(name);
	instance_close(&inst);
	if (rv == -1)
		return EX_DATAERR;
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}
