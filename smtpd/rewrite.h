/*
 * rewrite: a message that a filter changes, written anew into its own file before anything names it.
 */
#ifndef SMTPD_REWRITE_H
#define SMTPD_REWRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/mail/header.h"

struct rewrite_line { struct span raw; bool ours; }; /* a field with its line ends; ours: filters have not seen it */
struct rewrite {
	int fd;
	uint64_t head_octets, head_lines; /* what mailboxes get, in front of the header */
	uint64_t octets, lines;       /* of the file as it is */
	char *text;                   /* its header, as read */
	struct rewrite_line *fields;  /* the first is our Received */
	size_t count, cap;
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
/* Read the header of the file (octets and lines in all; head: its first octets, which are no part of it). 0; -1 errno, EMSGSIZE:
 * it is over LIMIT_HEADER. */
int rewrite_open(struct rewrite *, int fd, uint64_t octets, uint64_t lines, uint64_t head_octets) MUST_CHECK;
void rewrite_free(struct rewrite *);

/* What has no name that could be one is left out. Fields as filters count them: from 1, ours is 0. leading: the value has its own blank behind the colon. */
void rewrite_insert(struct rewrite *, size_t at, struct span name, struct span value, bool leading);
void rewrite_append(struct rewrite *, struct span name, struct span value, bool leading);
/* The n-th of this name (from 1) that filters have seen; an empty value takes it out; none there: appended. */
void rewrite_change(struct rewrite *, size_t n, struct span name, struct span value, bool leading);
/* A piece of a new body, CRLF line ends. 0; -1 errno. */
int rewrite_body(struct rewrite *, struct span piece) MUST_CHECK;
/* Write what was changed, under another head or (NULL) the same. octets and lines are then the new ones. 0; -1 errno: the file is spoilt. */
int rewrite_finish(struct rewrite *, const struct buf *head) MUST_CHECK;

#endif
