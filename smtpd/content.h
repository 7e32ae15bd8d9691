/*
 * content: a message held against filters and attachments while it streams by.
 */
#ifndef SMTPD_CONTENT_H
#define SMTPD_CONTENT_H

#include <stdint.h>

#include "lib/mail/parts.h"
#include "smtpd/attachment.h"
#include "smtpd/filter.h"

struct content_verdict {
	const struct filter_rule *filter;         /* that refuses the message, */
	const struct attachment_rule *attachment; /* or this does */
	const char *name;                         /* because of this one */
	const struct filter_rule *gave_up; /* takes too long with this message; NULL: none did */
	const char *fault; /* its MIME could not be read; NULL: it could, or nobody had to */
};
struct content {
	char *generation;  /* whose rules these are; NULL: none yet */
	struct filter filter;
	struct attachments attachments;
	/* the message */
	bool begun;
	uint64_t body_left;
	struct parts parts;
	struct content_verdict verdict;
	char name[PARTS_NAME + 1];
};

/* The rules of this generation; nothing is done when they are there already. 0; -1 with why: those there were stay. */
int content_load(struct content *, const char *maps_dir, const char *generation, struct buf *why) MUST_CHECK;
/* Is there any rule? If not, the functions below need not be called. */
bool content_any(const struct content *);
/* A message begins. body_limit: octets of its bodies, decoded, that are held against filters. */
void content_begin(struct content *, uint64_t body_limit);
/* An address of its envelope. */
void content_address(struct content *, const char *);
void content_feed(struct content *, const char *, size_t); /* LF line ends */
/* The message is over, or will not come: what is known of it. Valid until the next begins. */
const struct content_verdict *content_end(struct content *);
void content_free(struct content *);

#endif
