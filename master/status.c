/*
 * status: what runs, since when, with what memory, and what is queued.
 *
 * Reads master's record, /proc, and asks queued; starts and changes nothing.
 */
#include "master/status.h"

#include <dirent.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "master/probe.h"
#include "master/status_parts.h"

#define ASK_MS 2000
#define EXIT_TROUBLE 1
#define EXIT_STOPPED 3

/* What waits when queued cannot be asked: its envelopes. */
static void
count_envelopes(struct view *v, const struct instance *inst)
{
	char *path = instance_path(inst->spool, "env");
	const struct dirent *e;
	DIR *dir = opendir(path);
	unsigned n = 0;

	free(path);
	while (dir != NULL && (e = readdir(dir)) != NULL)
		n += e->d_name[0] != '.';
	if (dir != NULL)
		closedir(dir);
	buf_addf(&v->counts, "messages %u\n", n);
}

static bool
service_well(const struct record_service *s)
{
	return strcmp(s->state, "running") == 0 || strcmp(s->state, "off") == 0;
}

static void
look(struct view *v, const struct instance *inst)
{
	size_t i;

	*v = (struct view){ .pid = record_master(inst),
		.counts = BUF_INIT(65536), .counts_error = BUF_INIT(4096) };
	if (record_read(inst, &v->record) == -1)
		v->record = (struct record){ 0 };
	v->processes = record_processes(&v->record, &v->process_count);
	if (v->pid == 0 || probe_queue(inst, ASK_MS, &v->counts, &v->counts_error) ==
	    -1) {
		v->trouble = true;
		buf_reset(&v->counts);
		count_envelopes(v, inst);
	}
	for (i = 0; i < v->record.service_count; i++)
		v->trouble |= !service_well(&v->record.services[i]);
	for (i = 0; i < v->record.listener_count; i++)
		v->trouble |= v->record.listeners[i].error[0] != '\0';
	live_look(&v->live, inst, &v->record, v->processes, v->process_count, buf_span(&v->counts));
}

static void
look_away(struct view *v)
{
	free(v->processes);
	buf_free(&v->counts);
	buf_free(&v->counts_error);
}

const char *
status_time(int64_t when_s, char out[32])
{
	time_t t = (time_t)when_s;
	struct tm tm;

	localtime_r(&t, &tm);
	if (strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		out[0] = '\0';
	return out;
}

/* --- for people --------------------------------------------------------- */

static void
print_service(const struct view *v, const struct record_service *s)
{
	uint64_t rss;
	unsigned n = record_count(s, v->processes, v->process_count, &rss);
	char since[32];

	if (n == 0) {
		printf("  %-10s %s\n", s->name, strcmp(s->state, "running") == 0 ?
		    "gone" : s->state);
		return;
	}
	printf("  %-10s %-8s since %s  pid %-7d %3u process%s %7.1f MiB%s",
	    s->name, s->state, status_time(s->since_s, since), (int)s->pid, n,
	    n == 1 ? "  " : "es", (double)rss / (1 << 20),
	    s->starts > 1 ? "" : "\n");
	if (s->starts > 1)
		printf("  (started %u times)\n", s->starts);
}

static void
print_counts(const struct view *v)
{
	/* What people ask for; --json has all of them. */
	static const char *const names[] = { "messages", "active", "waiting",
		"held", "sites_down" };
	static const char *const words[] = { "messages", "being delivered",
		"waiting", "held", "sites down" };
	struct span rest = buf_span(&v->counts), line, name;
	const char *between = "";
	size_t i;

	printf("queue: ");
	while (rest.s != NULL) {
		line = span_cut(&rest, '\n');
		name = span_cut(&line, ' ');
		for (i = 0; i < COUNT(names) && line.s != NULL; i++) {
			if (!span_is(name, names[i]))
				continue;
			printf("%s%.*s %s", between, (int)line.len, line.s, words[i]);
			between = ", ";
		}
	}
	if (v->counts_error.len > 0)
		printf("%s(queued cannot be asked: %s)", between[0] != '\0' ? " " : "",
		    buf_str(&v->counts_error));
	putchar('\n');
}

static void
print_view(const struct view *v)
{
	char since[32];
	size_t i;

	if (v->pid == 0)
		puts("posthouse does not run");
	else
		printf("posthouse runs since %s (master, pid %d)\n",
		    status_time(v->record.since_s, since), (int)v->pid);
	if (v->pid == 0 && v->process_count > 0)
		printf("  but %zu processes of a killed master do; posthouse stop "
		       "ends them\n", v->process_count);
	for (i = 0; v->pid != 0 && i < v->record.service_count; i++)
		print_service(v, &v->record.services[i]);
	for (i = 0; v->pid != 0 && i < v->record.listener_count; i++) {
		const struct record_listener *l = &v->record.listeners[i];

		printf("  %-10s %s%s\n", l->name,
		    l->error[0] != '\0' ? l->error : "on ",
		    l->error[0] != '\0' ? "" : l->address);
	}
	printf("sessions: %" PRIu64 " SMTP in, %" PRIu64 " POP3, %" PRIu64 " outgoing, %" PRIu64 " collecting\n",
	    v->live.smtp, v->live.pop3, v->live.outgoing, v->live.collecting);
	printf("mailboxes: %" PRIu64 " unread\n", v->live.unread);
	print_counts(v);
}

/* --- for programs ------------------------------------------------------- */

static json_t *
json_services(const struct view *v)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; v->pid != 0 && i < v->record.service_count; i++) {
		const struct record_service *s = &v->record.services[i];
		uint64_t rss;
		unsigned n = record_count(s, v->processes, v->process_count, &rss);

		json_array_append_new(list, json_pack(
		    "{s:s, s:s, s:i, s:I, s:i, s:i, s:I}", "name", s->name,
		    "state", s->state, "pid", (int)s->pid, "since",
		    (json_int_t)s->since_s, "starts", (int)s->starts, "processes",
		    (int)n, "rss_octets", (json_int_t)rss));
	}
	return list;
}

