/*
 * milters: the filters that a session and its messages pass (Milter protocol), in their order.
 */
#ifndef SMTPD_MILTERS_H
#define SMTPD_MILTERS_H

#include "lib/net/milter.h"
#include "smtpd/rewrite.h"
#include "smtpd/session.h"

enum milter_peer_state {
	PEER_ON,        /* it is asked (and connected to, when it is not yet) */
	PEER_NOT_NOW,   /* it has accepted the message, or could not be asked: not before the next one */
	PEER_NOT_AGAIN  /* it has accepted the connection */
};
struct milter_peer {
	struct milter link;
	enum milter_peer_state state;
	bool in_message;  /* it was told of MAIL: ABORT is due */
	bool at_end;      /* END was the last that it was told */
	bool refuses;     /* this session, so far; the connection is closed */
};
struct milters {
	struct milter_place places[MILTER_PLACES_MAX];
	struct milter_peer peers[MILTER_PLACES_MAX];
	size_t n;
	struct buf packet, why; /* scratch */
	const struct stage *answering; /* the last of CONNECT, HELO and MAIL that the client said */
};

/* What is told, and when. */
struct stage {
	enum milter_command command;
	enum milter_stage macros;  /* STAGES: none are sent */
	uint32_t left_out, mute;   /* enum milter_step: it wants not to hear of it; does not answer */
	const char *name;          /* for the log */
};
extern const struct stage stage_header, stage_eoh, stage_body, stage_end;

/* milters.c, for milters_message.c: */
/* Tell one filter d->milters->packet (data of the stage's command), and hear it. Reply code 0: go on; *said, unless NULL, is its
 * answer. */
struct reply peer_ask(struct session *, struct milter_peer *, const struct stage *, struct milter_said *said);
/* It cannot be asked, d->milters->why says why; what its settings make of that. */
struct reply peer_failed(struct session *, struct milter_peer *, const struct stage *);
/* What its answer means for the client. */
struct reply peer_react(struct session *, struct milter_peer *, const struct stage *, const struct milter_said *);

/* macros.c: the client's name, else its address in brackets. Those of this stage, as one packet into out; nothing when there are none. */
const char *macros_client_name(const struct session *);
void macros_add(struct session *, const struct milter_peer *, const struct stage *, struct buf *out);

#endif
