/*
 * talk: logins of several steps (SCRAM, OAUTHBEARER, XOAUTH2), from BEGIN to their end.
 */
#ifndef AUTH_TALK_H
#define AUTH_TALK_H

#include "auth/authd.h"

void talk_begin(void *client, const struct wire_packet *);
void talk_step(void *client, const struct wire_packet *);
void talk_cancel(void *client, const struct wire_packet *);
/* A token was refused: the client is told so, and then, when it has answered, hears the reason. */
void talk_refused(struct client *, const char *reason);
/* The client's proof was right: it is told ours. */
void talk_proved(struct client *, const char *signature);
/* YES, with the mailbox and a ticket for it; and the login is remembered. */
void talk_admit(struct client *, const char *mailbox, const char *service, const char *address);
/* The same for somebody who only sends: no ticket. */
void talk_admit_sender(struct client *, const char *mailbox, const char *service, const char *address);
void talk_end(struct client *);

#endif
