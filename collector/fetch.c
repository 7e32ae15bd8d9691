/*
 * fetch: what POP3 and IMAP have in common.
 *
 * Knows the connection, the state and the batch, and no command of either protocol. Whatever goes wrong, the
 * upstream keeps what is not known to be safe here.
 */
#include "collector/fetch.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "collector/stays.h"
#include "collector/dial.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/sys/proc.h"

#define BATCH 256                 /* messages that are settled together, when there are as many */
#define BATCH_OCTETS (8 * 1024 * 1024)

deadline_ms
fetch_patience(const struct fetch *f)
{
	return deadline_in((int64_t)f->house->conf.collect_timeout * 1000);
}

/* Of a run, from now. */
static deadline_ms
time_limit(const struct fetch *f)
{
	uint64_t limit_s = f->account->up.time_limit_s;

	return deadline_in((int64_t)(limit_s != 0 ? limit_s : f->house->conf.collect_time_limit) * 1000);
}

int
fetch_failed(struct fetch *f, const char *what, struct span text)
{
	buf_addf(&f->why, "%s%s: %.*s", f->why.len > 0 ? "; " : "", what, (int)text.len, text.s);
	return -1;
}

void
fetch_round(struct fetch *f)
{
	take_rest(&f->take);
	f->listener->round(f->listener->arg, f->run);
	f->progress = (struct fetch_progress){ 0 };
	f->d.total = NEVER;
}

void
fetch_woken(struct fetch *f)
{
	f->run->started_s = time(NULL);
	f->d.total = time_limit(f);
}

/* --- the connection ------------------------------------------------------ */

int
fetch_start_tls(struct fetch *f)
{
	const struct upstream *up = &f->account->up;
	struct tls_peer peer = { .host = up->host, .ca_file = up->ca, .pins = up->pins.v, .pin_count = up->pins.n };

	f->tls_failed = dialogue_starttls(&f->d, &peer, fetch_patience(f), &f->why) == -1;
	return f->tls_failed ? -1 : 0;
}

static void
name_server(struct fetch *f)
{
	struct buf b = BUF_INIT(sizeof(f->server) - 1);

	buf_addf(&b, "%s (", f->account->up.host);
	ip_add_literal(&b, &f->d.peer);
	buf_addc(&b, ')');
	strlcpy(f->server, buf_str(&b), sizeof(f->server));
	buf_free(&b);
}

static int
tls_at_once(void *arg)
{
	struct fetch *f = arg;

	return f->account->up.tls == UPSTREAM_TLS_IMPLICIT ? fetch_start_tls(f) : 0;
}

int
fetch_connect(struct fetch *f)
{
	const struct upstream *up = &f->account->up;
	int rv = dial(f->house, &f->d, up->host, (uint16_t)up->port, (int64_t)f->house->conf.collect_timeout * 1000,
	    tls_at_once, f, &f->why);

	if (rv == 0)
		name_server(f);
	return rv;
}

int
fetch_reconnect(struct fetch *f)
{
	deadline_ms total = f->d.total;

	dialogue_close(&f->d);
	dialogue_init(&f->d);
	f->d.total = total;
	buf_reset(&f->why);
	f->progress = (struct fetch_progress){ 0 };
	f->run->left = 0;
	return fetch_connect(f);
}

/* --- the plan ------------------------------------------------------------ */

bool
fetch_keep_over(const struct fetch *f, int64_t since_s)
{
	const struct upstream *up = &f->account->up;

	if (up->keep == UPSTREAM_KEEP_NONE)
		return true;
	return up->keep == UPSTREAM_KEEP_DAYS && time(NULL) - since_s >= (int64_t)up->keep_days * 86400;
}

/* What was first seen before then may be deleted upstream. */
static int64_t
keep_until(const struct fetch *f)
{
	const struct upstream *up = &f->account->up;

	if (up->keep == UPSTREAM_KEEP_NONE)
		return INT64_MAX;
	return up->keep == UPSTREAM_KEEP_DAYS ? time(NULL) - (int64_t)up->keep_days * 86400 + 1 : 0;
}

