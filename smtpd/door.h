/*
 * door: what smtpd tells the gate about clients that are not served yet.
 */
#ifndef SMTPD_DOOR_H
#define SMTPD_DOOR_H

#include "smtpd/session.h"

/* In the parent, before its sandbox. Ends the process when maps or settings cannot be read. */
void door_open(struct smtpd *, struct gate *);

#endif
