/*
 * control: the administrators' dialogue with queued (posthouse queue, mailq, status). Server: queued.
 *
 * Every request is answered by ITEM packets (none or more, body: lines) and one END.
 */
#ifndef LIB_WIRE_CONTROL_H
#define LIB_WIRE_CONTROL_H

#include "lib/wire/wire.h"

enum { CONTROL_IDLE = 1, CONTROL_ANSWERING = 2 };
extern const struct wire_msg control_messages[];

#endif
