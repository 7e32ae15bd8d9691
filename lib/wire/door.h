/*
 * door: the socket of a service for programs of ours: anybody may connect; who they are decides who is let in, and what they
 * may say. On an event loop.
 */
#ifndef LIB_WIRE_DOOR_H
#define LIB_WIRE_DOOR_H

#include <event2/event.h>
#include <sys/types.h>

#include "lib/store/instance.h"
#include "lib/wire/wire.h"

/* One who was let in; the first member of what the service knows of a client. */
struct visitor {
	struct door *door;
	struct wire wire;
	struct event *readable;
	uid_t uid;
};
struct door_verb {
	const char *verb;        /* of the table: these are all that a client may say; NULL: the end */
	bool for_administrators; /* root, and the service's own uid */
	size_t first_max;        /* octets of its first word; 0: any */
	void (*answer)(void *client, const struct wire_packet *);
};

struct door {
	size_t max;
	const struct wire_msg *table;
	unsigned first_state;
	const struct door_verb *verbs;
	size_t client_octets; /* of the service's own struct */
	bool (*may_enter)(void *arg, uid_t);
	void (*entered)(void *client); /* zeroed, but for the visitor in it */
	void (*leaving)(void *client); /* the memory is freed behind it */
	void *arg;
	/* its own */
	size_t clients;
	int fd;
	struct event_base *base;
	struct event *accepting, *again, *signals[3];
};

/* The socket RUN/name, or what systemd passes by that name. Ends the process when there can be none. */
void door_listen(struct door *, const struct instance *, const char *name);
/* An event loop with the door in it. SIGTERM, SIGINT and SIGCHLD come to on_signal, with door->arg. */
struct event_base *door_open(struct door *, event_callback_fn on_signal) MUST_CHECK;
/* With what wire_say() and wire_send() returned: a client that cannot be told is sent away, in its own time: it
 * stays usable until then. */
void door_said(struct visitor *, int sent);
/* What was received held a secret: it is overwritten, words and all. */
void door_wipe(struct visitor *, const struct wire_packet *);
bool door_administrator(uid_t);

#endif
