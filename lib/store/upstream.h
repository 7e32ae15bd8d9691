/*
 * upstream: what an entry of the map `upstreams` says: an account at a provider, how to fetch from it and how to
 * sort what comes. One table of words (upstream.c) serves posthouse compile and collect; upstreams(5)
 * documents each word.
 */
#ifndef LIB_STORE_UPSTREAM_H
#define LIB_STORE_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/store/schedule.h"

enum upstream_kind { UPSTREAM_DOMAIN = 1, UPSTREAM_SHARED, UPSTREAM_SINGLE };
enum upstream_protocol { UPSTREAM_POP3, UPSTREAM_IMAP, UPSTREAM_ETRN, UPSTREAM_ATRN, UPSTREAM_WAKE };
enum upstream_tls { UPSTREAM_TLS_DEFAULT, UPSTREAM_TLS_IMPLICIT, UPSTREAM_TLS_STARTTLS, UPSTREAM_TLS_NONE, UPSTREAM_TLS_NONE_FORCED };
enum upstream_keep { UPSTREAM_KEEP_NONE, UPSTREAM_KEEP_ALL, UPSTREAM_KEEP_DAYS };
enum upstream_auth {
	UPSTREAM_AUTH_ANY,  /* the strongest that the server offers; else the protocol's own login, under TLS */
	UPSTREAM_AUTH_USER, /* the protocol's own login (USER and PASS, LOGIN) */
	UPSTREAM_AUTH_APOP, /* RFC 1939, 7 */
	UPSTREAM_AUTH_SASL, /* a mechanism */
	UPSTREAM_AUTH_OAUTH /* with a token */
};
enum upstream_pipelining { UPSTREAM_PIPELINING_AUTO, UPSTREAM_PIPELINING_YES, UPSTREAM_PIPELINING_NO };
enum upstream_wake { UPSTREAM_WAKE_NONE, UPSTREAM_WAKE_FINGER, UPSTREAM_WAKE_MAIL, UPSTREAM_WAKE_COMMAND };
enum upstream_envelope { UPSTREAM_ENVELOPE_AUTO, UPSTREAM_ENVELOPE_NONE, UPSTREAM_ENVELOPE_FIELD };

struct upstream_strings {
	const char **v;
	size_t n;
};
/* alias=USER:WORD, name=USER:Full Name, cc=USER:OTHER,OTHER, list=KEY:USER,USER */
struct upstream_pair {
	const char *key;
	struct upstream_strings values;
};
struct upstream_pairs {
	struct upstream_pair *v;
	size_t n;
};

struct upstream {
	/* how to fetch */
	enum upstream_protocol protocol;
	const char *host;
	uint64_t port;               /* default by protocol and tls: 995, 110; 993, 143; etrn 465, 25; atrn 366 */
	enum upstream_tls tls;
	const char *ca;              /* file of certificates to trust instead of the system's; NULL */
	struct upstream_strings pins; /* sha256//BASE64 of SubjectPublicKeyInfo, as curl writes them */
	const char *login;           /* default: the first mailbox */
	const char *secret;          /* key in `secrets`, or "!COMMAND ..."; NULL: the account's own name */
	enum upstream_auth auth;
	const char *mechanism;       /* with SASL and OAUTH: this one only ("SCRAM": any of these); NULL: the best */
	const char *provider;        /* with auth=oauth: key in `providers`; NULL: the token comes from a command */
	const char *client_id, *tenant, *scope; /* ... and what it is asked with; tenant and scope may be NULL */
	enum upstream_pipelining pipelining;
	enum upstream_keep keep;
	uint64_t keep_days;          /* with UPSTREAM_KEEP_DAYS */
	uint64_t max_size;           /* octets; a larger message is left there; 0: any */
	uint64_t max_messages;       /* a run; 0: any */
	uint64_t time_limit_s;       /* a run; 0: collect_time_limit */
	struct schedule schedule;
	enum upstream_wake wake_how; /* before it is collected from */
	const char *wake;            /* user@host, address or command */
	const char *wake_template;   /* file in etc; NULL: words of our own */
	/* IMAP */
	struct upstream_strings folders; /* in UTF-8; "INBOX" when none is named; none with POP3 */
	const char *move_to;         /* where collected mail goes instead of being deleted; NULL */
	bool mark_seen;              /* what is kept is marked as read */
	bool idle;                   /* stay, and collect what arrives at once */
	/* how to sort: collector-corpus, "Configuration keys" */
	enum upstream_kind kind;
	struct upstream_strings mailboxes, domains, users, publics, trusted;
	struct upstream_pairs aliases, names, ccs, lists;
	const char *fallback;
	enum upstream_envelope envelope;
	const char *envelope_field;  /* with UPSTREAM_ENVELOPE_FIELD */
	uint64_t envelope_nth;       /* 0: all of them */
	bool envelope_any;           /* below the trusted zone too */
	const char *strip_prefix;    /* "" */
	char subaddress;             /* 0: none */
	const char *site;            /* NULL: our host name */
	uint64_t max_hops;
	bool parse_subject;
};

/* The value of an entry. Strings live in the arena. 0; -1 with why: every fault, separated by "; ". */
int upstream_parse(struct span value, struct arena *, struct upstream *out, struct buf *why) MUST_CHECK;
/* "user@host", "user@host:port"; an IPv6 address in brackets. Strings in the arena; port 0: not said. */
struct upstream_finger {
	const char *user, *host;
	uint64_t port;
};
bool upstream_finger_parse(struct span, struct arena *, struct upstream_finger *);
/* Is there a mailbox upstream, whose messages are to be sorted? With etrn and atrn a queue waits for
 * us, and comes by SMTP; with wake nothing is fetched. */
bool upstream_has_mailbox(const struct upstream *);
/* Does a command tell the secret? Then *command is its words. */
bool upstream_secret_command(const struct upstream *, struct span *command);
/* The words there are, for the test that compares them with the manual. NULL: no more. */
const char *upstream_word(size_t i);

#endif