int
fetch_listing_begin(struct fetch *f)
{
	return state_listing_begin(f->state, f->account->name, keep_until(f)) == 0
	    ? 0
	    : fetch_failed(f, "cannot read the state", SPAN("see the log"));
}

int
fetch_listing_end(struct fetch *f)
{
	return state_listing_end(f->state, f->account->name) == 0
	    ? 0
	    : fetch_failed(f, "cannot write the state", SPAN("see the log"));
}

void
fetch_plan_known(struct fetch *f, const char *uid, uint64_t octets, enum state_uid known, int64_t since_s,
    enum fetch_what *what)
{
	*what = FETCH_LEAVE;
	f->suspect = false;
	if (known == STATE_UID_OLD)
		*what = FETCH_DELETE;
	else if (known == STATE_UID_TAKEN)
		*what = since_s != 0 && fetch_keep_over(f, since_s) ? FETCH_DELETE : FETCH_LEAVE;
	else if (octets > f->size_max)
		fetch_left_too_large(f, uid, octets, known == STATE_UID_LEFT);
	else if (f->account->up.max_messages != 0 && f->progress.total >= f->account->up.max_messages) {
		f->run->left++;
		f->run->postponed = true;
	} else
		*what = FETCH_GET;
	if (*what == FETCH_GET)
		stays_consider(f, uid, octets, what);
	f->progress.total += *what == FETCH_GET;
}

int
fetch_plan(struct fetch *f, const char *uid, uint64_t octets, enum fetch_what *what)
{
	enum state_uid known = STATE_UID_NEW;
	int64_t since_s = 0;

	*what = FETCH_LEAVE;
	if (*uid != '\0' && state_uid(f->state, f->account->name, span_of(uid), octets, &known, &since_s) == -1)
		return fetch_failed(f, "cannot read the state", SPAN("see the log"));
	fetch_plan_known(f, uid, octets, known, since_s, what);
	return 0;
}

/* --- a message ----------------------------------------------------------- */

void
fetch_begin(struct fetch *f)
{
	f->octets = 0;
	take_begin(&f->take);
}

int
fetch_octets(struct fetch *f, const char *s, size_t n)
{
	if (n > UINT64_MAX - f->octets || f->octets + n > 2 * f->size_max)
		return fetch_failed(f, "a message without end", SPAN("it is twice as large as may be"));
	f->octets += n;
	if (f->octets <= f->size_max && take_octets(&f->take, s, n) == -1)
		return fetch_failed(f, "stopped", span_of(f->take.error));
	return 0;
}

int
fetch_end(struct fetch *f, const char *uid, uint64_t listed, size_t number)
{
	f->progress.octets += f->octets;
	f->run->octets += f->octets;
	f->batch_octets += f->octets;
	if (f->octets > f->size_max) {
		stays_found_too_large(f, uid, listed);
		take_abort(&f->take);
		return 0;
	}
	if (take_end(&f->take, uid, listed, number) == -1)
		return fetch_failed(f, "stopped", span_of(f->take.error));
	if (f->suspects && *uid != '\0')
		stays_came(f, uid);
	f->progress.done++;
	f->listener->progress(f->listener->arg, &f->progress);
	return 0;
}

/* --- the batch ----------------------------------------------------------- */

bool
fetch_batch_due(const struct fetch *f, bool last)
{
	if (f->take.done_count == 0)
		return false;
	return last || f->take.done_count >= BATCH || f->take.sync_count >= TAKE_BATCH_COPIES / 2 ||
	    f->batch_octets > BATCH_OCTETS;
}

