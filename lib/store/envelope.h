/*
 * envelope: what the queue must know about a message: versioned UTF-8 text, one field
 * a line, readable with cat(1).
 *
 *   posthouse-envelope 1
 *   id 7kq3m9...
 *   arrived 1795315490
 *   sender ann@example.org          ("%": the null sender; words are %XX-encoded)
 *   octets 4096 4180                file octets; wire octets (with CRLF)
 *   head 67                         octets at the file's start for mailboxes only (Return-Path ...)
 *   client [192.0.2.1] helo.example smtp   address, HELO, service; or: submitted by uid 1000
 *   body 8BITMIME                   7BIT, 8BITMIME
 *   smtputf8                        when it is needed
 *   requiretls                      it goes to nobody but under TLS (RFC 8689), when the sender wants so
 *   key 9tq4x0... again             a delivery key, when the submitter gave one; again: look for an earlier copy
 *   hold suspicious             it is to be held on arrival, when a filter wants so
 *   ret FULL / envid QQ314159       DSN (RFC 3461), when given
 *   rcpts 2                         so that a file cut short is recognised; recipients follow
 *   T 0000 local ann@example.org rfc822;Ann@Example.ORG -
 *   T 0000 relay bob@else.example rfc822;bob@else.example FAILURE,DELAY
 *   note 1795315999 2 450 4.2.0 host said: ...       appended: time, recipient (from 1), last reply
 *
 * A recipient line: status letter (T todo; W todo, and the sender was told of the delay; S done, but the sender
 * is still to be told so; D done; B bounced) and four digits of attempts, both overwritten in place; action (local, relay); address; original recipient; NOTIFY or "-".
 * The file's mtime is the time of the next attempt.
 */
#ifndef LIB_STORE_ENVELOPE_H
#define LIB_STORE_ENVELOPE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/limits.h"

enum rcpt_status { RCPT_TODO = 'T', RCPT_WARNED = 'W', RCPT_OWED = 'S', RCPT_DONE = 'D', RCPT_BOUNCED = 'B' };
enum rcpt_action { RCPT_LOCAL, RCPT_RELAY }; /* where the router sent it on arrival */
enum { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 }; /* 0: default */

struct env_rcpt {
	enum rcpt_status status;
	enum rcpt_action action;
	unsigned attempts;
	unsigned notify;
	const char *address;  /* canonical */
	const char *orcpt;    /* "rfc822;..." or "" */
	const char *last;     /* the newest note: "450 4.2.0 text"; "" */
	off_t offset;         /* of the status letter in the file */
};
struct envelope {
	char id[LIMIT_ID];
	int64_t arrived_s;
	const char *sender;   /* "": the null sender */
	uint64_t octets, wire_octets, head_octets;
	const char *client;   /* the field's text as written */
	bool body_8bit, smtputf8, requiretls;
	const char *held;     /* why it is to be held from the beginning; "": it is not */
	const char *ret, *envid; /* "" when not given */
	char key[LIMIT_KEY];  /* the same key: the same copy for the same recipients; "": none */
	bool again;           /* a copy with this key may be here already: look into mailboxes */
	struct env_rcpt *rcpts;
	size_t rcpt_count;
};
/* Is it still to be delivered? */
static inline bool
rcpt_is_open(const struct env_rcpt *r)
{
	return r->status == RCPT_TODO || r->status == RCPT_WARNED;
}
/* NOTIFY's words with commas (RFC 3461, 4.1), in any case; NEVER stands alone. -1: they are not. */
int notify_parse(struct span words, unsigned *out) MUST_CHECK;
void notify_add(struct buf *out, unsigned notify); /* "-": none */
/* Lower-case letters and digits, at least one: it becomes part of names. */
bool envelope_key_ok(struct span) MUST_CHECK;
void envelope_write(const struct envelope *, struct buf *out);
/* All of fd's text into *out; strings live in the arena. -1 with why: it does not parse. */
int envelope_read(int fd, struct arena *, struct envelope *out, struct buf *why) MUST_CHECK;
/* The same from text that is in no file yet; it is copied into the arena. *kept, if not NULL, is that copy. */
int envelope_parse(struct span text, struct arena *, struct envelope *out, struct span *kept, struct buf *why) MUST_CHECK;
/* In place: status letter and attempts of one recipient. 0 or -1 errno. */
int envelope_mark(int fd, const struct env_rcpt *) MUST_CHECK;
/* Appended: what was last said about rcpts[rcpt]. 0 or -1 errno. */
int envelope_note(int fd, size_t rcpt, int64_t when_s, const char *reply) MUST_CHECK;

#endif
