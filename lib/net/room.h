/*
 * room: where connections are before they are served: a balancer's header is read there, strangers wait for the banner
 * and for what DNS lists say of them.
 */
#ifndef LIB_NET_ROOM_H
#define LIB_NET_ROOM_H

#include <sys/queue.h>

#include "lib/net/gate.h"

struct event_base;
struct visitor;

enum room_end {
	ROOM_HEADER, /* the header is read: conn says whose it is now */
	ROOM_WAITED, /* its time is over: conn->listed is set */
	ROOM_EARLY,  /* it spoke before the banner */
	ROOM_WRONG,  /* it was none, or came too late: why */
	ROOM_LEFT    /* the client is gone */
};
struct room {
	struct event_base *base;
	int header_ms; /* how long a header may take */
	int delay_ms;  /* how long a stranger waits for the banner; 0: as long as the lists need */
	int lists_ms;  /* how long it waits for the lists at most */
	struct dnsbl *lists; /* NULL: none */
	/* A visitor leaves. conn->fd is the callee's from here on. */
	void (*left)(void *arg, struct gate_conn *, void *whose, enum room_end, const char *why);
	void *arg;
	LIST_HEAD(, visitor) visitors;
};
void room_open(struct room *);
/* Read the PROXY header of this connection. whose: is given back. */
void room_header(struct room *, const struct gate_conn *, void *whose);
/* Wait. */
void room_wait(struct room *, const struct gate_conn *, void *whose);
/* All leave at once, with ROOM_LEFT. */
void room_clear(struct room *);
/* In a child: close what is the parent's, without a word. */
void room_forget(struct room *);

#endif
