/*
 * trouble: backoff, and what is told about it.
 *
 * One table says for each cause how soon it is told; the state keeps a line an account ("login 3 SINCE NOT-BEFORE MARK"),
 * and another with the totals.
 */
#include "collector/trouble.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "collector/secret.h"
#include "collector/telling.h"
#include "lib/base/ascii.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/sys/proc.h"

#define FACT_TROUBLE "trouble"
#define FACT_TOTALS "totals"
#define MANY 3     /* failures in a row of which the postmaster hears, when they last long enough */
#define PATIENT 2  /* so many are tried again when the schedule says */
#define DOUBLINGS 30

static const struct {
	const char *name;
	uint64_t failures; /* from this one on it is told, whatever time has passed; 0: MANY, and collect_warn_after */
	const char *subject, *advice;
} causes[] = {
	[TROUBLE_NONE] = { "none", 0, "", "" },
	[TROUBLE_LOGIN] = { "login", 1, "its login is refused",
	    "So that the provider does not lock the account, it is tried less and less often. When the login or the\n"
	    "password in the maps changes, it is tried at once.\n" },
	[TROUBLE_TLS] = { "tls", 2, "its server cannot be trusted",
	    "Nothing was sent to that server, neither the password nor anything else.\n" },
	[TROUBLE_TOKEN] = { "token", UINT64_MAX, "it has no token", "" }, /* never told: tokend does */
	[TROUBLE_OTHER] = { "other", 0, "nothing comes from its server", "It is tried again all the time.\n" },
};

static int64_t
now_s(void)
{
	return (int64_t)time(NULL);
}

/* --- what the state keeps ------------------------------------------------ */

/* So many numbers out of a line; false: it has fewer. */
static bool
read_numbers(struct span rest, uint64_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rest.s == NULL || num_parse(span_cut(&rest, ' '), INT64_MAX, &out[i]) == -1)
			return false;
	return true;
}

void
trouble_load(struct state *state, const char *account, struct trouble *t)
{
	struct buf line = BUF_INIT(256);
	struct span rest, name;
	uint64_t n[4];
	int64_t since_s;

	*t = (struct trouble){ 0 };
	if (state_fact(state, account, FACT_TROUBLE, &line, &since_s) == 1) {
		rest = buf_span(&line);
		name = span_cut(&rest, ' ');
		for (enum trouble_cause c = TROUBLE_LOGIN; c <= TROUBLE_OTHER; c++)
			if (span_is(name, causes[c].name) && read_numbers(rest, n, 4))
				*t = (struct trouble){ .cause = c, .failures = n[0], .since_s = (int64_t)n[1],
					.not_before_s = (int64_t)n[2], .mark = (uint32_t)n[3] };
	}
	buf_free(&line);
}

static void
trouble_save(struct state *state, const char *account, const struct trouble *t)
{
	struct buf line = BUF_INIT(256);

	buf_addf(&line, "%s %llu %lld %lld %u", causes[t->cause].name, (unsigned long long)t->failures,
	    (long long)t->since_s, (long long)t->not_before_s, (unsigned)t->mark);
	(void)!state_fact_set(state, account, FACT_TROUBLE, t->cause == TROUBLE_NONE ? NULL : buf_str(&line));
	buf_free(&line);
}

void
totals_load(struct state *state, const char *account, struct totals *t)
{
	struct buf line = BUF_INIT(256);
	uint64_t n[6];
	int64_t since_s;

	*t = (struct totals){ 0 };
	if (state_fact(state, account, FACT_TOTALS, &line, &since_s) == 1 && read_numbers(buf_span(&line), n, 6))
		*t = (struct totals){ n[0], n[1], n[2], n[3], (int64_t)n[4], (int64_t)n[5] };
	buf_free(&line);
}

static void
totals_add(struct state *state, const char *account, const struct state_run *run, bool good)
{
	struct buf line = BUF_INIT(256);
	struct totals t;

	totals_load(state, account, &t);
	if (t.since_s == 0)
		t.since_s = run->started_s;
	if (good)
		t.good_s = run->ended_s;
	buf_addf(&line, "%llu %llu %llu %llu %lld %lld", (unsigned long long)t.runs + 1,
	    (unsigned long long)t.failures + (good ? 0 : 1), (unsigned long long)t.messages + run->messages,
	    (unsigned long long)t.octets + run->octets, (long long)t.since_s, (long long)t.good_s);
	(void)!state_fact_set(state, account, FACT_TOTALS, buf_str(&line));
	buf_free(&line);
}

/* --- backoff ------------------------------------------------------------- */

/* FNV-1a, of which sixteen bits are kept: enough to see a change, too little to tell a password by. */
static uint32_t
mix(uint32_t h, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.s[i]) * 16777619u;
	return h;
}

uint32_t
trouble_mark(struct account *a, const struct house *h, struct span entry)
{
	uint32_t mark = mix(2166136261u, entry);
	struct buf why = BUF_INIT(1024);
	struct credentials c;
	struct span command;

	if (a->up.auth != UPSTREAM_AUTH_OAUTH && !upstream_secret_command(&a->up, &command)) {
		if (credentials_get(a, h, &c, &why) == 0)
			mark = mix(mark, buf_span(&c.password));
		credentials_wipe(&c);
	}
	buf_free(&why);
	return (mark ^ mark >> 16) & 0xffff;
}

bool
trouble_waits(const struct trouble *t, uint32_t mark, int64_t now)
{
	return t->cause == TROUBLE_LOGIN && now < t->not_before_s && t->mark == mark;
}

static void
add_time(struct buf *b, int64_t at_s)
{
	char text[40];
	time_t at = (time_t)at_s;
	struct tm tm;

	if (localtime_r(&at, &tm) != NULL && strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm) > 0)
		buf_adds(b, text);
}

