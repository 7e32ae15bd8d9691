/*
 * dialogue: the client's side of a line protocol: connection, deadlines,
 * replies, the transcript. For remote (SMTP) and collect (POP3, IMAP).
 *
 * Every wait ends at its own deadline or that of the whole dialogue, whichever
 * comes first. After an error the dialogue is good for dialogue_close() only.
 */
#ifndef LIB_NET_DIALOGUE_H
#define LIB_NET_DIALOGUE_H

#include "lib/net/ip.h"
#include "lib/net/tls.h"
#include "lib/sys/io.h"

struct dialogue {
	struct io io;
	struct ip peer;
	uint16_t port;
	char host[256];         /* its name, for log, DSN and certificate */
	struct buf transcript;  /* "C: line\n" and "S: line\n", hidden ones as "***"; the newest 16 KiB.
	                         * Octets outside 0x20-0x7e are '?' */
	deadline_ms total;      /* for the whole dialogue */
	bool broken;            /* we were made to say CR, LF or NUL: nothing more is sent */
};
void dialogue_init(struct dialogue *);
/* TCP_NODELAY set. 0; -1 with errno and why ("connect to HOST[ADDR]:PORT: Connection refused"). */
int dialogue_connect(struct dialogue *, const struct ip *, uint16_t port, const char *host,
    const struct ip *from, deadline_ms, struct buf *why) MUST_CHECK;
/* TLS from here on: behind a go-ahead (STARTTLS, STLS), or at once. peer->host NULL: the dialogue's
 * own. What the server said behind its go-ahead is an attack, and an error. As tls_client(). */
int dialogue_starttls(struct dialogue *, const struct tls_peer *, deadline_ms, struct buf *why) MUST_CHECK;
/* A command, CRLF added, pending until the next read. secret: the transcript says "***".
 * With CR, LF or NUL inside nothing is sent and the next read fails (EINVAL). */
void dialogue_say(struct dialogue *, bool secret, const char *, ...) PRINTF_LIKE(3, 4);
/* One line of what the server says, without its end, valid until the next call; shown: into the
 * transcript. 0; -1 with errno (EMSGSIZE: over max octets; ECONNRESET: it hung up; ETIMEDOUT) and why. */
int dialogue_line(struct dialogue *, size_t max, bool shown, deadline_ms, struct span *line, struct buf *why) MUST_CHECK;
/* One SMTP reply, all its lines joined by LF in text. 0; -1 with errno (EPROTO: it is none) and why.
 * Text is bounded (LIMIT_SMTP_REPLY a line, LIMIT_REPLY_LINES lines: EMSGSIZE); foreign octets stay as
 * they are. */
int dialogue_smtp_reply(struct dialogue *, int *code, struct buf *text, deadline_ms, struct buf *why) MUST_CHECK;
void dialogue_close(struct dialogue *);

#endif
