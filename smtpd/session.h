/*
 * session: one SMTP client (RFC 5321), from greeting to good bye.
 */
#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H

#include "lib/net/dns.h"
#include "lib/net/gate.h"
#include "lib/store/conf.h"
#include "lib/sys/io.h"
#include "lib/wire/callout.h"
#include "lib/wire/exchange.h"
#include "lib/wire/gauge.h"
#include "lib/wire/secure.h"
#include "lib/wire/submit.h"
#include "smtpd/body.h"
#include "smtpd/content.h"
#include "smtpd/fixup.h"
#include "smtpd/params.h"
#include "smtpd/rate.h"
#include "smtpd/rcpts.h"
#include "smtpd/replies.h"
#include "router/front.h"
#include "router/router.h"

#define BLOCK_OCTETS 65536 /* of a message written at once */

/* What a worker keeps from session to session; nothing of a client's stays in it. */
struct smtpd {
	struct instance instance;
	char *full_dir; /* marks of full mailboxes */
	struct conf conf;
	bool inetd;           /* the one connection is on fd 0 */
	bool odmr;            /* for one connection that collect has turned round */
	struct ip peer;       /* of the one connection of an inetd, which does not tell */
	struct front front;   /* the gate's */
	struct dnsbl_rules lists;
	struct dns *dns;      /* NULL: no setting asks for it */
	struct silence *silence; /* of the resolver; shared by all workers */
	struct router router;
	struct submit submit;
	char *limit_of;       /* the generation that message_size_limit is of; NULL: it stays (odmr) */
	struct gauge gauge;   /* the queue's */
	char *gauge_path;
	struct secure secure; /* tlsd */
	struct callout callout; /* calloutd */
	struct auth auth;     /* authd */
	struct io io;
	struct arena *arena;  /* of one transaction */
	struct arena *kept;   /* of one session: what access says of the client */
	struct buf text;      /* of one reply, one address: scratch */
	struct rcpts rcpts;
	struct milters *milters; /* NULL: there are none */
	bool milters_inet;    /* over TCP */
	char *block;          /* BLOCK_OCTETS */
	struct content content; /* filters and attachments */
	struct rate *rate;    /* shared by all workers */
};

enum {
	START = 1, /* no HELO yet */
	READY = 2,
	MAIL = 4,  /* MAIL taken */
	RCPT = 8,  /* and at least one RCPT */
	BODY = 16, /* 354 said, or BDAT with its size */
	SHAKING = 64, /* 220 said to STARTTLS */
	SASL = 128, /* 334 said to AUTH */
	CHUNK = 256, /* between two of BDAT */
	GONE = 32,
	ANY = START | READY | MAIL | RCPT | CHUNK,
	SAME = 0
};

struct alias {                    /* an address that the maps made others of */
	const char *to, *rcpt;    /* rcpt: the first of them */
	size_t count;
	const struct alias *next;
};
struct taken {                    /* RCPT, as milters know it */
	const char *address;
	const struct route_rcpt *finals;
	bool removed;
	struct taken *next;
};
struct transaction {
	const char *sender;       /* canonical; "": null */
	struct params params;
	const char *envid;        /* decoded; NULL: none */
	bool no_relay, no_local;  /* what access says of the sender */
	uint64_t rcpts_tried, rcpts_taken;
	const char *original;     /* of the first RCPT taken, canonical */
	const struct alias *aliases; /* the last first */
	/* with milters only */
	struct taken *taken;      /* the last first */
	bool discard;             /* one of them lets it disappear */
	const char *held;         /* one of them wants it held: why */
	struct reply refused;     /* the answer to DATA; code 0: not refused */
	const char *milter_address; /* the recipient that they are asked about */
	const struct route_rcpt *milter_finals; /* ... who is meant; NULL: nobody */
	const struct reply *milter_error; /* our refusal of it, that they are told of */
	struct span milter_message_id; /* while they read the message */
};

