/*
 * telling: notices to the postmaster, remembered in the state.
 *
 * It is remembered after the queue has the message: whoever is killed in between tells twice rather than never.
 */
#include "collector/telling.h"

#include <string.h>

#include "lib/base/log.h"
#include "router/notice.h"

static void
fact_name(struct buf *name, const char *cause)
{
	if (strncmp(cause, STATE_FACT_FADING, strlen(STATE_FACT_FADING)) != 0)
		buf_adds(name, "told ");
	buf_adds(name, cause);
}

bool
tell_once(struct house *h, struct state *state, const char *account, const char *cause, const char *subject,
    const char *text)
{
	const struct notice n = { .program = "collect", .subject = subject, .text = text };
	struct buf name = BUF_INIT(1024), value = BUF_INIT(64), why = BUF_INIT(1024);
	int64_t since_s;
	bool knows;

	fact_name(&name, cause);
	knows = state_fact(state, account, buf_str(&name), &value, &since_s) == 1;
	if (!knows && notice_send(&h->router, h->submit_path, &n, &why) == 0)
		knows = state_fact_set(state, account, buf_str(&name), "told") == 0;
	if (why.len > 0)
		log_error(EV_WARNING, LS("text", buf_str(&why)), LS("subject", subject));
	buf_free(&name);
	buf_free(&value);
	buf_free(&why);
	return knows;
}

bool
tell_over(struct state *state, const char *account, const char *cause)
{
	struct buf name = BUF_INIT(1024), value = BUF_INIT(64);
	int64_t since_s;
	bool knew;

	fact_name(&name, cause);
	knew = state_fact(state, account, buf_str(&name), &value, &since_s) == 1;
	if (knew)
		(void)!state_fact_set(state, account, buf_str(&name), NULL);
	buf_free(&name);
	buf_free(&value);
	return knew;
}
