/*
 * agents: the processes that deliver announce themselves, take jobs, report. Server: queued.
 *
 * READY tells the kind (local, remote, bounce) and, for remote, the next hop it is still
 * connected to ("-": none). JOB carries the message (fd 0) and, for bounce, the envelope (fd 1); the body
 * has a line a recipient: "N address orcpt notify" (words encoded). REPORT's body has a line for each recipient of the
 * job: "N outcome code enhanced text" with outcome sent, retry or failed, and reply words as the
 * remote server's or our own; host is who said it ("-": ourselves).
 * An agent that dies without REPORT has delivered nothing that queued may believe.
 */
#ifndef LIB_WIRE_AGENTS_H
#define LIB_WIRE_AGENTS_H

#include "lib/wire/wire.h"

enum { AGENTS_NEW = 1, AGENTS_IDLE = 2, AGENTS_BUSY = 4 };
extern const struct wire_msg agents_messages[];

#endif
