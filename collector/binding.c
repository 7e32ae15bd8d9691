/*
 * binding: servers that refuse the channel binding of SCRAM-...-PLUS.
 */
#include "collector/binding.h"

#include "lib/base/log.h"

#define FACT_BINDING "channel-binding"
#define VALUE_MAX 300

const struct io *
binding_of(struct fetch *f)
{
	struct buf value = BUF_INIT(VALUE_MAX);
	int64_t since_s;
	bool refused = state_fact(f->state, f->account->name, FACT_BINDING, &value, &since_s) == 1 &&
	    span_case_is(buf_span(&value), f->account->up.host);

	buf_free(&value);
	return refused ? NULL : &f->d.io;
}

void
binding_refused(struct fetch *f)
{
	log_event(EV_WARNING, LS("text", "the server refuses our channel binding, and the same login without it is right: its kind of "
	    "binding is another, or somebody stands in between"), LS("account", f->account->name),
	    LS("host", f->account->up.host));
	(void)!state_fact_set(f->state, f->account->name, FACT_BINDING, f->account->up.host);
}
