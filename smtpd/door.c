/*
 * door: what smtpd tells the gate about clients that are not served yet.
 *
 * Runs in the gate's process: it may look at addresses and maps, and says what a client over a limit is told. It
 * never sees a command.
 */
#include "smtpd/door.h"

#include <string.h>
#include <sysexits.h>

#include "lib/base/log.h"

static void
view(void *arg, const struct gate_conn *conn, struct gate_view *view)
{
	struct smtpd *d = arg;

	front_view(&d->front, conn, view);
	view->wait = d->front.eager && !view->trusted && strcmp(conn->service, "smtp") == 0;
}

static void
refused(void *arg, const struct gate_conn *conn, const char *limit, const char *detail)
{
	struct buf client = BUF_INIT(64), reason = BUF_INIT(200);

	(void)arg;
	ip_add_literal(&client, &conn->peer);
	if (limit != NULL) {
		log_event(EV_SMTPD_REFUSED, LS("client", buf_str(&client)), LS("service", conn->service), LN("code", 421),
		    LS("reason", limit));
	} else if (detail == NULL) {
		log_event(EV_SMTPD_REFUSED, LS("client", buf_str(&client)), LS("service", conn->service), LN("code", 554),
		    LS("reason", "pregreet"));
	} else {
		buf_addf(&reason, "PROXY header: %s", detail);
		log_event(EV_SMTPD_REFUSED, LS("client", buf_str(&client)), LS("service", conn->service),
		    LS("reason", buf_str(&reason)));
	}
	buf_free(&client);
	buf_free(&reason);
}

static const char *
reply_text(enum said said)
{
	struct reply r = reply_say(said, NULL);
	struct buf out = BUF_INIT(512);

	reply_format(&r, &out);
	return out.s; /* for as long as the process lives */
}

static void
open_lists(struct smtpd *d, struct gate *g)
{
	struct buf why = BUF_INIT(500);

	if (dnsbl_rules_parse(span_of(d->conf.dnsbl), &d->lists, &why) == -1)
		fatal(EX_CONFIG, "cannot use dnsbl: %s", buf_str(&why));
	buf_free(&why);
	d->lists.threshold = (int)d->conf.dnsbl_threshold;
	g->lists_ms = (int)d->conf.dnsbl_timeout * 1000;
	g->lists = (struct dnsbl_settings){ &d->lists, d->conf.resolver, g->lists_ms, (int)d->conf.dnsbl_probe * 1000 };
}

void
door_open(struct smtpd *d, struct gate *g)
{
	front_open(&d->front, &d->instance, &d->conf);
	d->limit_of = mem_dup(generation_name(d->front.router.maps));
	g->per_network = (unsigned)d->conf.smtpd_connections_per_network;
	g->per_minute = (unsigned)d->conf.smtpd_connections_per_minute;
	open_lists(d, g);
	g->banner_ms = (int)d->conf.banner_delay * 1000;
	d->front.eager = g->banner_ms > 0 || d->lists.n > 0;
	g->early = reply_text(SAY_EARLY);
	g->busy = reply_text(SAY_BUSY);
	g->proxy_ms = (int)d->conf.proxy_timeout * 1000;
	g->view = view;
	g->refused = refused;
}
