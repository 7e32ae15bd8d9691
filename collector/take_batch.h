/*
 * take_batch: the messages of a batch, from their take-off to the queue until they are settled. For take.c alone.
 */
#ifndef COLLECTOR_TAKE_BATCH_H
#define COLLECTOR_TAKE_BATCH_H

#include "collector/take.h"
#include "lib/mail/reply.h"

/* Nothing more can be taken: take->error says "what: reason". Always -1. */
int take_failed(struct take *, const char *what, const char *reason);
int take_refused(struct take *, const struct reply *);

void batch_init(struct take *);
void batch_free(struct take *);
/* The message that has come in joins the batch; its copies fly; all its copies do. */
struct take_done *batch_message(struct take *, const char *uid, uint64_t listed, size_t number);
int batch_fly(struct take *, size_t person, const unsigned char digest[DIGEST_OCTETS]) MUST_CHECK;
int batch_whole(struct take *, struct take_done *) MUST_CHECK;
/* All that fly land. */
int batch_land(struct take *) MUST_CHECK;

#endif
