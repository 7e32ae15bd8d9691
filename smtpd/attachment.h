/*
 * attachment: the rules of the map attachments: masks of names that may not be attached.
 */
#ifndef SMTPD_ATTACHMENT_H
#define SMTPD_ATTACHMENT_H

#include "lib/store/map.h"
#include "router/entry.h"

struct attachment_rule {
	unsigned line;           /* of attachments */
	const char *mask, *text; /* text: "" */
	bool accept;
};
struct attachments {
	struct arena *mem;
	struct attachment_rule *rules; /* in the order of the map */
	size_t count;
};
/* The rules of a generation. 0; -1: the table cannot be read. */
int attachments_load(struct attachments *, const struct generation *) MUST_CHECK;
void attachments_free(struct attachments *);
/* The rule that refuses this name; NULL: none does. The first whose mask fits counts; names differ in no case. */
const struct attachment_rule *attachments_refused(const struct attachments *, struct span name);

/* Does the whole name fit? '*' stands for any characters, '?' for one. Both are UTF-8. */
bool attachment_fits(const char *mask, struct span name);

#endif
