/*
 * status_tls: what clients get who ask for TLS (posthouse status --tls). Asks tlsd; reads no file.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "lib/wire/secure.h"
#include "master/status.h"
#include "master/status_parts.h"

#define DAY_S 86400

static void
print_until(const struct secure_pair *p)
{
	int64_t now = (int64_t)time(NULL), left = (int64_t)p->until_s - now;
	char when[32];

	printf("    %s %s", left < 0 ? "expired" : "until  ", status_time((int64_t)p->until_s, when));
	if (left >= 0)
		printf(" (%" PRId64 " days)", left / DAY_S);
	if ((int64_t)p->from_s > now)
		printf(", not before %s", status_time((int64_t)p->from_s, when));
	putchar('\n');
}

static void
print_pair(const struct secure_pair *p)
{
	char when[32];

	printf("  %s, %s%s\n    names   %s\n", p->name, p->kind, p->usual ? ", also for clients that name no host of ours" : "",
	    p->hosts);
	print_until(p);
	printf("    SHA-256 %s\n", p->digest);
	if (p->ocsp_from_s == 0) {
		puts("    OCSP    nothing is stapled");
		return;
	}
	printf("    OCSP    stapled, of %s", status_time((int64_t)p->ocsp_from_s, when));
	if (p->ocsp_until_s != 0)
		printf(", until %s", status_time((int64_t)p->ocsp_until_s, when));
	putchar('\n');
}

static void
print_text(const struct secure_standing *st)
{
	struct span rest = buf_span(&st->pairs);
	struct secure_pair p;
	char when[32];

	printf("TLS: %" PRIu64 " connections in %" PRIu64 " processes; session tickets by a key of %s\n", st->connections,
	    st->processes, status_time(st->tickets_s, when));
	puts(rest.len > 0 ? "certificates that are served:" : "no certificate is served: no TLS");
	while (secure_pair_next(&rest, &p))
		print_pair(&p);
}

static void
print_json(const struct secure_standing *st)
{
	struct span rest = buf_span(&st->pairs);
	json_t *all, *list = json_array();
	struct secure_pair p;

	while (secure_pair_next(&rest, &p))
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:b}", "name", p.name, "kind", p.kind,
		    "sha256", p.digest, "hosts", p.hosts, "from", (json_int_t)p.from_s, "until", (json_int_t)p.until_s,
		    "ocsp_from", (json_int_t)p.ocsp_from_s, "ocsp_until", (json_int_t)p.ocsp_until_s, "usual", p.usual));
	all = json_pack("{s:I, s:I, s:I, s:o}", "connections", (json_int_t)st->connections, "processes",
	    (json_int_t)st->processes, "tickets", (json_int_t)st->tickets_s, "certificates", list);
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

int
status_tls(const struct instance *inst, enum status_form form)
{
	char *path = instance_path(inst->run, "tls");
	struct secure_standing st;
	int rv = EX_OK;

	if (secure_status(path, &st) == -1) {
		(void)fprintf(stderr, "status: cannot ask tlsd over %s: it does not run, or not for you: be root\n", path);
		rv = EX_UNAVAILABLE;
	} else if (form == STATUS_JSON)
		print_json(&st);
	else
		print_text(&st);
	buf_free(&st.pairs);
	free(path);
	return rv;
}
