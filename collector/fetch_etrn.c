/*
 * fetch_etrn: "start sending what waits for us" (RFC 1985).
 *
 * Nothing comes this way: the provider connects to our smtpd, if it has something and can. So messages taken
 * are unknown here, and count as none.
 */
#include "collector/turn.h"

#include <string.h>

#include "lib/base/log.h"
#include "lib/base/num.h"

/* RFC 1985, 5.3. */
// clang-format off
static const struct {
	int code;
	bool good;
	const char *result;
} results[] = {
	{ 250, true,  "started" },
	{ 251, true,  "nothing waits" },
	{ 252, true,  "started" },
	{ 253, true,  "started" },
	{ 458, false, "not now" },
	{ 459, false, "not allowed" },
	{ 500, false, "unknown command" },
	{ 502, false, "unknown command" },
	{ 501, false, "not understood" },
	{ 530, false, "login needed" },
};
// clang-format on

/* "253 OK, 12 pending messages for node x started": the only number that is said. */
static uint64_t
pending(const struct esmtp *e)
{
	struct span rest = buf_span(&e->text);
	uint64_t n;

	while (e->code == 253 && rest.s != NULL)
		if (num_parse(span_cut(&rest, ' '), UINT32_MAX, &n) == 0)
			return n;
	return 0;
}

/* Said in the log for each domain; a refusal is said in why, too, and the others are still asked for. */
static bool
judge(struct fetch *f, const struct esmtp *e, const char *domain)
{
	const char *result = e->code / 100 == 2 ? "started" : "refused";
	bool good = e->code / 100 == 2;
	struct buf reply = BUF_INIT(512);

	for (size_t i = 0; i < COUNT(results); i++)
		if (results[i].code == e->code) {
			result = results[i].result;
			good = results[i].good;
		}
	esmtp_add_reply(e, &reply);
	log_event(EV_COLLECT_ETRN, LS("account", f->account->name), LS("domain", domain), LS("result", result),
	    LN("pending", pending(e)), LSPAN("reply", buf_span(&reply)));
	if (!good)
		buf_addf(&f->why, "%s%s: %s: %s", f->why.len > 0 ? "; " : "", domain, result, buf_str(&reply));
	buf_free(&reply);
	return good;
}

static int
ask_all(struct fetch *f, struct esmtp *e)
{
	const struct upstream_strings *domains = &f->account->up.domains;
	int rv = 0;

	for (size_t i = 0; i < domains->n; i++) {
		dialogue_say(e->d, false, "ETRN %s", domains->v[i]);
		if (esmtp_reply(e, &f->why) == -1)
			return -1;
		if (!judge(f, e, domains->v[i]))
			rv = -1;
	}
	turn_quit(e);
	return rv;
}

int
fetch_etrn(struct fetch *f)
{
	struct esmtp e;
	int rv = turn_open(f, &e);

	if (rv == 0 && !esmtp_offers(&e, "ETRN", NULL))
		rv = fetch_failed(f, "the server offers no ETRN", SPAN("is it the right one?"));
	if (rv == 0)
		rv = ask_all(f, &e);
	esmtp_free(&e);
	return rv;
}
