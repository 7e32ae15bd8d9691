/*
 * stays: what is not collected, and the memory of it.
 *
 * A message that fails must not hold up those behind it, nor be asked for with every run; and somebody has to hear of
 * it. What the protocols say of such messages comes in here; what they do next is in fetch_plan()'s answer.
 */
#include "collector/stays.h"

#include <string.h>
#include <time.h>

#include "collector/telling.h"
#include "lib/base/ascii.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/mail/digest.h"
#include "lib/sys/proc.h"

/* --- messages that fail ---------------------------------------------------- */

#define SKIP_S 3600
#define SKIP_MAX_S 86400
#define RESTS_A_DAY 7 /* failures */
#define FACT_NO_UID "a message without UID fails"

static void
fact_name(const struct fetch *f, const char *uid, struct buf *out)
{
	buf_addf(out, "%s%s%s", STATE_FACT_FADING, f->place, uid);
}

/* How often has it failed, and when last? */
static uint64_t
failures(struct fetch *f, const char *uid, uint64_t octets, int64_t *last_s)
{
	struct buf name = BUF_INIT(1024), value = BUF_INIT(100);
	struct span count;
	uint64_t listed = 0, n = 0;

	fact_name(f, uid, &name);
	if (state_fact(f->state, f->account->name, buf_str(&name), &value, last_s) == 1) {
		count = buf_span(&value);
		if (num_parse(span_cut(&count, ' '), UINT64_MAX, &listed) == -1 || count.s == NULL ||
		    listed != octets || num_parse(count, 1000, &n) == -1)
			n = 0;
	}
	buf_free(&name);
	buf_free(&value);
	return n;
}

static void
save_failures(struct fetch *f, const char *uid, uint64_t octets, uint64_t n)
{
	struct buf name = BUF_INIT(1024), value = BUF_INIT(100);

	fact_name(f, uid, &name);
	buf_addf(&value, "%llu %llu", (unsigned long long)octets, (unsigned long long)n);
	(void)!state_fact_set(f->state, f->account->name, buf_str(&name), buf_str(&value));
	buf_free(&name);
	buf_free(&value);
}

void
stays_came(struct fetch *f, const char *uid)
{
	struct buf name = BUF_INIT(1024);

	fact_name(f, uid, &name);
	(void)!state_fact_set(f->state, f->account->name, buf_str(&name), NULL);
	buf_free(&name);
}

/* Is it left alone for now? */
static bool
resting(uint64_t n, int64_t last_s)
{
	int64_t pause = SKIP_MAX_S;

	if (n < 2)
		return false;
	if (n - 2 < 5)
		pause = (int64_t)SKIP_S << (n - 2);
	return time(NULL) - last_s < (pause < SKIP_MAX_S ? pause : SKIP_MAX_S);
}

/* --- what is told ---------------------------------------------------------- */

/* A line or two for the letter. What a server or a sender says may stand in it. */
static void
note(struct fetch *f, const char *uid, uint64_t octets, const char *what, struct span more)
{
	buf_addf(&f->stays, "UID %s, %llu octets: %s\n    ", *uid != '\0' ? uid : "unknown", (unsigned long long)octets,
	    what);
	for (size_t i = 0; i < more.len; i++)
		buf_addc(&f->stays, ascii_print((unsigned char)more.s[i]) || (unsigned char)more.s[i] >= 0xa0 ? more.s[i]
		                                                                                              : '?');
	buf_addc(&f->stays, '\n');
}

void
stays_tell(struct fetch *f)
{
	struct buf subject = BUF_INIT(512), text = BUF_INIT(2 * STAYS_MAX), cause = BUF_INIT(100);
	uint8_t digest[DIGEST_OCTETS];
	char hex[17];

	if (f->stays.len == 0)
		return;
	buf_addf(&subject, "account %s: messages stay at the provider", f->account->name);
	buf_addf(&text, "These messages of the account %s at %s were not collected, and are still there.\n\n%s%s\n",
	    f->account->name, f->account->up.host, buf_str(&f->stays),
	    buf_over(&f->stays) ? "\n... and more: the log has all of them\n" : "");
	buf_addf(&text, "The limit is %llu octets (max_size=, or message_size_limit of posthouse.conf). A message that fails is\n"
	    "tried again after an hour, later once a day; the others are collected meanwhile.\n",
	    (unsigned long long)f->size_max);
	digest_sha256(buf_str(&f->stays), f->stays.len, digest);
	digest_hex(digest, 8, hex);
	buf_addf(&cause, STATE_FACT_FADING "letter %s", hex); /* the same list twice is told once */
	(void)tell_once(f->house, f->state, f->account->name, buf_str(&cause), buf_str(&subject), buf_str(&text));
	buf_free(&subject);
	buf_free(&text);
	buf_free(&cause);
}

