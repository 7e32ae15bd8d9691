/*
 * wire: dialogues between our own programs (DESIGN section 5).
 *
 * A packet is a line of words, "VERB word word", and behind its LF an optional body of
 * lines. Words are %XX-encoded by this module (word_encode). A table a dialogue says who may
 * say what in which state; both ends check what they send and what they get against it.
 */
#ifndef LIB_WIRE_WIRE_H
#define LIB_WIRE_WIRE_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"

enum wire_who { WIRE_NOBODY, CLIENT, SERVER };
#define WIRE_SAME 0u      /* leads to the state it was said in */
#define WIRE_ANY 0xffffu  /* said in any state */

struct wire_msg {
	enum wire_who who;
	const char *verb;
	unsigned fds;       /* descriptors it carries, exactly */
	unsigned said_in;   /* states, or-ed */
	unsigned leads_to;  /* one state */
	const char *words;  /* their names, for people and for the count; "+" last: a body may follow */
};

struct wire {
	int fd;
	enum wire_who me;
	const struct wire_msg *table;
	unsigned state;
	char *buf; /* LIMIT_PACKET + 1, made on first receive */
};
#define WIRE_WORDS 12
struct wire_packet {
	const struct wire_msg *msg;
	size_t n;                  /* words behind the verb */
	const char *word[WIRE_WORDS]; /* decoded; valid until the next wire_recv */
	struct span body;
	int fds[LIMIT_PACKET_FDS]; /* the receiver's now; wire_fd() takes one, wire_drop() closes the rest */
};

void wire_open(struct wire *, int fd, enum wire_who me, const struct wire_msg *table, unsigned first_state);
void wire_close(struct wire *);
/* Words by number of the table's entry; body may be empty. 0; -1 errno (EPROTO: the table forbids
 * it here, a fault of our own). deadline NEVER with a non-blocking fd: EAGAIN. */
int wire_send(struct wire *, deadline_ms, const int *fds, struct span body, const char *verb,
    const char *const *words, size_t n) MUST_CHECK;
/* wire_say(w, d, "COMMIT", octets, rcpts): words as C strings, no fds, no body. */
#define wire_say(w, d, verb, ...) \
	wire_send(w, d, NULL, (struct span){ "", 0 }, verb, (const char *const[]){ __VA_ARGS__ }, \
	    sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))
/* 1: a packet; 0: the peer is gone; -1 errno: EPROTO when the peer said what the table forbids. */
int wire_recv(struct wire *, deadline_ms, struct wire_packet *) MUST_CHECK;
int wire_fd(struct wire_packet *, size_t i);
void wire_drop(struct wire_packet *);
bool wire_is(const struct wire_packet *, const char *verb);

#endif
