/*
 * login: the words, and the other program's.
 */
#include "collector/login.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/store/instance.h"

void
login_instead(char *const argv[])
{
	int at = argv[1] != NULL && strcmp(argv[1], "-C") == 0 && argv[2] != NULL ? 3 : 1;
	const char *word = argv[at];
	char *path, **with;
	size_t n = 0;

	if (word == NULL || (strcmp(word, "--login") != 0 && strcmp(word, "--app") != 0))
		return;
	while (argv[n] != NULL)
		n++;
	path = instance_path(instance_libexec(), "oauth");
	with = mem_alloc(n + 1, sizeof(*with));
	memcpy(with, argv, n * sizeof(*with));
	with[0] = path;
	with[at] = mem_dup(word + 2);
	execv(path, with);
	fatal(EX_OSERR, "cannot run %s: %s", path, strerror(errno));
}
