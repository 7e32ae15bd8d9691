/*
 * dialogue: the client's side of a line protocol: connection, deadlines,
 * replies, the transcript. For remote (SMTP) and collect (POP3, IMAP).
 */
#ifndef LIB_NET_DIALOGUE_H
#define LIB_NET_DIALOGUE_H

#include "lib/net/ip.h"
#include "lib/sys/io.h"

struct dialogue {
	struct io io;
	struct ip peer;
	uint16_t port;
	char host[256];         /* its name, for log, DSN and certificate */
	struct buf transcript;  /* lines exchanged, hidden ones as "***"; ceiling 16 KiB */
	deadline_ms total;      /* for the whole dialogue */
};
void dialogue_init(struct dialogue *);
/* TCP_NODELAY set. 0; -1 with errno and why ("connect to HOST[ADDR]:PORT: Connection refused"). */
int dialogue_connect(struct dialogue *, const struct ip *, uint16_t port, const char *host,
    const struct ip *from, deadline_ms, struct buf *why) MUST_CHECK;
/* A command, CRLF added, pending until the next read. secret: the transcript says "***". */
void dialogue_say(struct dialogue *, bool secret, const char *, ...) PRINTF_LIKE(3, 4);
/* One SMTP reply, all its lines joined by LF in text. 0; -1 with errno and why. Text is bounded
 * (LIMIT_SMTP_REPLY a line, LIMIT_REPLY_LINES lines); foreign octets stay as they are. */
int dialogue_smtp_reply(struct dialogue *, int *code, struct buf *text, deadline_ms, struct buf *why) MUST_CHECK;
void dialogue_close(struct dialogue *);

#endif
