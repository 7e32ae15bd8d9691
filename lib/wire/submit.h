/*
 * submit: put messages into the queue. Server: queued.
 *
 * OPEN asks for two files; FILES carries them: the message (fd 0) and the envelope (fd 1), unlinked,
 * on the spool's file system, and the ID. The client writes both, has the message written out
 * (file_writeout), says COMMIT. LINKED: the message has its names (how: "delivered", "queued" or "already"; sync: "file"
 * or "names"; see below); the client calls fsync on it (and, when it is queued, on the envelope), then answers
 * its own peer, then says SYNCED (or FAILED when fsync failed: queued takes the message back as far as it can).
 * For a delivered message only FAILED is said: nothing waits for it. A connection that
 * ends without either counts as SYNCED: the client may have answered.
 * Several messages may await SYNCED at once: it names the ID, so a client may sync in batches, and may be
 * in the middle of another transaction.
 *
 * A client that is no program of ours (sendmail, run by anybody) could write into a message that is in somebody's
 * mailbox, as long as it holds the descriptors. So its first COMMIT is answered by COPY: both files again, copied
 * by queued, to read and to sync; it says COMMIT once more.
 *
 * An envelope may bear a delivery key: the same key, the same copy. When queued has had it before, it answers LINKED
 * with how "already": the earlier copy counts, whose submitter may have been cut off before it could sync it; so this
 * one syncs its whole file system instead of the message.
 *
 * With sync "names", queued has synced the directories itself before LINKED (file systems
 * where a name does not follow its file); the client's fsync is then still due for the file.
 * REFUSED ends the transaction; code and text are an SMTP reply ("452", "4.3.1 ...").
 */
#ifndef LIB_WIRE_SUBMIT_H
#define LIB_WIRE_SUBMIT_H

#include "lib/store/envelope.h"
#include "lib/wire/wire.h"

enum { SUBMIT_IDLE = 1, SUBMIT_OPENING = 2, SUBMIT_FILLING = 4, SUBMIT_DECIDING = 8 };
extern const struct wire_msg submit_messages[];

/* The client's side, blocking with deadlines; used by smtpd, collect, sendmail, bounce. */
struct submit {
	struct wire wire;
	const char *path;    /* of the socket */
	const char *service; /* who submits, for the log; submit_init: the program's name */
	char id[LIMIT_ID];
	int msg_fd, env_fd;
	char how[16];        /* after commit: "delivered", "queued", "already" */
	char text[512];      /* of the last reply */
};
void submit_init(struct submit *, const char *socket_path);
/* Connects when it is not connected. 0; -1 with *reply set: 451 or what queued said (452 ...). */
struct reply;
int submit_open(struct submit *, struct reply *) MUST_CHECK;
/* The message has been written to msg_fd. Writes the envelope (id filled in here; octets is the
 * caller's), has the message written out, COMMIT, awaits LINKED. 0 or -1 with *reply. */
int submit_commit(struct submit *, struct envelope *, struct reply *) MUST_CHECK;
/* fsync, SYNCED or FAILED, close. 0: it is durable. -1 with *reply (451 4.3.0): it is not, say so. */
int submit_sync(struct submit *, struct reply *) MUST_CHECK;
/* Take the committed message along for a later submit_sync_fd (batches): the fd becomes the
 * caller's. A queued one's envelope is synced here; -1 with *reply when that failed. */
int submit_detach(struct submit *, char id[LIMIT_ID], struct reply *) MUST_CHECK;
int submit_sync_fd(struct submit *, const char *id, int fd, struct reply *) MUST_CHECK; /* closes fd */
void submit_abort(struct submit *); /* any time before commit */
void submit_close(struct submit *);

#endif
