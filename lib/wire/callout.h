/*
 * callout: does the server to which we relay know this recipient? Server: calloutd; client: smtpd.
 *
 * ASK an address. YES; NO, with what that server said for good; UNKNOWN, with why: it cannot be asked now, or would not say.
 */
#ifndef LIB_WIRE_CALLOUT_H
#define LIB_WIRE_CALLOUT_H

#include "lib/mail/reply.h"
#include "lib/wire/wire.h"

enum { CALLOUT_IDLE = 1, CALLOUT_ASKING = 2 };
extern const struct wire_msg callout_messages[];

enum callout_answer { CALLOUT_YES, CALLOUT_NO, CALLOUT_UNKNOWN };
struct callout {           /* the client's side, blocking; connects when needed */
	struct wire wire;
	const char *path;
	struct reply reply;    /* of the last NO, of the last UNKNOWN (code 0): its text lives until the next question */
};
void callout_init(struct callout *, const char *socket_path);
/* Who does not answer in time says UNKNOWN. */
enum callout_answer callout_ask(struct callout *, const char *address, deadline_ms) MUST_CHECK;
void callout_close(struct callout *);

#endif
