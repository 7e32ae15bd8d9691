/*
 * door: what smtpd tells the gate about clients that are not served yet.
 *
 * Runs in the gate's process: it may look at addresses and maps, and says what a client over a limit is told. It
 * never sees a command.
 */
#include "smtpd/door.h"

#include "lib/base/log.h"

static void
view(void *arg, const struct gate_conn *conn, struct gate_view *view)
{
	struct smtpd *d = arg;

	front_view(&d->front, conn, view);
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

void
door_open(struct smtpd *d, struct gate *g)
{
	front_open(&d->front, &d->instance, &d->conf);
	g->per_network = (unsigned)d->conf.smtpd_connections_per_network;
	g->per_minute = (unsigned)d->conf.smtpd_connections_per_minute;
	g->busy = reply_text(SAY_BUSY);
	g->proxy_ms = (int)d->conf.proxy_timeout * 1000;
	g->view = view;
	g->refused = refused;
}
