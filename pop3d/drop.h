/*
 * drop: a maildrop (RFC 1939, 3): the messages of one maildir as they were when the session
 * began, numbered from 0, with their sizes and unique-ids.
 *
 * One pass over new/ and cur/, no stat and no read: sizes come from the names (W=). Where a name has
 * none, the file is counted when its size is first asked for. Other programs may move, flag and
 * remove messages meanwhile: a name that is gone is looked for again by its unique part.
 */
#ifndef POP3D_DROP_H
#define POP3D_DROP_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/store/uidl.h"

struct drop_msg {
	uint64_t octets;  /* on the wire */
	uint32_t name;    /* offset in names */
	uint32_t when;    /* the name's seconds */
	uint8_t unique;   /* octets of the name's unique part */
	bool in_new : 1, file : 1 /* not anything else */, sized : 1, crlf : 1 /* line ends may be CRLF in the file already */;
	bool deleted : 1, gone : 1, read : 1, clash : 1 /* another one has the same unique part */;
};
struct drop {
	int dir;               /* the maildir */
	int sub[2];            /* cur/, new/: indexed by in_new */
	struct timespec seen[3]; /* their mtimes before the last pass, and the maildir's */
	bool old;              /* these were so old that every change since then shows in them */
	struct drop_msg *msgs; /* by time and name */
	size_t n, cap;
	struct buf names;      /* each with its NUL */
	bool uids_known;       /* what follows is filled in when the first unique-id is asked for */
	struct uidl uidl;      /* of another server */
	const char **foreign;  /* a message's from there; NULL: none. NULL when nobody has one */
	const char **taken;    /* those given, ascending */
	size_t taken_n;
};

/* 0; -1 errno. Takes dir_fd, the maildir, also in failure. */
int drop_open(struct drop *, int dir_fd) MUST_CHECK;
void drop_close(struct drop *);
/* For another session: what is there now, and nothing marked. The directories are read only if they have changed. 0; -1
 * errno, and it is closed. */
int drop_renew(struct drop *) MUST_CHECK;
/* Between sessions: memory for DROP_RESTING messages at most stays in use. */
#define DROP_RESTING 2000
void drop_rest(struct drop *);
/* Octets on the wire; a message that has gone has 0. */
uint64_t drop_size(struct drop *, size_t i);
/* The unique-id: 1 to LIMIT_UIDL octets of 0x21-0x7e; the one that the message had on another server, if that is known. */
void drop_uid(struct drop *, size_t i, char out[LIMIT_UIDL + 1]);
/* A descriptor to read it; -1 errno (ENOENT: it has gone). */
int drop_read(struct drop *, size_t i) MUST_CHECK;
/*
 * What a session did becomes true: messages marked deleted are removed; those read and still in
 * new/ move to cur/ as seen. Durable when it returns. The number of deleted ones that are still
 * there, with errno of the last.
 */
size_t drop_commit(struct drop *, size_t *removed);

#endif
