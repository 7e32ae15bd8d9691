/*
 * rewrite: a message that a filter changes, written anew into its own file before anything names it.
 */
#ifndef SMTPD_REWRITE_H
#define SMTPD_REWRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/mail/header.h"

struct rewrite_line {
	struct span raw;              /* a field with its line ends */
	bool ours;                    /* filters have not seen it: our Received */
	bool gone;                    /* taken out; it still counts, as sendmail has it */
};
struct rewrite {
	int fd;
	uint64_t head_octets, head_lines; /* what mailboxes get, in front of the header */
	uint64_t octets, lines;       /* of the file as it is */
	char *text;                   /* its header, as read */
	struct rewrite_line *fields;
	size_t count, cap;
	size_t header_octets;         /* of all fields, those that are gone as well */
	bool over;                    /* more than fits was wanted */
	char **made;                  /* fields that came from filters */
	size_t made_count;
	bool divided;                 /* an empty line stands behind the header */
	uint64_t body_at, body_lines; /* where the body begins, and what is in it */
	uint64_t spare_at;            /* behind the old file: the new body, while it comes */
	uint64_t spare_lines;
	bool spare, cr;               /* there is one; its last piece ended in CR */
	bool changed;                 /* fields */
	bool eightbit;                /* of a new body */
};
/* Read the header of the file (octets and lines in all; head: its first octets, which are no part of it; ours: which field our
 * Received is, from 0). 0; -1 errno, EMSGSIZE: it is over LIMIT_HEADER. */
int rewrite_open(struct rewrite *, int fd, uint64_t octets, uint64_t lines, uint64_t head_octets, size_t ours) MUST_CHECK;
void rewrite_free(struct rewrite *);

/* What has no name that could be one is left out; what would make the header longer than LIMIT_HEADER, too, and sets over; so does the 4097th new one.
 * at: 0 is above our Received, 1 below it. leading: the value has its own blank behind the colon. */
void rewrite_insert(struct rewrite *, size_t at, struct span name, struct span value, bool leading);
void rewrite_append(struct rewrite *, struct span name, struct span value, bool leading);
/* The n-th of this name (from 1) that filters have seen, whatever became of those before it; an empty value takes it out;
 * none there: appended. */
void rewrite_change(struct rewrite *, size_t n, struct span name, struct span value, bool leading);
/* A piece of a new body, CRLF line ends. 0; -1 errno. */
int rewrite_body(struct rewrite *, struct span piece) MUST_CHECK;
/* Write what was changed, under another head or (NULL) the same. octets and lines are then the new ones. 0; -1 errno: the file is spoilt. */
int rewrite_finish(struct rewrite *, const struct buf *head) MUST_CHECK;
size_t rewrite_ours(const struct rewrite *); /* which field our Received is now */

#endif
