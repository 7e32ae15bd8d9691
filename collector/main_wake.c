/*
 * wake: ask upstreams for our mail the old way, now. posthouse wake ACCOUNT ...; posthouse wake --finger USER@HOST.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "collector/choice.h"
#include "collector/lines.h"
#include "collector/wake.h"
#include "lib/base/log.h"
#include "lib/sys/proc.h"

static const char usage[] =
    "usage: wake [-C DIR] ACCOUNT ...\n"
    "       wake [-C DIR] --finger USER@HOST[:PORT]\n";

static NORETURN void
tell_usage(int code)
{
	fputs(usage, code == 0 ? stdout : stderr);
	exit(code);
}

static void
read_options(int argc, char *argv[], const char **dir, const char **finger)
{
	static const struct option options[] = {
		{ "finger", required_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "C:h", options, NULL)) != -1)
		switch (o) {
		case 'C':
			*dir = optarg;
			break;
		case 'f':
			*finger = optarg;
			break;
		case 'h':
			tell_usage(0);
		default:
			tell_usage(EX_USAGE);
		}
	if ((*finger == NULL) == (optind == argc))
		tell_usage(EX_USAGE);
}

static int
tell(const char *name, struct wake_result *r)
{
	struct buf line = BUF_INIT(8192);
	int rv = r->what == WAKE_DONE ? 0 : r->what == WAKE_FAILED ? EX_TEMPFAIL : EX_USAGE;

	if (r->what == WAKE_NOTHING)
		buf_adds(&r->text, "the account has no wake=");
	buf_addf(&line, "%s: %s%s", name, r->what == WAKE_FAILED ? "failed: " : "", buf_str(&r->text));
	line_put(&line);
	buf_free(&line);
	return rv;
}

/* Each account, as far as that goes outside the sandbox. */
static int
wake_outside(struct house *h, const struct choice *choice, struct account *accounts)
{
	int worst = 0;

	for (size_t i = 0; i < choice->n; i++) {
		struct buf why = BUF_INIT(1024);
		struct wake_result r;
		int rv = 0;

		wake_result_init(&r);
		if (account_open(&accounts[i], h, choice->v[i].name, choice->v[i].value, &why) == -1) {
			r.what = WAKE_FAILED;
			buf_addspan(&r.text, buf_span(&why));
		} else {
			wake_account(h, &accounts[i], false, &r);
		}
		if (accounts[i].up.wake_how != UPSTREAM_WAKE_FINGER || r.what != WAKE_NOTHING)
			rv = tell(choice->v[i].name, &r);
		worst = rv != 0 ? rv : worst;
		wake_result_free(&r);
		buf_free(&why);
	}
	return worst;
}

static int
wake_inside(struct house *h, size_t n, struct account *accounts)
{
	const struct account none = { .name = "" };
	int worst = 0;

	account_sandbox(&none, h);
	for (size_t i = 0; i < n; i++) {
		struct wake_result r;

		wake_result_init(&r);
		wake_account(h, &accounts[i], true, &r);
		if (r.what != WAKE_NOTHING) {
			int rv = tell(accounts[i].name, &r);

			worst = rv != 0 ? rv : worst;
		}
		wake_result_free(&r);
	}
	return worst;
}

static int
wake_all(struct house *h, char *const *names, size_t count)
{
	struct choice choice;
	struct account *accounts;
	int rv = choice_make(&choice, h, names, count), later;

	if (rv != 0)
		return rv;
	accounts = mem_alloc(choice.n, sizeof(*accounts));
	rv = wake_outside(h, &choice, accounts);
	later = wake_inside(h, choice.n, accounts);
	for (size_t i = 0; i < choice.n; i++)
		account_close(&accounts[i]);
	free(accounts);
	choice_free(&choice);
	return later != 0 ? later : rv;
}

static int
finger(struct house *h, const char *target)
{
	const struct account none = { .name = "" };
	struct wake_result r;
	int rv;

	account_sandbox(&none, h);
	wake_result_init(&r);
	wake_finger(h, "-", target, &r);
	rv = tell("finger", &r);
	wake_result_free(&r);
	return rv;
}

int
main(int argc, char *argv[])
{
	static struct house house; /* until the process ends */
	const char *dir = NULL, *target = NULL;

	log_open("wake");
	read_options(argc, argv, &dir, &target);
	house_open(&house, dir);
	proc_signals();
	proc_drop(USER_COLLECT);
	if (target != NULL)
		return finger(&house, target);
	return wake_all(&house, argv + optind, (size_t)(argc - optind));
}