/* --- what happens ---------------------------------------------------------- */

void
fetch_trouble(struct fetch *f, const char *uid, uint64_t octets, struct span reason)
{
	int64_t last_s = 0;
	uint64_t n;

	if (*f->take.error != '\0' || proc_stopping)
		return;
	f->troubled = true;
	if (*uid == '\0') {
		(void)!state_fact_set(f->state, f->account->name, FACT_NO_UID, "yes");
		return;
	}
	n = failures(f, uid, octets, &last_s) + 1;
	if (n >= 2 && f->progress.done == 0 && f->progress.total > 1)
		n = 1; /* nothing comes: it is the server, then */
	save_failures(f, uid, octets, n);
	if (n != 2)
		return;
	log_event(EV_WARNING, LS("text", "a message fails again and stays upstream"),
	    LS("account", f->account->name), LS("uid", uid), LN("octets", octets), LSPAN("reason", reason));
	note(f, uid, octets, "it fails again and again", reason);
}

bool
fetch_wants_uids(struct fetch *f)
{
	struct buf value = BUF_INIT(100);
	int64_t since_s;
	int rv = state_fact(f->state, f->account->name, FACT_NO_UID, &value, &since_s);

	buf_free(&value);
	return rv == 1;
}

void
fetch_no_trouble(struct fetch *f)
{
	if (!f->troubled && fetch_wants_uids(f))
		(void)!state_fact_set(f->state, f->account->name, FACT_NO_UID, NULL);
}

void
fetch_describe(const struct sort_header *h, struct buf *out)
{
	for (size_t i = 0; i < h->n; i++)
		if (span_case_is(h->v[i].name, "From") || span_case_is(h->v[i].name, "Subject"))
			buf_addf(out, "%s%.*s: %.*s", out->len > 0 ? ", " : "", (int)h->v[i].name.len, h->v[i].name.s,
			    (int)h->v[i].value.len, h->v[i].value.s);
}

void
fetch_left_too_large(struct fetch *f, const char *uid, uint64_t octets, bool known)
{
	struct buf what = BUF_INIT(LIMIT_LOG_VALUE);

	f->run->left++;
	if (known)
		return;
	if (*uid != '\0')
		(void)!state_left(f->state, f->account->name, span_of(uid), octets);
	if (f->take.begun)
		fetch_describe(&f->take.header, &what);
	else if (f->describe != NULL)
		f->describe(f->describe_arg, &what);
	log_event(EV_WARNING, LS("text", "a message over the size limit stays upstream"),
	    LS("account", f->account->name), LS("uid", uid), LN("octets", octets), LN("limit", f->size_max),
	    LS("message", buf_str(&what)));
	note(f, uid, octets, "it is larger than may be", buf_span(&what));
	buf_free(&what);
}

void
fetch_left_refused(struct fetch *f, const char *uid, uint64_t octets, struct span reply)
{
	log_event(EV_WARNING, LS("text", "the upstream does not hand out a message"), LS("account", f->account->name),
	    LS("uid", uid), LSPAN("reply", reply));
	f->run->left++;
	fetch_trouble(f, uid, octets, reply);
}

void
stays_consider(struct fetch *f, const char *uid, uint64_t octets, enum fetch_what *what)
{
	int64_t last_s = 0;
	uint64_t n = *uid != '\0' ? failures(f, uid, octets, &last_s) : 0;

	f->suspect = n > 0;
	f->suspects = f->suspects || f->suspect;
	if (!resting(n, last_s))
		return;
	*what = FETCH_LEAVE;
	f->run->left++;
}

/* The server may have said less. Then it is looked at again once a day, for the limit may be another. */
void
stays_found_too_large(struct fetch *f, const char *uid, uint64_t listed)
{
	int64_t last_s;
	bool known = *uid != '\0' && failures(f, uid, listed, &last_s) == RESTS_A_DAY;

	fetch_left_too_large(f, uid, listed, known);
	if (*uid != '\0' && listed <= f->size_max)
		save_failures(f, uid, listed, RESTS_A_DAY);
}

void
stays_refused_here(struct fetch *f, const struct take_done *d)
{
	log_event(EV_WARNING, LS("text", "the queue does not take a message, and it stays upstream"),
	    LS("account", f->account->name), LS("uid", d->uid), LS("reason", d->refusal));
	f->run->left++;
	fetch_trouble(f, d->uid, d->listed, span_of(d->refusal));
}
