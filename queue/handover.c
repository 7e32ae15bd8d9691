/*
 * handover: become another program of the house, with -C DIR in front of its arguments.
 */
#include "queue/handover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/store/instance.h"

static void NORETURN
become(const char *program, const char *dir, const char *verb, char *const args[])
{
	size_t n = 0, i;
	char **argv;

	for (i = 0; args != NULL && args[i] != NULL; i++)
		continue;
	argv = mem_alloc(i + 5, sizeof(*argv));
	argv[n++] = instance_path(instance_libexec(), program);
	if (dir != NULL) {
		argv[n++] = mem_dup("-C");
		argv[n++] = mem_dup(dir);
	}
	if (verb != NULL)
		argv[n++] = mem_dup(verb);
	for (i = 0; args != NULL && args[i] != NULL; i++)
		argv[n++] = args[i];
	execv(argv[0], argv);
	fprintf(stderr, "%s: cannot run %s: %s\n", getprogname(), argv[0],
	    strerror(errno));
	exit(EX_OSERR);
}

void
handover_mailq(const char *dir, char *const args[])
{
	become("queue", dir, "list", args);
}

void
handover_compile(const char *dir)
{
	become("compile", dir, NULL, NULL);
}
