/*
 * imap_idle: waiting for mail (RFC 2177), for accounts that stay.
 *
 * Servers end an IDLE after half an hour, and the network between may forget a silent connection much sooner: so it is
 * said anew in time, and sooner where the connection was lost before. Only the open folder is watched; the
 * others are looked at now and then.
 */
#include <errno.h>

#include "collector/imap_parts.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/sys/proc.h"

#define RENEW_S (25 * 60)   /* RFC 2177, 3: 29 minutes at most */
#define RENEW_MIN_S 60
#define OTHERS_S (5 * 60)   /* between looks at other folders */
#define WHOLE_S (60 * 60)   /* ... at the folder itself: what is to be deleted after days */
#define QUICK_MS 5000       /* a server that ends an IDLE sooner by itself does not mean it */
#define FACT_NO_IDLE "there is no idle"
#define FACT_RENEW "idle is renewed after seconds"

bool
imap_can_idle(struct imap *m)
{
	struct buf value = BUF_INIT(20);
	int64_t since_s;
	bool can = (m->can & IMAP_IDLE) != 0, said;

	said = state_fact(m->f->state, m->f->account->name, FACT_NO_IDLE, &value, &since_s) == 1;
	buf_free(&value);
	if (can == said)
		(void)!state_fact_set(m->f->state, m->f->account->name, FACT_NO_IDLE, can ? NULL : "yes");
	if (!can && !said)
		log_event(EV_WARNING, LS("text", "the upstream has no IDLE, so idle=yes is of no use: the schedule holds"),
		    LS("account", m->f->account->name));
	return can;
}

static uint64_t
renew_s(struct imap *m)
{
	struct buf value = BUF_INIT(20);
	int64_t since_s;
	uint64_t s = RENEW_S;

	if (state_fact(m->f->state, m->f->account->name, FACT_RENEW, &value, &since_s) == 1 &&
	    (num_parse(buf_span(&value), RENEW_S, &s) == -1 || s < RENEW_MIN_S))
		s = RENEW_S;
	buf_free(&value);
	return s;
}

/* The connection is gone. After a silence that long ones do not survive, silences get shorter. */
static int
lost(struct imap *m, int64_t silent_ms)
{
	struct buf value = BUF_INIT(20);
	int64_t s = silent_ms / 2000;

	m->lost = true;
	if (m->bye.len > 0)
		log_event(EV_WARNING, LS("text", "the upstream ended the session"), LS("account", m->f->account->name),
		    LSPAN("reply", buf_span(&m->bye)));
	else if (s >= RENEW_MIN_S / 2) {
		buf_addf(&value, "%lld", (long long)(s > RENEW_MIN_S ? s : RENEW_MIN_S));
		(void)!state_fact_set(m->f->state, m->f->account->name, FACT_RENEW, buf_str(&value));
	}
	buf_free(&value);
	return 0;
}

/* 1: there is something to read; 0: the time is over; -1: the connection is. */
static int
wait_for(struct imap *m, deadline_ms until)
{
	int rv;

	if (io_unread(&m->f->d.io).len > 0)
		return 1;
	rv = io_fill(&m->f->d.io, until);
	if (rv == -1 && errno == ETIMEDOUT)
		return 0;
	return rv == 1 ? 1 : -1;
}

/* Listen until mail comes. 1: it did; 0: the time is over, or the server is; -1 with why (also when it is told to stop),
 * or with lost set. */
static int
watch(struct imap *m, deadline_ms until)
{
	int64_t heard_ms = clock_mono_ms();
	int rv;

	while (!m->folder.grown && !m->answered) {
		rv = wait_for(m, until);
		if (rv == 0)
			return 0;
		if (rv == -1 && proc_stopping)
			return -1;
		if (rv == -1) {
			lost(m, clock_mono_ms() - heard_ms);
			return -1;
		}
		if (imap_listen(m) == -1)
			return -1;
		heard_ms = clock_mono_ms();
	}
	return m->folder.grown;
}

/* One IDLE. As imap_idle(), and 2: nothing came, say it anew. */
static int
idle_once(struct imap *m, deadline_ms until)
{
	int64_t begun_ms = clock_mono_ms();
	int rv;

	imap_start(m, "IDLE");
	if (imap_await(m, true) == -1)
		return -1;
	if (m->answered)
		return imap_failed(m, "the server does not let us wait (IDLE)");
	rv = watch(m, until);
	if (rv == -1)
		return m->lost ? 0 : -1;
	if (!m->answered)
		dialogue_say(&m->f->d, false, "DONE");
	else if (rv == 0 && clock_mono_ms() - begun_ms < QUICK_MS)
		return imap_failed(m, "the server does not let us wait (IDLE)");
	if (imap_await(m, false) == -1)
		return -1;
	return rv == 1 ? 1 : 2;
}

static deadline_ms
next_look(const struct imap *m)
{
	return deadline_in((m->f->account->up.folders.n > 1 ? OTHERS_S : WHOLE_S) * INT64_C(1000));
}

int
imap_idle(struct imap *m)
{
	deadline_ms look = next_look(m);
	int rv = 2;

	if (m->f->account->up.folders.n > 1 && imap_open(m, m->f->account->up.folders.v[0]) != 0)
		return fetch_failed(m->f, "cannot watch", span_of(m->f->account->up.folders.v[0]));
	while (rv == 2 && !deadline_over(look))
		rv = m->folder.grown ? 1
		                     : idle_once(m, deadline_earlier(look, deadline_in((int64_t)renew_s(m) * 1000)));
	return rv == 2 ? 1 : rv;
}
