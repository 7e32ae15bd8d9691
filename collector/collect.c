/*
 * collect: fetch mail from upstream accounts, sort it, put it into the queue.
 *
 * posthouse collect [now] [ACCOUNT ...]; collect --status; collect --explain FILE;
 * collect --replay ACCOUNT; collect --state ACCOUNT; collect --forget ACCOUNT.
 */
#include <errno.h>
#include <getopt.h>
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
#include "lib/sys/proc.h"

#define SETTLE_MAX_S 86400

struct collect {
	struct house house;
	const char *dir, *explain;
	char *account, *replay, *state, *forget, *test;
	uint64_t settle_s;
	bool status, json, serve, settle, now, dry, assign, remember, uids, sure;
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

static void
read_options(struct collect *c, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "explain", required_argument, NULL, 'e' },
		{ "account", required_argument, NULL, 'a' },
		{ "serve", no_argument, NULL, 'S' },
		{ "status", no_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "test", required_argument, NULL, 't' },
		{ "replay", required_argument, NULL, 'r' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "remember", no_argument, NULL, 'R' },
		{ "state", required_argument, NULL, 'm' },
		{ "uids", no_argument, NULL, 'u' },
		{ "forget", required_argument, NULL, 'f' },
		{ "yes", no_argument, NULL, 'y' },
		{ "settle", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "C:h", options, NULL)) != -1)
		switch (o) {
		case 'C':
			c->dir = optarg;
			break;
		case 'e':
			c->explain = optarg;
			break;
		case 'a':
			c->account = optarg;
			break;
		case 'S':
			c->serve = true;
			break;
		case 's':
			c->status = true;
			break;
		case 'j':
			c->json = true;
			break;
		case 't':
			c->test = optarg;
			break;
		case 'r':
			c->replay = optarg;
			break;
		case 'n':
			c->dry = true;
			break;
		case 'R':
			c->remember = true;
			break;
		case 'm':
			c->state = optarg;
			break;
		case 'u':
			c->uids = true;
			break;
		case 'f':
			c->forget = optarg;
			break;
		case 'y':
			c->sure = true;
			break;
		case 'w':
			c->settle = num_parse(span_of(optarg), SETTLE_MAX_S, &c->settle_s) == 0;
			if (c->settle)
				break;
			fputs(usage, stderr);
			exit(EX_USAGE);
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			exit(EX_USAGE);
		}
	c->names = argv + optind;
	c->count = (size_t)(argc - optind);
	if (c->count > 0 && (strcmp(c->names[0], "now") == 0 || strcmp(c->names[0], "assign") == 0)) {
		c->now = c->names[0][0] == 'n';
		c->assign = !c->now;
		c->names++;
		c->count--;
	}
	if ((c->json && !c->status) || (c->explain == NULL && c->account != NULL) || (c->dry && c->replay == NULL) ||
	    (c->replay != NULL && c->count > 0) || (c->remember && !c->assign) ||
	    (c->assign && (c->count < 2 || c->count > 2 + (size_t)c->remember)) ||
	    (c->uids && c->state == NULL) || (c->sure && c->forget == NULL) ||
	    (c->state != NULL && c->count > 0) || (c->forget != NULL && c->count > (c->sure ? 0 : 1))) {
		fputs(usage, stderr);
		exit(EX_USAGE);
	}
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
	if (c.settle)
		return run_settle(&c.house, c.settle_s);
	if (c.serve)
		return serve(&c.house);
	return run_accounts(&c.house, c.names, c.count, c.now);
}
