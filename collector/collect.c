/*
 * collect: fetch mail from upstream accounts, sort it, put it into the queue.
 *
 * posthouse collect [now] [ACCOUNT ...]; collect --status; collect --explain FILE;
 * collect --replay ACCOUNT; collect --state ACCOUNT; collect --forget ACCOUNT.
 */
#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "collector/assign.h"
#include "collector/explain.h"
#include "collector/login.h"
#include "collector/look.h"
#include "collector/memory.h"
#include "collector/replay.h"
#include "collector/run.h"
#include "collector/serve.h"
#include "collector/status.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/options.h"
#include "lib/sys/proc.h"

#define SETTLE_MAX_S 86400

struct collect {
	struct house house;
	const char *dir;
	char *explain, *account, *replay, *state, *forget, *test, *settle;
	uint64_t settle_s;
	bool status, json, serve, now, dry, assign, remember, uids, sure;
	char **names;
	size_t count;
};

static const char usage[] =
    "usage: collect [-C DIR] [now] [ACCOUNT ...]\n"
    "       collect [-C DIR] --serve\n"
    "       collect [-C DIR] --settle SECONDS\n"
    "       collect [-C DIR] --status [--json] [ACCOUNT ...]\n"
    "       collect [-C DIR] --test ACCOUNT\n"
    "       collect [-C DIR] --state ACCOUNT [--uids]\n"
    "       collect [-C DIR] --forget ACCOUNT [UID | --yes]\n"
    "       collect [-C DIR] --explain FILE [--account NAME]\n"
    "       collect [-C DIR] --login | --app ACCOUNT [OPTION ...]   (see posthouse oauth)\n"
    "       collect [-C DIR] --replay ACCOUNT [--dry-run]\n"
    "       collect [-C DIR] assign ID USER [--remember [list-id | address]]\n";

// clang-format off
#define AT(member) offsetof(struct collect, member)
static const struct collect_option { /* what getopt_long() finds is kept here */
	const char *name;
	size_t text, flag; /* one of them; 0: the directory, which no option names, lies there */
} known[] = {
	{ "explain",  AT(explain), 0 },
	{ "account",  AT(account), 0 },
	{ "test",     AT(test),    0 },
	{ "replay",   AT(replay),  0 },
	{ "state",    AT(state),   0 },
	{ "forget",   AT(forget),  0 },
	{ "settle",   AT(settle),  0 },
	{ "serve",    0,           AT(serve) },
	{ "status",   0,           AT(status) },
	{ "json",     0,           AT(json) },
	{ "dry-run",  0,           AT(dry) },
	{ "remember", 0,           AT(remember) },
	{ "uids",     0,           AT(uids) },
	{ "yes",      0,           AT(sure) },
};
// clang-format on

static void
keep_option(struct collect *c, const struct collect_option *o, char *value)
{
	if (o->text != 0)
		*(char **)(void *)((char *)c + o->text) = value;
	else
		*(bool *)(void *)((char *)c + o->flag) = true;
}

/* "now" and "assign" are words, not options. */
static void
read_words(struct collect *c, char *argv[], int n)
{
	c->names = argv;
	c->count = (size_t)n;
	if (c->count == 0)
		return;
	c->now = strcmp(c->names[0], "now") == 0;
	c->assign = strcmp(c->names[0], "assign") == 0;
	if (c->now || c->assign) {
		c->names++;
		c->count--;
	}
}

/* Options and words that mean something only with others. */
static bool
fit(const struct collect *c)
{
	size_t assigned = 2 + (size_t)c->remember;

	if ((c->json && !c->status) || (c->account != NULL && c->explain == NULL) || (c->dry && c->replay == NULL) ||
	    (c->uids && c->state == NULL) || (c->sure && c->forget == NULL) || (c->remember && !c->assign))
		return false;
	if ((c->replay != NULL || c->state != NULL) && c->count > 0)
		return false;
	if (c->forget != NULL && c->count > (c->sure ? 0 : 1))
		return false;
	return !c->assign || (c->count >= 2 && c->count <= assigned);
}

static void
read_options(struct collect *c, int argc, char *argv[])
{
	struct option options[COUNT(known) + 2] = { [COUNT(known)] = { "help", no_argument, NULL, 'h' } };
	int o, which = 0;

	for (size_t i = 0; i < COUNT(known); i++)
		options[i] = (struct option){ known[i].name, known[i].text != 0 ? required_argument : no_argument, NULL, 0 };
	while ((o = getopt_long(argc, argv, "C:h", options, &which)) != -1)
		if (o == 0)
			keep_option(c, &known[which], optarg);
		else if (o == 'C')
			c->dir = optarg;
		else
			options_usage(usage, o == 'h' ? 0 : EX_USAGE);
	read_words(c, argv + optind, argc - optind);
	if (!fit(c) || (c->settle != NULL && num_parse(span_of(c->settle), SETTLE_MAX_S, &c->settle_s) == -1))
		options_usage(usage, EX_USAGE);
}

/* In an instance of our own, setup may not have made it. */
static void
make_state_dir(struct collect *c)
{
	if (mkdir(c->house.state_dir, 0700) == -1 && errno != EEXIST && errno != EACCES && errno != EROFS)
		fatal(EX_CANTCREAT, "cannot make %s: %s", c->house.state_dir, strerror(errno));
}

int
main(int argc, char *argv[])
{
	static struct collect c; /* until the process ends */

	log_open("collect");
	login_instead(argv);
	read_options(&c, argc, argv);
	house_open(&c.house, c.dir);
	proc_signals();
	if (c.explain != NULL)
		return explain_file(&c.house, c.explain, c.account);
	if (c.replay != NULL)
		return replay_account(&c.house, c.replay, c.dry);
	if (c.assign)
		return assign_message(&c.house, c.names, c.count, c.remember);
	proc_drop(USER_COLLECT);
	make_state_dir(&c);
	if (c.status)
		return status_show(&c.house, c.names, c.count, c.json);
	if (c.state != NULL)
		return memory_show(&c.house, c.state, c.uids);
	if (c.forget != NULL)
		return memory_forget(&c.house, c.forget, c.count > 0 ? c.names[0] : NULL, c.sure);
	if (c.test != NULL)
		return look_at_account(&c.house, c.test);
	if (c.settle != NULL)
		return run_settle(&c.house, c.settle_s);
	if (c.serve)
		return serve(&c.house);
	return run_accounts(&c.house, c.names, c.count, c.now);
}
