/*
 * milter: one filter that speaks the Milter protocol, asked as an MTA asks.
 *
 * Every wait has a deadline. After an error (-1 with why) the connection is closed, and the filter knows nothing any more.
 */
#ifndef LIB_NET_MILTER_H
#define LIB_NET_MILTER_H

#include <sys/socket.h>

#include "lib/net/milter_wire.h"
#include "lib/sys/io.h"

enum milter_otherwise { OTHERWISE_TEMPFAIL, OTHERWISE_ACCEPT, OTHERWISE_SHUTDOWN, OTHERWISE_REJECT, OTHERWISE_QUARANTINE };
const char *milter_otherwise_name(enum milter_otherwise);

struct milter_settings {
	enum milter_otherwise otherwise; /* what becomes of mail when it cannot be asked */
	uint64_t connect_s, command_s, content_s; /* patience: to connect; with a command; with the message */
	bool reuse; /* one connection for many clients */
};
struct milter_place {
	char *name;        /* as it was written: "unix:/run/x.sock", "inet:127.0.0.1:8891" */
	struct milter_settings set;
	char *path;        /* unix; else */
	char *host, *port;
	struct sockaddr_storage address[4];
	socklen_t address_len[4];
	size_t addresses;
};
#define MILTER_PLACES_MAX 16
/*
 * "unix:/path, inet:host:port default=accept timeout=10s": places separated by commas, each with words of its own (default=,
 * connect_timeout=, timeout=, content_timeout=, reuse=) in front of the general ones. Filters' own manuals write local:/path
 * and inet:port@host, which is taken as well. The number; -1 with why.
 */
int milter_places_parse(struct span, const struct milter_settings *general, struct milter_place *, struct buf *why) MUST_CHECK;
void milter_places_free(struct milter_place *, size_t n);
/* Ask for the addresses of a host; before a sandbox. -1 with why: it has none now. */
int milter_place_resolve(struct milter_place *, struct buf *why) MUST_CHECK;

struct milter {
	const struct milter_place *place;
	struct io io;                  /* fd -1: not connected. Packets to it are collected in io.out */
	uint32_t version, actions, steps; /* agreed */
	char *macros[STAGES];          /* lists it wants instead of ours; NULL: none said */
	struct buf in;                 /* its packets; what was said last stands in front */
	size_t used;
	deadline_ms kept;              /* until then another client may use the connection; 0: a client has it */
};
void milter_init(struct milter *, const struct milter_place *);
void milter_free(struct milter *);
/* Connect and agree upon options. The other end of every wait is end. */
int milter_open(struct milter *, deadline_ms end, struct buf *why) MUST_CHECK;
/* Send what was collected. */
int milter_send(struct milter *, deadline_ms end, struct buf *why) MUST_CHECK;
/* Send, and read what it says to command, waiting as long as it says that it works on it; only what fits the command and
 * was agreed upon is let through. It stays valid until the next call. */
int milter_hear(struct milter *, enum milter_command, deadline_ms end, struct milter_said *, struct buf *why) MUST_CHECK;
/* QUIT, unless it is gone. */
void milter_close(struct milter *);
/* Is the connection one that waits for another client? Nothing more is asked then. */
bool milter_kept(struct milter *);
/* This client is gone: QUIT, or, where the settings and the filter have it so, another one may follow for a while.
 * ended: END was the last that it was told; only then libmilter hears that another one follows. */
void milter_part(struct milter *, bool ended);

#endif
