/*
 * queued: what the parts of the queue manager share.
 *
 *   submitters.c  the submit socket: files out, envelopes in, LINKED
 *   agents.c      the agents socket: jobs out, reports in
 *   admin.c       the control socket
 *   messages.c    a message while it is being worked on: attempt, bounce, end
 *   sites.c       destinations: whose turn it is, how many at once, whom to leave alone
 *   records.c     what is remembered of a message that waits
 *   keys.c        delivery keys of late: what was taken is not taken twice
 *   flush.c       what waits for one domain is tried now (ETRN)
 *   full.c        when no more mail is taken
 *   link.c        the line that is not always up
 *   files.c       names in the spool
 *   syncer.c      syncs of directories, shared, where names do not follow their files
 */
#ifndef QUEUE_QUEUED_H
#define QUEUE_QUEUED_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/mail/reply.h"
#include "lib/store/conf.h"
#include "lib/store/envelope.h"
#include "lib/store/instance.h"
#include "lib/store/spool.h"
#include "lib/wire/agents.h"
#include "lib/wire/gauge.h"
#include "lib/wire/wire.h"
#include "router/router.h"

struct agent;
struct lister;
struct message;
struct search;
struct site;
struct submitter;
struct syncer;

enum kind { KIND_LOCAL, KIND_REMOTE, KIND_BOUNCE, KIND_COUNT };
extern const char *const kind_names[KIND_COUNT];

/* --- records.c: a message that waits ------------------------------------- */

enum { IN_NEW = 1, HELD = 2, ON_LINK = 4 }; /* ON_LINK: some of it goes, or may go, by a route with on=link */
struct record {
	char id[16];           /* spool_id() makes 15 digits */
	uint32_t due;          /* seconds since 1970: the next attempt */
	uint32_t place;        /* in the heap of what is due; NO_PLACE: it is not */
	struct record *next;   /* of the same hash */
	struct message *work;  /* being worked on; NULL: waiting */
	unsigned flags;
	uint32_t domain;       /* flush_domain() */
};
#define NO_PLACE UINT32_MAX

struct records {
	struct record **bucket, **heap;
	size_t buckets, count, heap_count, heap_cap, held;
	struct record *spare;
};
struct record *records_add(struct records *, const char *id);
struct record *records_find(const struct records *, const char *id);
void records_remove(struct records *, struct record *);
/* Set or take back the time of the next attempt. */
void records_schedule(struct records *, struct record *, int64_t due);
void records_unschedule(struct records *, struct record *);
struct record *records_first(const struct records *); /* earliest due; NULL: none */

/* --- keys.c: delivery keys of late --------------------------------------- */

#define KEYS 16384 /* remembered: more than all accounts together have under way */
struct key {
	char key[LIMIT_KEY], id[16];
	bool taken;    /* we have said that we have it, or may have; else it is being decided */
	uint32_t next; /* of the same hash */
};
struct keys {
	struct key *ring; /* made for the first key */
	uint32_t next, bucket[KEYS];
};
struct key *keys_find(struct keys *, const char *key); /* NULL: not of late */
void keys_add(struct keys *, const char *key, const char *id, bool taken);
void keys_taken(struct keys *, const char *key); /* "": nothing */
void keys_forget(struct keys *, const char *id);
void keys_free(struct keys *);

/* --- sites.c: where mail goes ------------------------------------------- */

/* A message's recipients for one site. */
struct part {
	struct message *message;
	struct site *site;
	size_t *rcpt; /* numbers in the envelope */
	size_t count, given;
	TAILQ_ENTRY(part) turn;    /* of the site, while recipients wait */
	SLIST_ENTRY(part) sibling; /* of the message */
};
struct site {
	char *text; /* router_nexthop() */
	enum kind kind;
	TAILQ_HEAD(, part) parts;
	unsigned busy;         /* jobs with agents */
	unsigned window, most; /* so many at once now, and at best */
	unsigned failures;     /* in a row, of the whole site */
	int64_t down_until;    /* seconds; it is left alone till then */
	char *last;            /* what was said when it went down */
	bool in_turn;
	bool on_link;          /* a route with on=link leads there */
	bool shut;             /* ... and the link is down: nothing new */
	TAILQ_ENTRY(site) turn;
	LIST_ENTRY(site) same;
};
#define SITE_BUCKETS 4096
struct sites {
	LIST_HEAD(, site) bucket[SITE_BUCKETS];
	TAILQ_HEAD(site_turn, site) turn[KIND_COUNT]; /* those that have work and room */
	size_t count, down;
};
void sites_init(struct sites *);
struct site *sites_get(struct sites *, enum kind, const char *text, unsigned most);
void site_add(struct sites *, struct part *);          /* its recipients wait for an agent */
void site_take_back(struct sites *, struct part *);    /* they do not */
struct site *sites_next(struct sites *, enum kind);    /* whose turn it is; NULL: nobody's */
void site_given(struct sites *, struct site *, struct part *); /* a job was taken from it */
void site_free(struct sites *, struct site *);         /* ... and has ended */
void site_well(struct sites *, struct site *);
/* It failed as a whole: nothing for wait_s. */
void site_down(struct sites *, struct site *, int64_t now_s, int64_t wait_s, const char *last);
void site_shut(struct sites *, struct site *, bool shut);
void sites_up(struct sites *);                         /* an administrator says: try all */
void sites_sweep(struct sites *, int64_t now_s);

