/*
 * auth: who is this? Server: authd; clients: smtpd, pop3d.
 *
 * CHECK: login and password as the client's peer gave them, service and client address for log and penalties.
 * YES: the mailbox's address and a ticket, good once and for 30 seconds. REDEEM: a process that serves mailboxes
 * (uid phmail) trades a ticket for the mailbox and its maildir; so a login process that was taken over can
 * open no mailbox whose password it has not seen. NO: one text for unknown user and wrong password alike.
 * LATER: temporary trouble (RFC 3206 SYS/TEMP). A failed CHECK is answered late, the more often the later;
 * so a client asks about one peer at a time over one connection. OWNER's maildir is ROOT/./MAILDIR: the part
 * behind /./ came from the users map and must not lead out of ROOT.
 *
 * BEGIN, CHALLENGE, STEP: SCRAM (lib/mail/scram.h), in base64; binding is struct secure_facts' of the client's TLS, or
 * empty. The last CHALLENGE proves to the client that we know its password, too: the answer to it is empty, and leads
 * to YES. OAUTHBEARER and XOAUTH2: YES at once, or a CHALLENGE that tells of the refusal; whatever the
 * client answers, NO follows. VOUCH: EXTERNAL, on smtpd's word that TLS has verified the name. MALFORMED: not what the mechanism wants. DELAYED, UNLOCK, STATUS, LAST: penalties, counts, last logins, for root
 * alone. OFFER: can everybody who may log in do so by SCRAM; are tokens taken?
 */
#ifndef LIB_WIRE_AUTH_H
#define LIB_WIRE_AUTH_H

#include <stdint.h>

#include "lib/wire/wire.h"

enum { AUTH_IDLE = 1, AUTH_DECIDING = 2, AUTH_REDEEMING = 4, AUTH_STEPPING = 8, AUTH_OFFERING = 16, AUTH_LISTING = 32 };
extern const struct wire_msg auth_messages[];

enum auth_answer { AUTH_YES, AUTH_NO, AUTH_LATER, AUTH_MORE, AUTH_MALFORMED };
struct auth { /* the client's side, blocking; connects when needed */
	struct wire wire;
	const char *path;
	deadline_ms asked; /* the answer to OFFER holds until then */
	bool scram, tokens;
	char offered[96]; /* exchange_offered()'s */
	char reason[128]; /* of the last NO or LATER, for people: "wrong name or password" */
};
void auth_init(struct auth *, const char *socket_path);
enum auth_answer auth_check(struct auth *, const char *login, const char *password, const char *service,
    const char *client, char mailbox[LIMIT_ADDRESS + 1], char ticket[65]) MUST_CHECK;
/* TLS has proved who the client is: the verified name in its certificate. acts_for: "", or that same person. There is no
 * ticket for the mailbox in it: whoever speaks with strangers could vouch for anybody. */
enum auth_answer auth_vouch(struct auth *, const char *name, const char *acts_for, const char *service,
    const char *client, char mailbox[LIMIT_ADDRESS + 1]) MUST_CHECK;
/* Asks anew after ten seconds. */
bool auth_offers_scram(struct auth *) MUST_CHECK;
bool auth_offers_tokens(struct auth *) MUST_CHECK;
/* SCRAM, and tokens, which may be right (AUTH_YES) at once. AUTH_MORE: challenge is to be sent to the client; its answer is the next step. auth_cancel(): there is none. */
enum auth_answer auth_begin(struct auth *, const char *mechanism, const char *said, const char *binding,
    const char *service, const char *client, struct buf *challenge, char mailbox[LIMIT_ADDRESS + 1],
    char ticket[65]) MUST_CHECK;
enum auth_answer auth_step(struct auth *, const char *said, struct buf *challenge, char mailbox[LIMIT_ADDRESS + 1],
    char ticket[65]) MUST_CHECK;
void auth_cancel(struct auth *);
enum auth_answer auth_redeem(struct auth *, const char *ticket, char mailbox[LIMIT_ADDRESS + 1],
    struct buf *maildir) MUST_CHECK;
/* Whose logins are delayed: lines "ACCOUNT CLIENT FAILURES" (words, %-encoded; account "*": whatever the client tries)
 * into list; or, unlock not NULL, make an end of it for this account or client. count: how many records. -1: authd
 * cannot be asked, or not by us. */
int auth_delayed(struct auth *, const char *unlock, uint64_t *count, struct buf *list) MUST_CHECK;
/* The next of that list. false: its end. */
struct auth_delay {
	char account[LIMIT_ADDRESS + 1]; /* "*": whatever the client tries */
	char client[64];
	uint64_t failures;
};
bool auth_delayed_next(struct span *rest, struct auth_delay *) MUST_CHECK;
/* How logins go, since authd's start: lines "NAME NUMBER". For root alone, as what follows. */
int auth_status(struct auth *, struct buf *list) MUST_CHECK;
/* Who logged in to this mailbox last: 1, and a line "SECONDS SERVICE CLIENT" (words), 0: nobody ever, -1: authd cannot be
 * asked, or does not remember. */
int auth_last(struct auth *, const char *mailbox, struct buf *line) MUST_CHECK;
void auth_close(struct auth *);

#endif
