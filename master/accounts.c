/*
 * accounts: the system users that the programs become.
 *
 * Knows etc/sysusers.d/posthouse.conf, and two ways to carry it out: systemd-sysusers(8), or
 * groupadd(8) and useradd(8). What exists is left as it is.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/sys/proc.h"
#include "master/samples.h"
#include "master/setup.h"

#define LINES_MAX 40

struct account {
	char kind;               /* u: user, g: group, m: member */
	char name[32], group[32]; /* group: of m */
};

static const char *const *
lines(void)
{
	const struct sample *s;

	for (s = samples; s->name != NULL; s++)
		if (strcmp(s->name, "sysusers") == 0)
			return s->lines;
	return NULL;
}

static bool
parse(const char *line, struct account *a)
{
	*a = (struct account){ 0 };
	return sscanf(line, "%c %31s %31s", &a->kind, a->name, a->group) == 3 &&
	    strchr("ugm", a->kind) != NULL;
}

static bool
is_member(const char *user, const char *group)
{
	const struct group *gr = getgrnam(group);
	char **m;

	if (gr == NULL)
		return false;
	for (m = gr->gr_mem; *m != NULL; m++)
		if (strcmp(*m, user) == 0)
			return true;
	return false;
}

static bool
there(const struct account *a)
{
	switch (a->kind) {
	case 'u':
		return getpwnam(a->name) != NULL && getgrnam(a->name) != NULL;
	case 'g':
		return getgrnam(a->name) != NULL;
	default:
		return is_member(a->name, a->group);
	}
}

static bool
complete(void)
{
	const char *const *line;
	struct account a;

	for (line = lines(); *line != NULL; line++)
		if (parse(*line, &a) && !there(&a))
			return false;
	return true;
}

static bool
run(const char *const *argv)
{
	char *copy[LINES_MAX + 4];
	size_t i;
	int status;

	for (i = 0; argv[i] != NULL; i++)
		copy[i] = mem_dup(argv[i]);
	copy[i] = NULL;
	status = proc_run(copy, STDERR_FILENO, 60);
	for (i = 0; copy[i] != NULL; i++)
		free(copy[i]);
	return status == 0;
}

static bool
by_sysusers(void)
{
	const char *argv[LINES_MAX + 3] = { "systemd-sysusers", "--inline" };
	const char *const *line;
	struct account a;
	size_t n = 2;

	for (line = lines(); *line != NULL && n < LINES_MAX; line++)
		if (parse(*line, &a))
			argv[n++] = *line;
	return run(argv) && complete();
}

static void
by_hand(const struct account *a)
{
	const char *const group[] = { "groupadd", "-r", a->name, NULL };
	const char *const user[] = { "useradd", "-r", "-M", "-g", a->name, "-d",
		"/nonexistent", "-s", "/usr/sbin/nologin", a->name, NULL };
	const char *const member[] = { "usermod", "-a", "-G", a->group, a->name,
		NULL };

	if (a->kind != 'm' && getgrnam(a->name) == NULL && !run(group))
		fatal(EX_UNAVAILABLE, "cannot make the group %s: groupadd failed",
		    a->name);
	if (a->kind == 'u' && getpwnam(a->name) == NULL && !run(user))
		fatal(EX_UNAVAILABLE, "cannot make the user %s: useradd failed",
		    a->name);
	if (a->kind == 'm' && !is_member(a->name, a->group) && !run(member))
		fatal(EX_UNAVAILABLE, "cannot make %s a member of %s: usermod "
		    "failed", a->name, a->group);
}

void
setup_accounts(void)
{
	const char *const *line;
	struct account a;

	if (!proc_privileged() || complete())
		return;
	if (access("/usr/bin/systemd-sysusers", X_OK) == 0 && by_sysusers())
		return;
	for (line = lines(); *line != NULL; line++)
		if (parse(*line, &a))
			by_hand(&a);
}
