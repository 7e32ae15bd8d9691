/*
 * handover: a connection goes from a login process to the spawner of mailbox processes, and from there to one that is
 * there already: the descriptor, a word (the ticket; the spawner's), who the client is, what it was offered to log in with
 * (RFC 2449, 5: CAPA says so behind the login, too), and what was read ahead.
 */
#ifndef POP3D_HANDOVER_H
#define POP3D_HANDOVER_H

#include <stdbool.h>

#include "lib/base/buf.h"

struct handover {
	int fd;
	char word[65], client[64];
	bool stls;
	char sasl[128];
	struct span ahead; /* taken: in the packet */
};
int handover_send(int to, const struct handover *) MUST_CHECK;
/* Does not wait. 1: one came; 0: nobody will send any more; -1 errno (EAGAIN: none now). packet:
 * LIMIT_PACKET + 1 octets. */
int handover_take(int from, char *packet, struct handover *) MUST_CHECK;

#endif