int
fetch_settle(struct fetch *f, int (*safe)(void *, size_t, bool), void *arg)
{
	int rv = take_settle(&f->take);
	bool sound = rv == 0;

	for (size_t i = 0; i < f->take.done_count; i++) {
		const struct take_done *d = &f->take.done[i];

		if (d->refusal != NULL)
			stays_refused_here(f, d);
		if (d->failed)
			continue;
		f->run->messages++;
		if (sound && rv == 0 && safe != NULL)
			rv = safe(arg, d->number, fetch_keep_over(f, d->since_s));
	}
	take_next_batch(&f->take);
	f->batch_octets = 0;
	if (rv == -1 && f->why.len == 0)
		fetch_failed(f, "stopped", span_of(f->take.error));
	return rv;
}

int
fetch_deleted(struct fetch *f, const struct span *uids, size_t n)
{
	return state_deleted(f->state, f->account->name, uids, n) == 0
	    ? 0
	    : fetch_failed(f, "cannot write the state", SPAN("see the log"));
}

/* What came whole before the trouble is kept. */
static void
save_batch(struct fetch *f)
{
	take_abort(&f->take);
	if (f->take.done_count > 0 || f->take.sync_count > 0)
		(void)!fetch_settle(f, NULL, NULL);
}

/* --- a run --------------------------------------------------------------- */

static int (*const protocols[])(struct fetch *) = { [UPSTREAM_POP3] = fetch_pop3, [UPSTREAM_IMAP] = fetch_imap,
	[UPSTREAM_ETRN] = fetch_etrn, [UPSTREAM_ATRN] = fetch_atrn };

static void
describe(const struct fetch *f, struct fetch_probe *probe)
{
	struct buf tls = BUF_INIT(sizeof(probe->tls) - 1);

	tls_describe(&f->d.io, &tls);
	strlcpy(probe->tls, buf_str(&tls), sizeof(probe->tls));
	strlcpy(probe->mechanism, f->mechanism, sizeof(probe->mechanism));
	buf_free(&tls);
}

static enum fetch_result
visit(struct house *h, struct account *a, struct state *state, struct state_run *run,
    const struct fetch_listener *listener, struct fetch_probe *probe)
{
	struct fetch f = { .house = h, .account = a, .state = state, .run = run, .arena = arena_new(),
		.listener = listener, .probe = probe };
	int rv;

	buf_init(&f.why, 1024);
	buf_init(&f.stays, STAYS_MAX);
	dialogue_init(&f.d);
	f.d.total = time_limit(&f);
	f.size_max = a->up.max_size != 0 ? a->up.max_size : h->conf.message_size_limit;
	if (f.size_max == 0)
		f.size_max = INT64_MAX; /* no limit */
	take_init(&f.take, h, a, state, f.server);
	rv = fetch_connect(&f);
	if (rv == 0)
		rv = protocols[a->up.protocol](&f);
	if (rv == -1)
		save_batch(&f);
	snprintf(run->error, sizeof(run->error), "%s",
	    rv == 0 ? "" : proc_stopping ? "stopped on request" : buf_str(&f.why));
	if (probe != NULL)
		describe(&f, probe);
	stays_tell(&f);
	take_free(&f.take);
	dialogue_close(&f.d);
	arena_free(f.arena);
	buf_free(&f.stays);
	buf_free(&f.why);
	return rv == 0 ? FETCH_OK
	    : f.auth_failed ? FETCH_AUTH_FAILED
	    : f.tls_failed ? FETCH_TLS_FAILED : FETCH_FAILED;
}

enum fetch_result
fetch_account(struct house *h, struct account *a, struct state *state, struct state_run *run,
    const struct fetch_listener *listener)
{
	return visit(h, a, state, run, listener, NULL);
}

enum fetch_result
fetch_look(struct house *h, struct account *a, struct state *state, struct fetch_probe *probe, char *error, size_t room)
{
	struct state_run run = { 0 };
	enum fetch_result result = FETCH_FAILED;

	if (a->up.protocol == UPSTREAM_POP3 || a->up.protocol == UPSTREAM_IMAP)
		result = visit(h, a, state, &run, NULL, probe);
	else
		strlcpy(run.error, "there is nothing to look at with this protocol=", sizeof(run.error));
	strlcpy(error, run.error, room);
	return result;
}