/* --- messages.c: a message that is being worked on ----------------------- */

enum rcpt_state {
	WAITING,  /* for an agent */
	GIVEN,    /* an agent has it */
	WAS_SENT, WAS_DEFERRED, WAS_FAILED, WAS_EXPIRED,
	WAS_OWED, /* sent, and the sender is still to be told so */
	SETTLED   /* done or bounced, written in the envelope */
};
struct progress {
	enum rcpt_state state;
	bool tried;        /* by an agent, not only by us */
	enum news news;    /* what the sender is being told of it */
	const char *reply; /* "450 4.2.0 host said: ..." */
};
enum phase {
	DIRECT,   /* the files have no names yet, agents link the message into mailboxes */
	LINKED,   /* it has its names; the submitter syncs */
	TRYING,   /* agents work on it */
	BOUNCING  /* the sender is being told */
};
struct message {
	struct record *record; /* NULL in DIRECT */
	struct arena *arena;
	struct envelope env;
	struct progress *rcpt;
	enum phase phase;
	int msg_fd, env_fd;         /* until it is linked, else -1 */
	struct span env_text;       /* what is to be written into env_fd before that; empty: it is there */
	struct submitter *from;     /* waits for our answer, or for its disk (LINKED); NULL: gone */
	size_t jobs;                /* with agents */
	SLIST_HEAD(, part) parts;
	bool died;                  /* an agent died over it */
	bool hold_it, delete_it;    /* as soon as this attempt is over */
	bool naming;                /* the syncer has it */
	char by[64];                /* who said so */
	char synced_as[16];         /* LINKED: the ID under which its submitter came again; "": its own */
	struct event timer;         /* DIRECT */
	TAILQ_ENTRY(message) wait;  /* DIRECT: for an agent; LINKED: the submitter's */
	bool waits;
	struct message *spare;
};
struct queued;
struct message *message_new(struct queued *);
void message_free(struct queued *, struct message *);
void message_start(struct queued *, struct message *);  /* every recipient to its site */
void message_check(struct queued *, struct message *);  /* is this attempt over? */
void messages_due(struct queued *);                     /* start what is due, arm the timer */
/* Write down, at once, what has been delivered: a crash must not deliver it again. */
void message_mark_sent(struct queued *, struct message *);
void message_remove(struct queued *, struct record *, const char *why);
/* Out of the queue as soon as no agent has it. */
void message_drop(struct queued *, struct message *, const char *why);
/* Recipients wait (again) for an agent. */
void message_wait(struct queued *, struct message *, struct site *, const size_t *rcpt, size_t n);
void message_settle(struct message *, size_t rcpt, enum rcpt_state, const char *reply);
int message_hold(struct queued *, struct record *, const char *by);
int message_release(struct queued *, struct record *);
void message_delete(struct queued *, struct record *, const char *by);
void message_end_rcpt(int env_fd, struct message *, size_t rcpt, enum rcpt_status);
/* What is wrong with an envelope that parses; NULL: nothing. */
const char *envelope_fault(const struct envelope *);
/* Everybody who waits for this site waits longer. */
void messages_put_off(struct queued *, struct site *, const char *reply);
size_t rcpts_in(const struct message *, enum rcpt_state);

/* --- link.c --------------------------------------------------------------- */

void link_read(struct queued *); /* after a start */
/* Sites of routes with on=link get nothing new (down), or all that may wait for them (up: so many messages). 0; -1:
 * that could not be remembered, so it is as before. */
