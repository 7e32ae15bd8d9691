/*
 * agent: queued's side of a delivery process: jobs come, reports go.
 *
 * One connection to run/agents a worker (lib/wire/agents.h), made again, with a growing
 * pause, whenever queued is not there.
 */
#ifndef DELIVER_AGENT_H
#define DELIVER_AGENT_H

#include "lib/mail/reply.h"
#include "lib/wire/agents.h"

struct job_rcpt {
	const char *number;   /* as queued wrote it */
	const char *address, *orcpt, *notify; /* notify "-": not given */
	/* the report: */
	bool done;            /* an outcome is set */
	bool relayed;         /* SENT to a server that does not tell senders of success */
	enum outcome outcome;
	int code;             /* 0: none */
	char enhanced[12];
	const char *text;     /* in the job's arena; at most TEXT_MAX octets are reported */
};

struct job {
	const char *id, *sender, *nexthop, *ret, *envid;
	int64_t arrived_s;
	uint64_t octets, wire_octets, head_octets;
	bool body_8bit, smtputf8, again;
	bool requiretls;     /* RFC 8689 */
	const char *key;     /* the delivery key; "": none. again: a copy with it may be there already */
	int msg_fd;
	struct job_rcpt *rcpts;
	size_t rcpt_count;
	struct arena *arena; /* of this job */
};

struct agent {
	struct wire wire;    /* fd -1: not connected */
	const char *socket, *kind;
	struct arena *arena;
	int64_t pause_ms;
	unsigned calls;      /* connections made: what queued knew of is known no more */
};
void agent_init(struct agent *, const char *socket, const char *kind);
/* The next job; its memory and fd live until agent_report(). 1: here it is. 0: none until the
 * deadline. -1: SIGTERM. Connects as often as it takes. */
int agent_take(struct agent *, deadline_ms, struct job *) MUST_CHECK;
/* What became of one recipient; the first word counts. text is copied. */
void job_outcome(struct job *, struct job_rcpt *, enum outcome, int code, const char *enhanced, struct span text);
/* Recipients without an outcome are reported as RETRY. Ends the job. host, connected: see lib/wire/agents.h. */
void agent_report(struct agent *, struct job *, const char *host, const char *connected);
void agent_close(struct agent *);

#endif
