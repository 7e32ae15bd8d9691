/*
 * binding: servers that refuse the channel binding of SCRAM-...-PLUS: their kind of it is not ours.
 *
 * Without it the login is what it is with all clients that have none: TLS is verified, the password is not shown. Somebody
 * in the middle with a certificate that we trust would look alike, so the log has a warning, once.
 */
#ifndef COLLECTOR_BINDING_H
#define COLLECTOR_BINDING_H

#include "collector/fetch.h"

/* The connection, for credentials_sasl(); NULL: this server has refused it before. */
const struct io *binding_of(struct fetch *);
/* A login without it was right after one with it was refused. */
void binding_refused(struct fetch *);

#endif