void
trouble_add_text(struct buf *b, const struct trouble *t)
{
	if (t->cause == TROUBLE_LOGIN)
		buf_addf(b, "the login was refused %llu time%s", (unsigned long long)t->failures,
		    t->failures == 1 ? "" : "s");
	else
		buf_addf(b, "failed %llu time%s", (unsigned long long)t->failures, t->failures == 1 ? "" : "s");
	buf_adds(b, " since ");
	add_time(b, t->since_s);
	if (t->not_before_s > now_s()) {
		buf_adds(b, "; left alone until ");
		add_time(b, t->not_before_s);
	}
}

/* first, doubled with each failure, up to most. */
static uint64_t
grown(uint64_t first, uint64_t failures, uint64_t most)
{
	uint64_t doublings = failures > DOUBLINGS ? DOUBLINGS : failures - 1;

	return first << doublings < most ? first << doublings : most;
}

static int64_t
pause_s(const struct house *h, const struct account *a, const struct trouble *t)
{
	uint64_t every = schedule_every(&a->up.schedule);

	if (t->cause == TROUBLE_LOGIN)
		return (int64_t)grown(h->conf.collect_backoff, t->failures, h->conf.collect_backoff_max);
	if (t->failures <= PATIENT || every == 0)
		return 0;
	return (int64_t)grown(every, t->failures - PATIENT + 1,
	    every > h->conf.collect_backoff ? every : h->conf.collect_backoff);
}

/* --- what is told -------------------------------------------------------- */

/* A server's own words may stand in it. */
static void
add_printable(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++)
		buf_addc(b, ascii_print((unsigned char)*s) || (unsigned char)*s >= 0xa0 ? *s : '?');
}

static void
tell(struct house *h, const struct account *a, struct state *state, const struct trouble *t, const char *error)
{
	struct buf subject = BUF_INIT(512), text = BUF_INIT(4096);

	buf_addf(&subject, "no mail from account %s: %s", a->name, causes[t->cause].subject);
	buf_addf(&text, "Nothing could be collected from the account %s", a->name);
	if (a->up.host != NULL)
		buf_addf(&text, " at %s", a->up.host);
	buf_adds(&text, " since ");
	add_time(&text, t->since_s);
	buf_addf(&text, ":\n\n    ");
	add_printable(&text, error);
	buf_addf(&text, "\n\n%sThe mail stays at the provider. \"posthouse upstream test %s\" tries the account.\n",
	    causes[t->cause].advice, a->name);
	if (t->not_before_s > now_s()) {
		buf_adds(&text, "The next attempt is at ");
		add_time(&text, t->not_before_s);
		buf_adds(&text, ".\n");
	}
	(void)tell_once(h, state, a->name, causes[t->cause].name, buf_str(&subject), buf_str(&text));
	buf_free(&subject);
	buf_free(&text);
}

static bool
to_be_told(const struct house *h, const struct trouble *t)
{
	uint64_t from = causes[t->cause].failures;

	if (from != 0)
		return t->failures >= from;
	return t->failures >= MANY && now_s() - t->since_s >= (int64_t)h->conf.collect_warn_after;
}

static void
tell_recovery(struct house *h, const struct account *a, struct state *state, const struct trouble *t)
{
	struct buf subject = BUF_INIT(512), text = BUF_INIT(4096);
	bool had_been_told = false;

	for (enum trouble_cause c = TROUBLE_LOGIN; c <= TROUBLE_OTHER; c++)
		had_been_told |= tell_over(state, a->name, causes[c].name);
	buf_addf(&subject, "mail comes from account %s again", a->name);
	buf_addf(&text, "The account %s is collected from again. Nothing had come from it since ", a->name);
	add_time(&text, t->since_s);
	buf_adds(&text, ".\n");
	if (had_been_told) {
		(void)tell_once(h, state, a->name, "recovery", buf_str(&subject), buf_str(&text));
		(void)tell_over(state, a->name, "recovery");
	}
	buf_free(&subject);
	buf_free(&text);
}

/* --- after a run --------------------------------------------------------- */

static void
count_failure(const struct house *h, const struct account *a, enum trouble_cause cause, struct trouble *t)
{
	if (t->cause == TROUBLE_NONE)
		t->since_s = now_s();
	t->failures = t->cause == cause ? t->failures + 1 : 1;
	t->cause = cause;
	t->not_before_s = pause_s(h, a, t);
	if (t->not_before_s != 0)
		t->not_before_s += now_s();
}

static enum trouble_cause
cause_of(const struct account *a, enum fetch_result result)
{
	switch (result) {
	case FETCH_AUTH_FAILED:
		return TROUBLE_LOGIN;
	case FETCH_TLS_FAILED:
		return TROUBLE_TLS;
	default:
		return a->tokenless ? TROUBLE_TOKEN : TROUBLE_OTHER;
	}
}

void
trouble_after(struct house *h, const struct account *a, struct state *state, enum fetch_result result,
    const struct state_run *run, struct trouble *t)
{
	if (result != FETCH_OK && proc_stopping)
		return; /* says nothing about the account */
	totals_add(state, a->name, run, result == FETCH_OK);
	if (result != FETCH_OK) {
		count_failure(h, a, cause_of(a, result), t);
		trouble_save(state, a->name, t);
		if (to_be_told(h, t))
			tell(h, a, state, t, run->error);
	} else if (t->cause != TROUBLE_NONE) {
		log_event(EV_COLLECT_RECOVERED, LS("account", a->name), LN("failures", t->failures),
		    LN("since", t->since_s));
		tell_recovery(h, a, state, t);
		*t = (struct trouble){ 0 };
		trouble_save(state, a->name, t);
	}
}