struct reception {               /* of a message: receive.c */
	struct body body;
	struct file {
		int fd;          /* -1: nobody wants the message (:discard:) */
		char *block;
		size_t used;
		int error;       /* errno of the first failed write; nothing is written any more */
		uint64_t octets, lines; /* above the message: head and Received */
		uint64_t head_octets;
		size_t ours;     /* where our Received is among the fields, from 0 */
	} file;
	time_t now;
	bool begun;
	bool scanned;            /* content looks at it */
	bool flushed;            /* its first octets are not in the block any more */
	struct fixup fixup;
};
struct chunk {                   /* what BDAT announced */
	bool given, last, wanted; /* wanted: not only to be swallowed */
	unsigned said_in;         /* the state */
	uint64_t octets;
};

struct session {
	struct smtpd *d;
	struct gate_conn *conn;
	unsigned state;
	bool submission;          /* RFC 6409: our own people only */
	bool xclient;             /* who connected may say whom it speaks for */
	bool lmtp;                /* RFC 2033 */
	bool odmr;                /* RFC 2645: we called the client, to bring us our mail */
	bool tls;                 /* TLS is there */
	struct secure_facts facts; /* of it */
	char user[LIMIT_ADDRESS + 1]; /* who has logged in: a mailbox; "" */
	char mechanism[24];       /* how: "SCRAM-SHA-256" */
	struct exchange exchange; /* while SASL goes on */
	unsigned login_failures;
	bool plain_name;          /* a device that encoded its name at AUTH LOGIN not */
	bool esmtp;
	bool lenient;             /* a blank where none belongs was logged */
	char client[64];          /* "[192.0.2.1]" */
	char rdns[LIMIT_DOMAIN + 1]; /* the name of its address, "": not known */
	bool rdns_asked, fcrdns; /* fcrdns: and that name has this address */
	char helo[LIMIT_DOMAIN + 1];
	struct access access;     /* what access says of the client */
	bool helo_no_relay, helo_no_local;
	deadline_ms end;
	bool stopping;            /* SIGTERM was heard: end is near */
	uint64_t errors, messages;
	uint64_t idle;            /* commands since the last message that lead to none */
	const char *verb;         /* of the command being answered, for the log */
	const char *rcpt;         /* its recipient, if any */
	const char *why;          /* the session ended */
	struct transaction tx;
	struct reception reception;
	struct chunk chunk;
};

/* What sessions use again and again, made before there are workers: of a page that they do not write to there is one
 * for all of them. */
void session_prepare(struct smtpd *);
/* The whole session. Takes conn->fd. */
void session_serve(struct smtpd *, struct gate_conn *);

/* For commands and receive: */
void session_reset(struct session *); /* forget the transaction */
/* The banner for who is at the other end now: 220, or 554 and the session is over. */
struct reply session_greeting(struct session *);
void session_name_client(struct session *); /* conn->peer has changed */
deadline_ms session_deadline(const struct session *); /* of one command */
bool session_of_stranger(const struct session *); /* nobody has named him, and he has not logged in */
/* A stranger takes a worker's time while others wait for one: he gets HURRY_MS for what may take smtpd_timeout else.
 * So that this is noticed during a wait, strangers' waits are cut in slices. */
#define HURRY_MS 10000
bool session_hurried(const struct session *);
deadline_ms session_slice(const struct session *, deadline_ms until);
void session_interrupted(struct session *); /* a wait was, by a signal */
/* d->text's content in the transaction's memory. */
const char *session_keep_text(struct session *);
const char *session_keep_address(struct session *, const struct path *); /* canonical; likewise */

