/*
 * options: the command line of sendmail, as three decades of programs use it.
 *
 * What has a meaning here gets it; what only tuned the original is taken and let
 * go; what asks for another program (a daemon, a test mode) is an error, not silence.
 */
#include "queue/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/base/buf.h"
#include "lib/mail/xtext.h"
#include "lib/store/envelope.h"

static void NORETURN
usage(const char *what, const char *value)
{
	fprintf(stderr, "sendmail: cannot understand %s%s\n"
	    "usage: sendmail [-C DIR] [-itv] [-F NAME] [-f SENDER] [-N NOTIFY] "
	    "[-R RET] [-V ENVID] [--] [RECIPIENT ...]\n", what, value);
	exit(EX_USAGE);
}

static enum options_mode
mode(const char *word)
{
	switch (word[0]) {
	case 'm':
		return MODE_DELIVER;
	case 'p':
		return MODE_MAILQ;
	case 'i':
		return MODE_COMPILE;
	default:
		usage("the mode -b", word);
	}
}

static unsigned
notify(const char *words)
{
	unsigned all;

	if (notify_parse(span_of(words), &all) == -1)
		usage("-N ", words);
	return all;
}

static const char *
ret(const char *word)
{
	if (span_case_is(span_of(word), "full"))
		return "FULL";
	if (!span_case_is(span_of(word), "hdrs"))
		usage("-R ", word);
	return "HDRS";
}

static const char *
envid(const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i < n; i++)
		if (!ascii_print((unsigned char)word[i]))
			usage("-V: not printable", "");
	if (n == 0 || n > LIMIT_ENVID)
		usage("-V: 1 to 100 octets belong there", "");
	return word;
}

static void
read_one(struct options *o, int c, const char *arg)
{
	switch (c) {
	case 'b':
		o->mode = mode(arg);
		break;
	case 'C':
		o->dir = arg;
		break;
	case 'F':
		o->full_name = arg;
		break;
	case 'f':
	case 'r':
		o->sender = arg;
		break;
	case 'i':
		o->ignore_dots = true;
		break;
	case 'N':
		o->notify = notify(arg);
		break;
	case 'o':
		o->ignore_dots = o->ignore_dots || strcmp(arg, "i") == 0;
		break;
	case 'q':
		o->queue_run = true;
		break;
	case 'R':
		o->ret = ret(arg);
		break;
	case 't':
		o->extract = true;
		break;
	case 'V':
		o->envid = envid(arg);
		break;
	case 'v':
		o->verbose = true;
		break;
	case '?':
		usage("these options", "");
	default: /* tuned the original: -A -B -d -e -G -h -L -m -n -O -p -U -X */
		break;
	}
}

void
options_read(struct options *o, int argc, char *argv[])
{
	int c;

	*o = (struct options){ .ret = "", .envid = "" };
	/* "+": what follows the first recipient is a recipient */
	while ((c = getopt(argc, argv,
	    "+A:B:b:C:d::e:F:f:Gh:iL:mN:nO:o:p:q::R:r:tUV:vX:")) != -1)
		read_one(o, c, optarg);
	o->rcpts = argv + optind;
}
