/*
 * entry: what the value of an entry says, for each map that the router reads. One table of
 * words a map serves posthouse compile, which reports every fault, and the router, which
 * meets none.
 */
#ifndef ROUTER_ENTRY_H
#define ROUTER_ENTRY_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/net/ip.h"
#include "lib/store/quota.h"

/* Values are spans into the text or the arena; empty when not given. 0; -1 with why: every
 * fault, separated by "; ". */

enum domain_kind { DOMAIN_LOCAL, DOMAIN_ALIAS, DOMAIN_RELAY };
struct domain_entry {
	enum domain_kind kind;
	struct span alias_of, postmaster, catch_all, mail_root;
};
int entry_domain(struct span, struct arena *, struct domain_entry *, struct buf *why) MUST_CHECK;

/* Where a user may log in. */
#define RIGHT_SMTP 1u
#define RIGHT_POP3 2u
#define RIGHT_ALL (RIGHT_SMTP | RIGHT_POP3)

struct user_entry {
	struct span name, maildir;
	struct span quota_text;       /* as written */
	struct quota quota;
	struct span copy_to, forward; /* addresses: entry_next_address */
	struct span rights;           /* as written */
	unsigned may;                 /* RIGHT_ */
	bool disabled;
};
int entry_user(struct span, struct arena *, struct user_entry *, struct buf *why) MUST_CHECK;

enum alias_kind { ALIAS_TO, ALIAS_REJECT, ALIAS_DISCARD };
enum alias_post { POST_ANYBODY, POST_AUTH, POST_AUTH_IF_REMOTE }; /* who may write to the group */
struct alias_entry {
	enum alias_kind kind;
	enum alias_post post;
	struct span text; /* ALIAS_TO: addresses; ALIAS_REJECT: what the sender is told, may be empty */
};
int entry_alias(struct span, struct alias_entry *, struct buf *why) MUST_CHECK;

enum route_kind { ROUTE_MX, ROUTE_SMARTHOST };
struct route_entry {
	enum route_kind kind;
	struct span hosts; /* entry_next_host */
	bool on_link;
};
int entry_route(struct span, struct arena *, struct route_entry *, struct buf *why) MUST_CHECK;

struct access_entry {
	bool trust, reject, no_relay, no_local, proxy, xclient;
	bool disabled; /* a line that is checked and does nothing */
	struct span etrn; /* "example.net,.example.net"; s NULL: not there */
	struct span text;
	struct span device;             /* an old device of this name, and what it may: */
	struct span from, default_from; /* addresses */
	struct span to;                 /* addresses, @domains or "*", with commas between */
	struct span rate;               /* "60/h" */
	uint64_t per_hour;              /* the same; 0: not given */
};
int entry_access(struct span, struct arena *, struct access_entry *, struct buf *why) MUST_CHECK;

enum { FILTER_HEADER = 1, FILTER_BODY = 2, FILTER_ENVELOPE = 4 };
#define FILTER_STRING 500  /* octets of a string */
#define CONTENT_RULES 1000 /* in filters, in attachments: each message is held against all */
struct filter_entry {
	struct span string, regex, text; /* one of the first two; whether regex is one is not looked at */
	unsigned scopes; /* FILTER_..., header if it is not said */
	bool fold;       /* both cases are the same */
};
int entry_filter(struct span, struct arena *, struct filter_entry *, struct buf *why) MUST_CHECK;

struct attachment_entry {
	bool accept, reject;
	struct span text;
};
int entry_attachment(struct span, struct arena *, struct attachment_entry *, struct buf *why) MUST_CHECK;

/* The next of "ann, bob@else.example" in *rest, trimmed; a quoted local-part may hold commas.
 * False at the end. An empty one ("a,,b") is returned empty. */
bool entry_next_address(struct span *rest, struct span *address);
/* The next "host", "host:port", "[192.0.2.1]:port" as text with its port. 1; 0 at the end; -1 with
 * why. */
int entry_next_host(struct span *rest, uint64_t port, struct buf *host, struct buf *why) MUST_CHECK;

/* Names of the words of a map, for messages and for the test that compares them with the manual;
 * ends with NULL. */
extern const char *const domain_words[], *const user_words[], *const route_words[], *const access_words[],
    *const filter_words[], *const attachment_words[];

#endif