/* commands.c: the answer to one line; moves the state. */
struct reply command_run(struct session *, struct span line);
/* The client is trusted, a device of ours or has logged in: no list is held against it. */
bool session_ours(const struct session *);
/* policy.c: whom access, settings and DNS lists let send as whom, and to whom. Code 0: go on. */
struct reply policy_refuse(const char *text); /* what access refuses, in its own words or, if there are none, ours */
struct reply policy_sender(struct session *, const struct path *); /* then s->tx has the sender, and what access says of it */
struct reply policy_recipient(struct session *, const struct path *); /* before the router is asked */
struct access policy_client(const struct session *); /* as whom the router shall take the client for this transaction */
/* device.c: what old devices are forgiven, which access names. */
bool is_device(const struct session *);
void device_begin(struct session *); /* it may leave HELO away */
/* MAIL's and RCPT's address as the device gave it or ought to have: octets it takes of arg; -1: nothing helps. n: what the
 * parser said, -1 or octets. */
ssize_t device_sender(struct session *, struct span arg, ssize_t n, struct path *);
ssize_t device_rcpt(struct session *, struct span arg, ssize_t n, struct path *);
bool device_may_have_another(struct session *); /* message, by its rate */
/* What it says at AUTH LOGIN, in base64; maybe in text. */
struct span device_login(struct session *, struct span said, bool name, struct buf *text);
/* lookup.c: memory that processes forked later share. */
struct silence *lookup_silence(void) MUST_CHECK;
/* SAY_SENDER_OK, SAY_SENDER_NONE, SAY_SENDER_LATER */
enum said lookup_sender(struct session *, const struct path *sender);
void lookup_client(struct session *); /* rdns and fcrdns, once a session */
/* xclient.c: XCLIENT */
struct reply xclient_run(struct session *, struct span arg);
/* etrn.c: ETRN */
bool etrn_offered(const struct session *);
struct reply etrn_run(struct session *, struct span arg);
/* full.c: refusals while the queue is full, or the disk nearly so. Code 0: go on. */
struct reply full_connect(struct session *);
struct reply full_mail(struct session *);
struct reply full_rcpt(struct session *, const struct route *);
/* commands.c: what RFC 3461 adds to an address, in the transaction's memory: ENVID decoded (NULL: it is none), ORCPT as given or
 * made of the address. */
const char *session_envid(struct session *, struct span envid);
const char *session_orcpt(struct session *, const char *address, struct span given);
size_t session_room(const struct session *); /* so many more final recipients fit */
/* login.c: AUTH (RFC 4954), and the line behind a 334. */
bool login_offered(const struct session *);
/* The name in the client's certificate by which it may log in (EXTERNAL); "": none. */
const char *login_external(const struct session *);
struct reply login_begin(struct session *, struct span arg);
struct reply login_go_on(struct session *, struct span line);
/* Whether who has logged in may send as this. */
bool login_may_send_as(struct session *, const struct path *sender);
/* receive.c: the message behind 354, or the chunk behind BDAT; moves the state. Code 0: the client is gone (s->why). */
struct reply receive_message(struct session *);
struct reply receive_chunk(struct session *);
/* What stands above a message for mailboxes, as sender and recipients are now; appended. */
void receive_head(struct session *, struct buf *out);

/* milters.c: what filters say to each step. Code 0: go on. All of them cost nothing where there are none. */
bool milters_open(struct smtpd *); /* before the sandbox; true: one of them is asked over TCP */
struct reply milters_connect(struct session *);
struct reply milters_helo(struct session *);
struct reply milters_mail(struct session *, const char *sender, struct span args);
struct reply milters_rcpt(struct session *, const char *address, const struct route_rcpt *finals, struct span args);
void milters_rcpt_refused(struct session *, const char *address, struct span args, const struct reply *);
struct reply milters_data(struct session *);
struct reply milters_unknown(struct session *, struct span line);
void milters_abort(struct session *); /* the transaction has ended otherwise */
void milters_quit(struct session *);
void milters_remember(struct session *, const char *address, const struct route_rcpt *finals);
/* milters_message.c: the message is whole. They may change it, s->tx and the recipients. 250: go on. */
struct reply milters_message(struct session *);

#endif
