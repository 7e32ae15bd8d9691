/*
 * posthouse: the one command people type. posthouse [-C DIR] VERB ...
 *
 * Knows which program serves a verb and becomes it; does nothing itself.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/store/instance.h"

// clang-format off
static const struct verb {
	const char *verb;
	const char *program; /* in libexec/posthouse */
	bool told;           /* the program serves several verbs: it is told which */
	const char *help;
} verbs[] = {
	{ "setup",    "setup",    false, "make an instance: directories, users, maps" },
	{ "check",    "checkup",  false, "verify directories, owners, modes, maps, ports" },
	{ "start",    "house",    true,  "start everything; returns when every listener answers" },
	{ "stop",     "house",    true,  "stop everything; returns when every process is gone" },
	{ "restart",  "house",    true,  "stop and start" },
	{ "reload",   "house",    true,  "have the running programs read posthouse.conf again" },
	{ "status",   "house",    true,  "what runs, since when, with what memory; what is queued" },
	{ "backup",   "backup",   false, "copy everything, while it runs, to a new directory" },
	{ "log",      "log",      false, "show the log of a day" },
	{ "compile",  "compile",  false, "check all maps and put them in force" },
	{ "rollback", "rollback", false, "put the maps of the compile before in force" },
	{ "conf",     "conf",     false, "the settings in force, defaults included" },
	{ "route",    "route",    false, "who gets mail to an address, and why" },
	{ "queue",    "queue",    false, "list, show, retry, hold, release, delete messages" },
	{ "link",     "queue",    true,  "the line is up, or about to go down: send and collect, or stop that" },
	{ "user",     "user",     false, "add, change, list, disable people" },
	{ "mailbox",  "mailbox",  false, "how many messages each mailbox holds; move one" },
	{ "client-card", "client-card", false, "what somebody types into a mail program: servers, ports, TLS, login" },
	{ "oauth",    "oauth",    false, "log in to providers that take no passwords; how that stands" },
	{ "wake",     "wake",     false, "ask upstreams for our mail: by finger, a letter or a command" },
	{ "upstream", "upstream", false, "add, change, list, test provider accounts" },
	{ "collect",  "collect",  false, "fetch mail from upstream accounts and sort it" },
};
// clang-format on

static void
help(void)
{
	size_t i;

	puts("usage: posthouse [-C DIR] VERB [ARGUMENT ...]\n"
	     "       posthouse --help | --version\n\n"
	     "  -C DIR     the instance below DIR; without it the system's own\n");
	for (i = 0; i < COUNT(verbs); i++)
		printf("  %-11s %s\n", verbs[i].verb, verbs[i].help);
	puts("\nposthouse VERB --help tells more; so do posthouse(1) and posthouse(7).");
}

static const struct verb *
find(const char *word)
{
	size_t i;

	for (i = 0; i < COUNT(verbs); i++)
		if (strcmp(verbs[i].verb, word) == 0)
			return &verbs[i];
	return NULL;
}

/* The program with -C DIR, where it serves several the verb, and the rest. */
static void
become(const struct verb *v, char *dir, char *rest[])
{
	char *path = instance_path(instance_libexec(), v->program);
	char **argv;
	size_t n = 0, i;

	for (i = 0; rest[i] != NULL; i++)
		continue;
	argv = mem_alloc(i + 6, sizeof(*argv));
	argv[n++] = path;
	if (dir != NULL) {
		argv[n++] = mem_dup("-C");
		argv[n++] = dir;
	}
	if (v->told)
		argv[n++] = mem_dup(v->verb);
	for (i = 0; rest[i] != NULL; i++)
		argv[n++] = rest[i];
	argv[n] = NULL;
	execv(path, argv);
	fatal(errno == ENOENT ? EX_UNAVAILABLE : EX_OSERR,
	    "cannot run %s: %s", path, strerror(errno));
}

int
main(int argc, char *argv[])
{
	const struct verb *v;
	char *dir = NULL;
	int i = 1;

	log_open("posthouse");
	while (i < argc && argv[i][0] == '-') {
		if (strcmp(argv[i], "-C") == 0 && i + 1 < argc) {
			dir = argv[i + 1];
			i += 2;
		} else if (strcmp(argv[i], "--help") == 0 ||
		    strcmp(argv[i], "-h") == 0) {
			help();
			return 0;
		} else if (strcmp(argv[i], "--version") == 0) {
			puts("posthouse " POSTHOUSE_VERSION);
			return 0;
		} else {
			fatal(EX_USAGE, "cannot understand %s: usage: posthouse "
			    "[-C DIR] VERB [ARGUMENT ...]", argv[i]);
		}
	}
	if (i == argc) {
		help();
		return EX_USAGE;
	}
	if (strcmp(argv[i], "help") == 0) {
		help();
		return 0;
	}
	v = find(argv[i]);
	if (v == NULL)
		fatal(EX_USAGE, "cannot understand %s: no such verb; posthouse "
		    "--help lists them", argv[i]);
	become(v, dir, argv + i + 1);
}