static json_t *
json_listeners(const struct view *v)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; v->pid != 0 && i < v->record.listener_count; i++) {
		const struct record_listener *l = &v->record.listeners[i];
		json_t *one = json_pack("{s:s, s:s}", "name", l->name, "address",
		    l->address);

		if (l->error[0] != '\0')
			json_object_set_new(one, "error", json_string(l->error));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *
json_counts(const struct view *v)
{
	struct span rest = buf_span(&v->counts), line, name;
	json_t *counts = json_object();
	uint64_t n;
	char key[64];

	while (rest.s != NULL) {
		line = span_cut(&rest, '\n');
		name = span_cut(&line, ' ');
		if (line.s == NULL || num_parse(line, INT64_MAX, &n) == -1)
			continue;
		snprintf(key, sizeof(key), "%.*s", (int)name.len, name.s);
		json_object_set_new(counts, key, json_integer((json_int_t)n));
	}
	return counts;
}

static void
print_json(const struct view *v)
{
	json_t *all = json_pack("{s:b, s:b, s:i, s:I, s:o, s:o, s:o, s:{s:I, s:I, s:I, s:I}, s:I}", "running",
	    v->pid != 0, "well", v->pid != 0 && !v->trouble, "pid", (int)v->pid,
	    "since", (json_int_t)v->record.since_s, "services", json_services(v),
	    "listeners", json_listeners(v), "queue", json_counts(v), "sessions", "smtp_in",
	    (json_int_t)v->live.smtp, "pop3", (json_int_t)v->live.pop3, "outgoing",
	    (json_int_t)v->live.outgoing, "collecting", (json_int_t)v->live.collecting, "unread",
	    (json_int_t)v->live.unread);

	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

/* Over what stood there before, where that can be. */
static void
print_again(const struct view *v)
{
	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	print_view(v);
	putchar('\n');
}

int
status_show(const struct instance *inst, enum status_form form)
{
	struct view v;
	int rv;

	do {
		look(&v, inst);
		switch (form) {
		case STATUS_TEXT: print_view(&v); break;
		case STATUS_WATCH: print_again(&v); break;
		case STATUS_JSON: print_json(&v); break;
		case STATUS_METRICS: metrics_print(&v); break;
		}
		rv = v.pid == 0 ? EXIT_STOPPED : v.trouble ? EXIT_TROUBLE : 0;
		look_away(&v);
	} while (form == STATUS_WATCH && fflush(stdout) == 0 && sleep(1) == 0);
	return rv;
}
