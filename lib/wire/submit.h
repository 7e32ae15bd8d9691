/*
 * submit: put messages into the queue. Server: queued.
 *
 * OPEN asks for two files; FILES carries them: the message (fd 0) and the envelope (fd 1), unlinked,
 * on the spool's file system, and the ID. The client writes both, has the message written out
 * (file_writeout), says COMMIT; a small envelope need not be written, it can come as COMMIT's body. LINKED: the message has its names (how: "delivered", "queued" or "already"; sync: "file"
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
 * one syncs its whole file system instead of the message, and says SYNCED for both. A connection that ends without SYNCED
 * counts as SYNCED only after ten minutes then: its submitter comes again.
 *
 * With sync "names", queued has synced the directories itself before LINKED (file systems
 * where a name does not follow its file); the client's fsync is then still due for the file.
 * COUNT asks how many messages wait for being sent, and whether the link is "up" or "down" (WAITING); to a stranger that is
 * always 0 and up.
 * RETRY asks that what waits for a domain ("yes": and those below it) be tried now (ETRN); smtpd may ask so. RETRYING
 * tells how many messages these are, "-" when the search goes on.
 * REFUSED ends the transaction; code and text are an SMTP reply ("452", "4.3.1 ...").
 */
#ifndef LIB_WIRE_SUBMIT_H
#define LIB_WIRE_SUBMIT_H

#include "lib/store/envelope.h"
#include "lib/wire/wire.h"

enum { SUBMIT_IDLE = 1, SUBMIT_OPENING = 2, SUBMIT_FILLING = 4, SUBMIT_DECIDING = 8, SUBMIT_COUNTING = 16, SUBMIT_LOOKING = 32 };
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
	bool asked;          /* OPEN was said ahead of submit_open() */
	uint64_t octets;     /* of what is to be committed */
	size_t rcpts;
	struct buf envelope; /* its text, unless it was written into env_fd */
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
void submit_abort(struct submit *); /* any time before commit */
void submit_close(struct submit *);

/*
 * For those who have many messages, the same in halves. Each transaction under way has a struct submit of its own;
 * while one awaits its answer, the next is filled, and the disk writes in the background:
 *
 *   submit_ask       says OPEN; the files are there when submit_open() wants them
 *   submit_fill      writes the envelope, and has the message's octets on their way to the disk
 *   submit_say       awaits their arrival there, says COMMIT
 *   submit_linked    awaits LINKED, until the deadline at most
 *   submit_keep      takes the committed message along, to be synced with others
 *
 * 0 or -1 with *reply, as above; submit_ask's failure shows in submit_open().
 */
void submit_ask(struct submit *);
int submit_fill(struct submit *, struct envelope *, struct reply *) MUST_CHECK;
int submit_say(struct submit *, struct reply *) MUST_CHECK;
int submit_linked(struct submit *, deadline_ms, struct reply *) MUST_CHECK;

struct submit_kept {
	struct submit *submit; /* where it was committed */
	char id[LIMIT_ID];
	int msg_fd, env_fd;    /* env_fd -1: the envelope needs no disk */
	bool already;          /* it is the earlier copy that must be safe */
	bool failed;           /* the disk did not take it */
};
void submit_keep(struct submit *, struct submit_kept *);
/* All become durable, with one sync of the file system where they are many; tells queued of those that do not. 0; -1
 * with *reply: some have failed. In the order in which they were opened. */
int submit_sync_kept(struct submit_kept *, size_t n, struct reply *) MUST_CHECK;
/* SYNCED for those that have not failed; closes. What the caller must know for ever before a queued message may leave
 * the house, it writes down between the two. */
void submit_synced(struct submit_kept *, size_t n);

/* What waits for this domain is tried now. 0, with *messages (-1: it takes a while to tell); -1 with *reply. */
int submit_retry(struct submit *, const char *domain, bool below, int64_t *messages, struct reply *) MUST_CHECK;

/* How many messages wait, and is the link down? On a connection of its own. 0; -1 errno: queued cannot be asked. */
int submit_count(const char *socket_path, uint64_t *waiting, bool *link_down) MUST_CHECK;

#endif
