/*
 * probe: does a listener of the house answer?
 */
#ifndef MASTER_PROBE_H
#define MASTER_PROBE_H

#include "lib/store/instance.h"
#include "master/record.h"

/* SMTP and POP3: the greeting came, or the machine has not got that address now. Unix sockets: it takes a connection, queued's also a question. 0; -1
 * with why. */
int probe(const struct instance *, const struct record_listener *, int wait_ms, struct buf *why) MUST_CHECK;
/* What queued counts, "name number" lines. 0; -1 with why. */
int probe_queue(const struct instance *, int wait_ms, struct buf *out, struct buf *why) MUST_CHECK;

#endif
