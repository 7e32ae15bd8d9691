/*
 * posthouse route: who gets a message, which way, and why.
 *
 * Asks the router as smtpd and queued do, and prints each step. Changes nothing,
 * and asks no DNS.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/ascii.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/options.h"
#include "lib/store/full.h"
#include "router/router.h"

static const char usage_text[] =
    "usage: posthouse [-C DIR] route [--from ADDRESS] [--client IP] [--json] ADDRESS\n\n"
    "  Says who gets mail for ADDRESS, which way, and the line of the map that decides.\n\n"
    "  --from ADDRESS  the sender (routes and access may ask for it)\n"
    "  --client IP     as if this client said RCPT TO; default: one of our own people\n"
    "  --json          for programs\n\n"
    "  Exit status: 0 accepted, 69 rejected, 75 deferred.\n";

struct asking {
	const char *dir, *from, *client, *address;
	bool json;
	char *full_dir; /* marks of mailboxes that are over their quota */
};

struct answer {
	struct route route;
	struct buf steps;        /* "map:line text" lines */
	struct nexthop *hops;    /* of each recipient; text NULL: a fault of our own maps */
	const char **places;     /* maildirs; NULL for relayed ones */
};

static void
read_options(struct asking *q, int argc, char *argv[])
{
	static const struct option names[] = {
		{ "from", required_argument, NULL, 'f' },
		{ "client", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	q->from = "";
	while ((c = getopt_long(argc, argv, "C:", names, NULL)) != -1)
		if (c == 'C')
			q->dir = optarg;
		else if (c == 'f')
			q->from = strcmp(optarg, "<>") == 0 ? "" : optarg;
		else if (c == 'c')
			q->client = optarg;
		else if (c == 'j')
			q->json = true;
		else
			options_usage(usage_text, c == 'h' ? 0 : EX_USAGE);
	if (optind + 1 != argc)
		options_usage(usage_text, EX_USAGE);
	q->address = argv[optind];
}

/* --- asking -------------------------------------------------------------- */

static void
rejected(struct answer *a, int code, const char *enhanced, const char *text)
{
	a->route.outcome = FAILED;
	a->route.reply.code = code;
	(void)strlcpy(a->route.reply.enhanced, enhanced,
	    sizeof(a->route.reply.enhanced));
	a->route.reply.text = text;
}

/* No list is held against these. */
static bool
is_ours(const struct access *who)
{
	return who->trusted || who->device.name != NULL;
}

/* What access says about the recipient; true: that was the answer. */
static bool
ask_recipient(const struct router *r, const struct path *p, const struct access *who, struct arena *mem, struct answer *a)
{
	struct access named;

	router_recipient(r, p, &named, mem);
	if (named.line > 0)
		buf_addf(&a->steps, "access:%u recipient reject%s\n", named.line, is_ours(who) ? ", but not for our own people" : "");
	if (named.reject != NULL && !is_ours(who))
		rejected(a, 550, "5.7.1", named.reject);
	else if (who->device.name != NULL && !router_device_may(r, &who->device, p, mem))
		rejected(a, 550, "5.7.1", "This device may not write to this recipient");
	else
		return false;
	return true;
}

/* What access says about client and sender; true: that was the answer. */
static bool
ask_access(const struct router *r, const struct asking *q, struct access *who,
    struct arena *mem, struct answer *a)
{
	struct access sender;
	struct ip ip;

	memset(who, 0, sizeof(*who));
	if (q->client == NULL)
		who->trusted = true;
	else if (ip_parse(span_of(q->client), &ip) == -1)
		fatal(EX_USAGE, "cannot use %s: it is no IP address", q->client);
	else
		router_client(r, &ip, who, mem);
	if (q->client == NULL)
		buf_adds(&a->steps, "client one of our own people\n");
	else if (who->line > 0)
		buf_addf(&a->steps, "access:%u client %s%s%s%s%s%s%s%s%s%s%s\n", who->line,
		    q->client, who->trusted ? " trust" : "",
		    who->reject != NULL ? " reject" : "",
		    who->no_relay ? " no-relay" : "",
		    who->no_local ? " no-local" : "",
		    who->proxy ? " proxy" : "",
		    who->xclient ? " xclient" : "",
		    who->etrn != NULL ? " etrn=" : "", who->etrn != NULL ? who->etrn : "",
		    who->device.name != NULL ? " device=" : "",
		    who->device.name != NULL ? who->device.name : "");
	else
		buf_addf(&a->steps, "access client %s: no entry, a stranger\n",
		    q->client);
	router_sender(r, q->from, &sender, mem);
	if (sender.line > 0)
		buf_addf(&a->steps, "access:%u sender <%s>%s\n", sender.line,
		    q->from, sender.reject != NULL ? " reject" : "");
	if (who->reject != NULL)
		rejected(a, 554, "5.7.1", who->reject);
	else if (sender.reject != NULL && !is_ours(who))
		rejected(a, 550, "5.7.1", sender.reject);
	else {
		who->no_local |= sender.no_local;
		who->no_relay |= sender.no_relay;
		return false;
	}
	return true;
}

static void
ask_place(const struct router *r, const struct route_rcpt *rcpt,
    struct arena *mem, const char **place)
{
	struct buf path = BUF_INIT(LIMIT_MAP_LINE);
	struct mailbox box;

	if (router_mailbox(r, rcpt->address, mem, &box) == 1) {
		buf_addf(&path, "%s/%s", box.root, box.maildir);
		*place = arena_dupn(mem, path.s, path.len);
	}
	buf_free(&path);
}

static void
ask_hops(const struct router *r, const struct asking *q, struct arena *mem,
    struct answer *a)
{
	struct buf why = BUF_INIT(1000);
	const struct route_rcpt *rcpt;
	size_t i = 0;

	a->hops = arena_alloc(mem, (a->route.count + 1) * sizeof(*a->hops));
	a->places = arena_alloc(mem, (a->route.count + 1) * sizeof(*a->places));
	for (rcpt = a->route.rcpts; rcpt != NULL; rcpt = rcpt->next, i++) {
		if (router_nexthop(r, q->from, rcpt->address, rcpt->action,
		    mem, &a->hops[i], &a->steps, &why) == -1) {
			buf_addf(&a->steps, "routes %s\n", buf_str(&why));
			rejected(a, 451, "4.3.5", "Our configuration is at "
			    "fault");
			a->hops[i].text = NULL;
			a->route.outcome = RETRY;
		}
		if (rcpt->action == RCPT_LOCAL)
			ask_place(r, rcpt, mem, &a->places[i]);
		buf_reset(&why);
	}
	buf_free(&why);
}

/* As smtpd does: who is alone is refused, of a group the others get it. */
static void
ask_full(const struct router *r, const struct asking *q, struct answer *a)
{
	int64_t now = clock_real_us() / 1000000;

	for (const struct route_rcpt *rcpt = a->route.rcpts; rcpt != NULL; rcpt = rcpt->next) {
		int64_t since = rcpt->limited ? full_since(q->full_dir, rcpt->address, now) : 0;
		enum outcome outcome = full_outcome(since, now, r->conf->quota_grace);

		if (outcome == SENT)
			continue;
		buf_addf(&a->steps, "quota %s is full, for %lld minutes now\n", rcpt->address, (long long)(now - since) / 60);
		if (a->route.outcome != SENT || a->route.count != 1)
			continue;
		if (outcome == RETRY)
			rejected(a, 452, "4.2.2", "The mailbox is full: try again later");
		else
			rejected(a, 552, "5.2.2", "The mailbox is full");
		a->route.outcome = outcome;
	}
}

static void
ask(const struct router *r, const struct asking *q, struct arena *mem,
    struct answer *a)
{
	struct access who;
	struct path p;

	if (path_parse_address(q->address, strlen(q->address), &p) == -1) {
		rejected(a, 501, "5.1.3", "This is no address");
		return;
	}
	if (ask_access(r, q, &who, mem, a))
		return;
	if (ask_recipient(r, &p, &who, mem, a))
		return;
	who.trusted |= who.device.to != NULL;
	router_rcpt(r, &p, &who, who.trusted, who.trusted || who.device.name != NULL, mem, &a->route, &a->steps);
	ask_hops(r, q, mem, a);
	ask_full(r, q, a);
}

/* --- telling ------------------------------------------------------------- */

static const char *const verdicts[] = {
	[SENT] = "accepted", [RETRY] = "deferred", [FAILED] = "rejected"
};

static void
tell(const struct asking *q, const struct answer *a)
{
	struct span rest = buf_span(&a->steps), line;
	const struct route_rcpt *rcpt;
	size_t i = 0;

	(void)printf("%s\n", q->address);
	while (rest.s != NULL && rest.len > 0) {
		line = span_cut(&rest, '\n');
		(void)printf("    %.*s\n", (int)line.len, line.s);
	}
	for (rcpt = a->route.rcpts; rcpt != NULL; rcpt = rcpt->next, i++)
		(void)printf("  %s by %s%s%s\n", rcpt->address,
		    a->hops[i].text == NULL ? "nothing yet" : a->hops[i].text,
		    a->places[i] != NULL ? " in " : "",
		    a->places[i] != NULL ? a->places[i] : "");
	(void)printf("%s: %d %s %s%s\n", verdicts[a->route.outcome],
	    a->route.reply.code, a->route.reply.enhanced, a->route.reply.text,
	    a->route.outcome == SENT && a->route.count == 0 ?
	    " (and discarded)" : "");
}

static json_t *
step_json(struct span line)
{
	struct span text = line, map = span_cut(&text, ' '), number = map;
	json_t *step = json_object();
	uint64_t n;

	map = span_cut(&number, ':');
	json_object_set_new(step, "map", json_stringn(map.s, map.len));
	if (number.s != NULL && num_parse(number, UINT32_MAX, &n) == 0)
		json_object_set_new(step, "line", json_integer((json_int_t)n));
	json_object_set_new(step, "text", json_stringn(text.s == NULL ? "" :
	    text.s, text.len));
	return step;
}

static json_t *
rcpt_json(const struct route_rcpt *rcpt, const struct nexthop *hop,
    const char *place)
{
	json_t *o = json_object();

	json_object_set_new(o, "address", json_string(rcpt->address));
	json_object_set_new(o, "action", json_string(rcpt->action ==
	    RCPT_LOCAL ? "local" : "relay"));
	if (hop->text != NULL)
		json_object_set_new(o, "nexthop", json_string(hop->text));
	if (place != NULL)
		json_object_set_new(o, "maildir", json_string(place));
	return o;
}

static void
tell_json(const struct asking *q, const struct answer *a)
{
	json_t *o = json_object(), *steps = json_array(), *rcpts = json_array();
	struct span rest = buf_span(&a->steps);
	const struct route_rcpt *rcpt;
	size_t i = 0;

	while (rest.s != NULL && rest.len > 0)
		json_array_append_new(steps, step_json(span_cut(&rest, '\n')));
	for (rcpt = a->route.rcpts; rcpt != NULL; rcpt = rcpt->next, i++)
		json_array_append_new(rcpts, rcpt_json(rcpt, &a->hops[i],
		    a->places[i]));
	json_object_set_new(o, "address", json_string(q->address));
	json_object_set_new(o, "verdict",
	    json_string(verdicts[a->route.outcome]));
	json_object_set_new(o, "code", json_integer(a->route.reply.code));
	json_object_set_new(o, "enhanced",
	    json_string(a->route.reply.enhanced));
	json_object_set_new(o, "text", json_string(a->route.reply.text));
	json_object_set_new(o, "steps", steps);
	json_object_set_new(o, "recipients", rcpts);
	(void)json_dumpf(o, stdout, JSON_INDENT(2));
	(void)putchar('\n');
	json_decref(o);
}

int
main(int argc, char *argv[])
{
	static const int codes[] = { [SENT] = EX_OK, [RETRY] = EX_TEMPFAIL,
		[FAILED] = EX_UNAVAILABLE };
	struct buf why = BUF_INIT(1000);
	struct arena *mem = arena_new();
	struct asking q = { 0 };
	struct answer a = { .steps = BUF_INIT(64 << 20) };
	struct instance inst;
	struct conf conf;
	struct router r;
	int code;

	log_open("route");
	read_options(&q, argc, argv);
	instance_open(&inst, q.dir);
	conf_load(&conf, &inst);
	q.full_dir = instance_path(inst.state, "full");
	if (router_open(&r, &inst, &conf, &why) == -1)
		fatal(EX_CONFIG, "cannot use the maps: %s", buf_str(&why));
	ask(&r, &q, mem, &a);
	(q.json ? tell_json : tell)(&q, &a);
	code = codes[a.route.outcome];
	buf_free(&a.steps);
	free(q.full_dir);
	arena_free(mem);
	router_close(&r);
	conf_free(&conf);
	instance_close(&inst);
	return fflush(stdout) == 0 ? code : EX_IOERR;
}