int link_set(struct queued *, bool down, const char *by, size_t *messages) MUST_CHECK;
size_t link_busy(const struct queued *); /* jobs under way by it */
const char *link_deferral(void);

/* --- flush.c -------------------------------------------------------------- */

/* Where its recipients are, in short: a hash of the only domain that it is to be relayed to, or none of it. 0: look. */
uint32_t flush_domain(const struct envelope *);
/* Look for what waits for the domain (below: and for those below it), a slice at a time; it is tried at once. The
 * submitter hears of it soon (submitter_retrying). False: too many are looked for already. */
bool flush_begin(struct queued *, struct submitter *, const char *domain, bool below) MUST_CHECK;
void flush_forget(struct queued *, const struct submitter *); /* it has gone */

/* --- full.c ---------------------------------------------------------------- */

void full_begin(struct queued *); /* with the spool and the loop there */
void full_show(struct queued *);  /* to smtpd: the number of messages may have changed */
bool full_space_low(struct queued *);

/* --- files.c ------------------------------------------------------------- */

int files_link(const struct spool *, int msg_fd, int env_fd, const char *id, bool held);
void files_unlink(const struct spool *, const struct record *);
void files_attempted(const struct spool *, struct record *); /* new/ to cur/ */
int files_open_message(const struct spool *, const char *id);
int files_open_envelope(const struct spool *, const struct record *, int flags);
int files_hold(const struct spool *, const char *id);
int files_release(const struct spool *, const char *id);
void files_bad(const struct spool *, const struct record *);
struct found {
	size_t messages, held, swept, bad;
};
int files_scan(struct queued *, struct found *);
/* The delivery keys of what came last, as far as it is here. */
void files_read_keys(struct queued *);

/* --- the sockets --------------------------------------------------------- */

void submitters_listen(struct queued *, int fd);
void submitters_sweep(struct queued *, int64_t now_s);
/* What a submitter waits for has come: LINKED. */
void submitter_linked(struct submitter *, const struct message *, const char *how);
/* RETRYING: so many messages; -1: the search goes on. */
void submitter_retrying(struct submitter *, int64_t messages);
/* The direct way is at its end: give the files names, tell the submitter. */
void message_queue(struct queued *, struct message *);
void message_direct(struct queued *, struct message *); /* an agent has reported */

void agents_listen(struct queued *, int fd);
void agents_dispatch(struct queued *); /* work to the idle */
size_t agents_count(const struct queued *, enum kind, bool idle);
void agents_sweep(struct queued *, int64_t now_s);

void admin_listen(struct queued *, int fd);

struct syncer *syncer_start(struct queued *);
/* Calls done(arg) once all names made before this call are on disk. error: errno or 0. */
void syncer_ask(struct syncer *, void (*done)(struct queued *, void *arg, int error), void *arg);

/* --- the house ----------------------------------------------------------- */

struct queued {
	struct instance instance;
	struct conf conf;
	struct router router;
	struct spool spool;
	bool sync_names;
	bool link_down;
	struct event_base *base;
	struct event *due_timer, *sweep_timer;
	char *packet;          /* one buffer for all who talk to us */
	struct records records;
	struct sites sites;
	struct keys keys;
	struct syncer *syncer;
	struct message *spare; /* messages to be used again */
	size_t working;        /* messages in memory as a whole */
	TAILQ_HEAD(, message) direct; /* those with recipients to give out */
	TAILQ_HEAD(agent_list, agent) idle[KIND_COUNT];
	TAILQ_HEAD(, submitter) submitters;
	LIST_HEAD(, search) searches;
	TAILQ_HEAD(, message) orphans; /* LINKED, with a key; their submitter was cut off, and comes again */
	struct agent_list agents; /* all */
	size_t agent_count[KIND_COUNT], submitter_count;
	int64_t space_seen_ms;    /* when the free space was looked at */
	bool space_low;
	struct event *space_timer;
	struct gauge gauge;
	struct {
		uid_t smtpd, collect, queue, mail, remote;
	} uids;
	gid_t admins; /* group posthouse; -1: there is none */
	int64_t started_s;
};
int64_t now_s(void);
/* wire_recv with the shared buffer: the packet's words last until the next call. */
int queued_recv(struct queued *, struct wire *, struct wire_packet *);
/* An event for a descriptor that is read when there is something; accept with non-blocking results. */
struct event *queued_watch(struct queued *, int fd, event_callback_fn, void *);
int queued_accept(int listen_fd, uid_t *uid);

#endif
