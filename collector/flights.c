/*
 * flights: a ring of transactions with the queue.
 *
 * Knows their order and when to say what; not what is in them, nor what is done with those that have landed.
 */
#include "collector/flights.h"

#include <string.h>

#include "lib/mail/reply.h"

#define WRITTEN_AHEAD 16 /* COMMIT awaits the disk: it is said when so many have taken off behind it */
#define ASKED_AHEAD 4   /* places that have their files when their turn comes */
#define GAP_MS 50       /* who comes slower than this is not kept waiting */

void
flights_init(struct flights *f, const char *submit_path, size_t room)
{
	memset(f, 0, sizeof(*f));
	f->room = room < FLIGHTS ? room : FLIGHTS;
	for (size_t i = 0; i < f->room; i++)
		submit_init(&f->v[i].submit, submit_path);
}

void
flights_free(struct flights *f)
{
	for (size_t i = 0; i < f->room; i++)
		submit_close(&f->v[i].submit);
}

static struct flight *
at(struct flights *f, size_t i)
{
	return &f->v[(f->first + i) % f->room];
}

struct submit *
flights_ground(struct flights *f)
{
	return &at(f, f->count)->submit;
}

bool
flights_full(const struct flights *f)
{
	return f->count + 1 + f->room / (FLIGHTS / ASKED_AHEAD) >= f->room;
}

/* A failure shows when it lands. */
static void
say(struct flight *f)
{
	if (!f->said && submit_say(&f->submit, &f->failure) == -1)
		f->failed = true;
	f->said = true;
}

void
flights_take_off(struct flights *f, const struct flight_copy *copy)
{
	bool alone = deadline_over(f->gap_until);
	struct flight *new = at(f, f->count++);

	new->copy = *copy;
	new->said = new->failed = false;
	f->gap_until = deadline_in(GAP_MS);
	for (size_t i = 0; i + (alone ? 0 : WRITTEN_AHEAD) < f->count; i++)
		say(at(f, i));
}

int
flights_land(struct flights *f, deadline_ms until, bool more, struct flight_copy *copy, struct submit_kept *kept,
    struct reply *reply)
{
	struct flight *old = at(f, 0);
	int rv;

	for (size_t i = 0; !more && i < f->count; i++)
		say(at(f, i)); /* all are wanted */
	say(old);
	*copy = old->copy;
	*reply = old->failure;
	rv = old->failed ? -1 : submit_linked(&old->submit, until, reply);
	if (rv == 0)
		submit_keep(&old->submit, kept);
	if (rv == 0 && more)
		submit_ask(&old->submit);
	f->first = (f->first + 1) % f->room;
	f->count--;
	return rv;
}

void
flights_rest(struct flights *f)
{
	if (f->count == 0)
		flights_free(f);
}

bool
flights_has(const struct flights *f, const unsigned char digest[DIGEST_OCTETS])
{
	for (size_t i = 0; i < f->count; i++)
		if (memcmp(f->v[(f->first + i) % f->room].copy.digest, digest, DIGEST_OCTETS) == 0)
			return true;
	return false;
}
