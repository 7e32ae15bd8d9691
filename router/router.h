/*
 * router: who gets a message, and which way: maps → decision. A library; no process.
 *
 * Each answer can say why: `explain`, if not NULL, gets a line a step, "aliases:12 sales → ann, bob".
 */
#ifndef ROUTER_ROUTER_H
#define ROUTER_ROUTER_H

#include "lib/base/buf.h"
#include "lib/mail/path.h"
#include "lib/mail/reply.h"
#include "lib/net/ip.h"
#include "lib/store/conf.h"
#include "lib/store/envelope.h"
#include "lib/store/map.h"
#include "lib/store/quota.h"

struct router {
	const struct conf *conf;
	struct generation *maps; /* domains, users, aliases, routes, access */
	struct ip *own;          /* addresses of this host */
	size_t own_count;
};
/* Learns the addresses of this host too: call it before a sandbox. */
int router_open(struct router *, const struct instance *, const struct conf *, struct buf *why) MUST_CHECK;
void router_refresh(struct router *); /* before each session or job: the current generation */
void router_close(struct router *);

/* --- clients: the access map ------------------------------------------- */
struct device { /* an old printer or program: much is forgiven, little is allowed */
	const char *name;         /* NULL: it is none */
	const char *from;         /* the sender of all its messages; NULL: what it says */
	const char *default_from; /* ... where it says none that could be one; NULL */
	const char *to;           /* who may hear of it; NULL: our own domains */
	uint64_t per_hour;        /* messages; 0: as many as it likes */
};
struct access {
	bool trusted, no_relay, no_local;
	bool proxy, xclient; /* it may say for whom it speaks: in a PROXY header, with XCLIENT */
	const char *reject; /* text, or NULL */
	const char *etrn;   /* domains whose mail it may ask for; NULL: none */
	struct device device;
	unsigned line;      /* of access; 0: no entry */
};
void router_client(const struct router *, const struct ip *, struct access *out, struct arena *);
/* May it write to rcpt, wherever that is? Without to= only to our own domains, which is not asked here. */
bool router_device_may(const struct router *, const struct device *, const struct path *rcpt, struct arena *);
/* Who comes in at this address of ours (at:ADDRESS, at:ADDRESS:PORT, at:*:PORT); changes only an *out that has no entry. */
void router_listener(const struct router *, const struct ip *local, uint16_t port, struct access *out, struct arena *);
/* rcpt:ADDRESS, rcpt:@DOMAIN: as it was written, and in the domain whose alias that is. */
void router_recipient(const struct router *, const struct path *, struct access *out, struct arena *);
/* Is the domain of this sender one of ours? account: and has the sender a mailbox or an alias here? */
bool router_is_ours(const struct router *, const struct path *sender, bool account, struct arena *);
/* sender:ADDRESS, sender:@DOMAIN; helo:NAME entries. */
void router_sender(const struct router *, const char *sender, struct access *out, struct arena *);
void router_helo(const struct router *, const char *helo, struct access *out, struct arena *);
/* cert:DIGEST, then cert-name:NAME (both in lower case, NAME verified; "": none). True: there is an entry. */
bool router_certificate(const struct router *, const char *digest, const char *name, struct access *out, struct arena *);

/* May it ask for the mail of this domain (a key: lib/mail/domain.h), below: of all those below it too? */
bool router_etrn(const struct access *, struct span domain, bool below);

/* --- recipients --------------------------------------------------------- */
struct route_rcpt {            /* one final recipient */
	enum rcpt_action action;
	const char *address;   /* canonical; for RCPT_LOCAL the mailbox's own address */
	bool limited;          /* a mailbox with a quota */
	bool relayed;          /* of a domain that we relay */
	struct route_rcpt *next;
};
struct route {
	enum outcome outcome;    /* SENT: take it; RETRY: defer; FAILED: reject with reply */
	struct reply reply;
	struct route_rcpt *rcpts; /* aliases, forwards, copy-to, catch-all expanded; each mailbox once */
	size_t count;             /* 0 with SENT: accepted and discarded (:discard:) */
};
/*
 * May this client send to rcpt, and who is meant? may_relay: the client may send to other people's domains.
 * complete: a bare name gets the default domain (trusted clients, submission). Memory from the arena.
 */
void router_rcpt(const struct router *, const struct path *rcpt, const struct access *client,
    bool may_relay, bool complete, struct arena *, struct route *out, struct buf *explain);
/* Where bare names belong: default_domain, else the only local domain; as a key of the maps. Empty:
 * nowhere. It may change with the maps. */
struct span router_default_domain(const struct router *, struct arena *);
/* Who a bare <postmaster> is: an address; empty when there is no local domain. */
struct span router_postmaster(const struct router *);

/* --- mailboxes ---------------------------------------------------------- */
struct mailbox {
	const char *address; /* its own, canonical */
	const char *maildir; /* relative to root */
	const char *root;    /* the domain's mail_root, or the instance's */
	const char *name;    /* the person's; "" */
	bool disabled;
	struct quota quota;
	unsigned may;        /* log in where: RIGHT_ of router/entry.h */
	unsigned line;
};
/* By its address or, bare, by name in the default domain; domain aliases followed. 1, 0: none, -1: maps broken. */
int router_mailbox(const struct router *, const char *address, struct arena *, struct mailbox *out) MUST_CHECK;

/* --- next hops ---------------------------------------------------------- */
enum nexthop_kind { NEXTHOP_LOCAL, NEXTHOP_MX, NEXTHOP_SMARTHOST };
struct nexthop {
	enum nexthop_kind kind;
	const char *text;  /* the key of the per-destination queue and remote's order: "local", "mx:example.org",
	                    * "smarthost:mail.isp.example:25,[192.0.2.1]:587" */
	bool on_link;      /* only while the link is up (posthouse link) */
	unsigned line;
};
/* Where an address goes by the current maps; every attempt asks again. sender: for from: keys. 0; -1: a fault of our own maps (RETRY, alarm) with why. */
int router_nexthop(const struct router *, const char *sender, const char *address, enum rcpt_action,
    struct arena *, struct nexthop *out, struct buf *explain, struct buf *why) MUST_CHECK;

#endif
