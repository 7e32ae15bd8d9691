/*
 * metrics: status in the text format of Prometheus (exposition format 0.0.4).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/num.h"
#include "master/status_parts.h"

static void
head(const char *name, const char *type, const char *help)
{
	printf("# HELP posthouse_%s %s\n# TYPE posthouse_%s %s\n", name, help, name, type);
}

static void
sample(const char *name, const char *label, struct span value, uint64_t number)
{
	printf("posthouse_%s{%s=\"%.*s\"} %" PRIu64 "\n", name, label, (int)value.len, value.s, number);
}

static void
print_services(const struct view *v)
{
	static const struct {
		const char *name, *type, *help;
	} metrics[] = {
		{ "service_up", "gauge", "Does the service run?" },
		{ "service_starts_total", "counter", "How often it was started." },
		{ "service_processes", "gauge", "Its processes." },
		{ "service_rss_bytes", "gauge", "Their resident memory." },
	};

	for (size_t k = 0; k < COUNT(metrics); k++) {
		head(metrics[k].name, metrics[k].type, metrics[k].help);
		for (size_t i = 0; v->pid != 0 && i < v->record.service_count; i++) {
			const struct record_service *s = &v->record.services[i];
			uint64_t rss, n = record_count(s, v->processes, v->process_count, &rss);
			const uint64_t numbers[] = { strcmp(s->state, "running") == 0 && n > 0, s->starts, n, rss };

			sample(metrics[k].name, "service", span_of(s->name), numbers[k]);
		}
	}
}

static void
print_queue(const struct view *v)
{
	struct span rest = buf_span(&v->counts), line, name;
	uint64_t n;

	head("queue", "gauge", "Messages, sites and agents of the queue, as posthouse queue counts them.");
	while (rest.s != NULL) {
		line = span_cut(&rest, '\n');
		name = span_cut(&line, ' ');
		if (line.s != NULL && !span_is(name, "started") && num_parse(line, INT64_MAX, &n) == 0)
			sample("queue", "what", name, n);
	}
}

void
metrics_print(const struct view *v)
{
	head("up", "gauge", "Does the house run?");
	printf("posthouse_up %d\n", v->pid != 0);
	head("well", "gauge", "Does everything run that should?");
	printf("posthouse_well %d\n", v->pid != 0 && !v->trouble);
	head("sessions", "gauge", "Connections now, and accounts that are collected from.");
	sample("sessions", "direction", SPAN("smtp_in"), v->live.smtp);
	sample("sessions", "direction", SPAN("pop3"), v->live.pop3);
	sample("sessions", "direction", SPAN("outgoing"), v->live.outgoing);
	sample("sessions", "direction", SPAN("collecting"), v->live.collecting);
	head("unread_messages", "gauge", "Messages in mailboxes that no program has seen.");
	printf("posthouse_unread_messages %" PRIu64 "\n", v->live.unread);
	print_services(v);
	print_queue(v);
}
