/*
 * door: the socket of a service for programs of ours: anybody may connect; who they are decides who is let in. On an event
 * loop.
 */
#ifndef AUTH_DOOR_H
#define AUTH_DOOR_H

#include <event2/event.h>
#include <sys/types.h>

#include "lib/store/instance.h"
#include "lib/wire/wire.h"

struct door {
	size_t max, clients; /* the owner counts one off when it has closed it */
	bool (*may_enter)(void *arg, uid_t);
	void (*enter)(void *arg, int fd, uid_t); /* the descriptor is the callee's */
	void *arg;
	/* its own */
	int fd;
	struct event *accepting, *again;
};

/* The socket RUN/name, or what systemd passes by that name. Ends the process when there can be none. */
void door_listen(struct door *, const struct instance *, const char *name);
void door_open(struct door *, struct event_base *);
/* What a client has to say. 1: a packet; 0: nothing yet; -1: it is to be closed (nonsense is logged). */
int door_hear(struct wire *, uid_t, struct wire_packet *) MUST_CHECK;

#endif
