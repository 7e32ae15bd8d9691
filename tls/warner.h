/*
 * warner: tells of certificates that end soon: 14, 7 and 1 days before, and when they have ended, once each.
 */
#ifndef TLS_WARNER_H
#define TLS_WARNER_H

#include "lib/store/conf.h"
#include "lib/store/instance.h"
#include "tls/pairs.h"

/* A process of its own, which writes to the postmaster and remembers of what. Call it when the privileges are gone, before
 * the sandbox. The descriptor to tell it by; -1: there is none, which was told. */
int warner_start(const struct instance *, const struct conf *);
/* What is served now; whoever says it each minute makes up for letters that could not be sent. */
void warner_tell(int warner_fd, const struct pairs *);

#endif
