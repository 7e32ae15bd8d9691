/*
 * status_auth: how logins go (posthouse status --auth). Asks authd; reads nothing else.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "lib/base/num.h"
#include "lib/wire/auth.h"
#include "master/status.h"

static uint64_t
count_of(const struct buf *counts, const char *name)
{
	struct span rest = buf_span(counts), line;
	uint64_t n;

	while (rest.s != NULL && rest.len > 0) {
		line = span_cut(&rest, '\n');
		if (span_is(span_cut(&line, ' '), name) && line.s != NULL && num_parse(line, INT64_MAX, &n) == 0)
			return n;
	}
	return 0;
}

static void
print_delayed(const struct buf *delayed)
{
	struct span rest = buf_span(delayed);
	struct auth_delay d;

	puts(rest.len == 0 ? "nobody's login is delayed" : "delayed after failures (posthouse user unlock):");
	while (auth_delayed_next(&rest, &d))
		printf("  %s from %s: %" PRIu64 " failures\n", strcmp(d.account, "*") == 0 ? "whatever is tried" : d.account,
		    d.client, d.failures);
}

static void
print_text(const struct buf *counts, const struct buf *delayed)
{
	time_t since = (time_t)count_of(counts, "since");
	char when[32] = "";
	struct tm tm;

	localtime_r(&since, &tm);
	(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	printf("logins since %s: %" PRIu64 " good, %" PRIu64 " of them known from the cache; %" PRIu64 " refused; %" PRIu64
	       " put off\n", when, count_of(counts, "passed"), count_of(counts, "cached"), count_of(counts, "failed"),
	    count_of(counts, "later"));
	printf("passwords checked: %" PRIu64 "; waiting for it: %" PRIu64 "; remembered: %" PRIu64 ", of %" PRIu64 " at most\n",
	    count_of(counts, "checks"), count_of(counts, "waiting"), count_of(counts, "remembered"), count_of(counts, "room"));
	printf("hashes made anew: %" PRIu64 "\n", count_of(counts, "renewed"));
	print_delayed(delayed);
}

static void
print_json(const struct buf *counts, const struct buf *delayed)
{
	struct span rest = buf_span(counts), line, name;
	json_t *all = json_object(), *list = json_array();
	struct auth_delay d;
	uint64_t n;

	while (rest.s != NULL && rest.len > 0) {
		line = span_cut(&rest, '\n');
		name = span_cut(&line, ' ');
		if (line.s != NULL && num_parse(line, INT64_MAX, &n) == 0)
			json_object_setn_new(all, name.s, name.len, json_integer((json_int_t)n));
	}
	rest = buf_span(delayed);
	while (auth_delayed_next(&rest, &d))
		json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "account", d.account, "client", d.client,
		    "failures", (json_int_t)d.failures));
	json_object_set_new(all, "delayed", list);
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

int
status_auth(const struct instance *inst, enum status_form form)
{
	char *path = instance_path(inst->run, "auth");
	struct buf counts = BUF_INIT(LIMIT_PACKET), delayed = BUF_INIT(LIMIT_PACKET);
	struct auth auth;
	uint64_t n;
	int rv = EX_UNAVAILABLE;

	auth_init(&auth, path);
	if (auth_status(&auth, &counts) == 0 && auth_delayed(&auth, NULL, &n, &delayed) == 0)
		rv = EX_OK;
	if (rv == EX_OK && form == STATUS_JSON)
		print_json(&counts, &delayed);
	else if (rv == EX_OK)
		print_text(&counts, &delayed);
	else
		(void)fprintf(stderr, "status: cannot ask authd over %s: it does not run, or not for you: be root\n", path);
	auth_close(&auth);
	buf_free(&counts);
	buf_free(&delayed);
	free(path);
	return rv;
}
