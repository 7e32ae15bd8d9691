/*
 * flights: copies on their way into the queue, side by side.
 *
 * While the newest one is being written, the disk writes those before it, and the queue names those before them:
 * nobody waits for one message what can be waited for once for many. They land in the order in which they took off.
 */
#ifndef COLLECTOR_FLIGHTS_H
#define COLLECTOR_FLIGHTS_H

#include "lib/mail/digest.h"
#include "lib/mail/reply.h"
#include "lib/wire/submit.h"

#define FLIGHTS 32 /* at most, with a connection to the queue each */

struct flight_copy {
	size_t person;  /* of the account */
	size_t message; /* number in the batch */
	unsigned char digest[DIGEST_OCTETS];
};
struct flight {
	struct submit submit;
	struct flight_copy copy;
	bool said;      /* COMMIT */
	bool failed;    /* it could not be said */
	struct reply failure;
};
struct flights {
	struct flight v[FLIGHTS]; /* a ring of room */
	size_t room, first, count;
	deadline_ms gap_until;    /* a copy that comes later than this shares its waits with nobody */
};

/* room: 2 to FLIGHTS. */
void flights_init(struct flights *, const char *submit_path, size_t room);
void flights_free(struct flights *);
/* The transaction that is not flying yet, to be opened and written to. */
struct submit *flights_ground(struct flights *);
/* The one on the ground is whole (submit_fill): it takes off. When they are too many, one must land before there is
 * a ground again. */
void flights_take_off(struct flights *, const struct flight_copy *);
bool flights_full(const struct flights *);
/* The oldest one's answer, awaited until then. *copy tells which it is. 0: the queue has it, *kept is what is to be
 * synced; -1 with *reply: it has not. more: another will soon want its place. */
int flights_land(struct flights *, deadline_ms until, bool more, struct flight_copy *copy, struct submit_kept *kept,
    struct reply *) MUST_CHECK;
/* Nothing is in the air, and nothing will be for a while: the connections end. */
void flights_rest(struct flights *);
/* Is the same message in the air? */
bool flights_has(const struct flights *, const unsigned char digest[DIGEST_OCTETS]);

#endif
