/*
 * etrn: a site that is called to fetch asks us to send what waits for it (RFC 1985).
 *
 * Who may ask for which domains says the map access; the queue looks for the messages and tries them.
 */
#include <string.h>

#include "lib/base/log.h"
#include "lib/mail/domain.h"
#include "lib/mail/path.h"
#include "smtpd/session.h"

bool
etrn_offered(const struct session *s)
{
	return s->access.etrn != NULL && !s->lmtp;
}

/* "example.net" or "@example.net", with all below it; as a key. False: it is neither. */
static bool
read_node(struct span node, bool *below, struct buf *key)
{
	struct buf address = BUF_INIT(2 * LIMIT_DOMAIN);
	struct path p;
	bool good;

	*below = node.len > 0 && node.s[0] == '@';
	if (*below)
		node = (struct span){ node.s + 1, node.len - 1 };
	buf_adds(&address, "x@");
	buf_addspan(&address, node);
	good = !buf_over(&address) && node.len > 0 && node.s[0] != '[' &&
	    path_parse_address(address.s, address.len, &p) == 0 && p.domain.len > 0;
	if (good)
		domain_key(p.domain, key);
	buf_free(&address);
	return good;
}

/* The client's entry as it is now: what the session knows of it is older. */
static bool
may_ask(struct session *s, struct span domain, bool below)
{
	struct access access;

	router_client(&s->d->router, &s->conn->peer, &access, s->d->arena);
	return router_etrn(&access, domain, below);
}

static void
log_etrn(const struct session *s, const char *node, int64_t messages)
{
	struct buf number = BUF_INIT(24);

	buf_addf(&number, "%lld", (long long)messages);
	log_event(EV_SMTPD_ETRN, LS("client", s->client), LS("node", node),
	    LS("messages", messages < 0 ? "-" : buf_str(&number)));
	buf_free(&number);
}

static struct reply
start(struct session *s, const char *node, const char *domain, bool below)
{
	struct reply r;
	int64_t messages;

	if (submit_retry(&s->d->submit, domain, below, &messages, &r) == -1)
		return reply_say(SAY_ETRN_LATER, r.text);
	log_etrn(s, node, messages);
	return reply_say(messages == 0 ? SAY_ETRN_NONE : SAY_ETRN_STARTED, NULL);
}

struct reply
etrn_run(struct session *s, struct span arg)
{
	struct buf key = BUF_INIT(2 * LIMIT_DOMAIN);
	struct reply r = reply_say(SAY_ETRN_SYNTAX, NULL);
	const char *node;
	bool below;

	arg = span_trim(arg);
	if (!etrn_offered(s)) {
		r = reply_say(SAY_ETRN_NOBODY, NULL);
	} else if (arg.len == 0) {
		r = reply_say(SAY_NEEDS_ARGUMENT, NULL);
	} else if (arg.s[0] == '#') {
		r = reply_say(SAY_ETRN_QUEUE, NULL);
	} else if (read_node(arg, &below, &key)) {
		node = arena_dupn(s->d->arena, arg.s, arg.len);
		r = may_ask(s, buf_span(&key), below) ? start(s, node, buf_str(&key), below) : reply_say(SAY_ETRN_NOT, NULL);
	}
	buf_free(&key);
	return r;
}
