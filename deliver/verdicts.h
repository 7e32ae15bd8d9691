/*
 * verdicts: what servers said about recipients, for as long as it is believed. In memory; the oldest give way.
 */
#ifndef DELIVER_VERDICTS_H
#define DELIVER_VERDICTS_H

#include "deliver/probe.h"

#define VERDICTS 16384

struct verdict {
	char *address; /* NULL: an empty place */
	struct probe_result *not_yes; /* NULL: yes */
	deadline_ms until;
};
struct verdicts {
	struct verdict *place; /* VERDICTS of them */
};
void verdicts_init(struct verdicts *);
void verdicts_free(struct verdicts *);
/* NULL: nothing is known. */
const struct verdict *verdicts_find(const struct verdicts *, const char *address);
/* The answer, until then. */
void verdicts_keep(struct verdicts *, const char *address, const struct probe_result *, deadline_ms);

#endif
