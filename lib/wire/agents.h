/*
 * agents: the processes that deliver announce themselves, take jobs, report. Server: queued.
 *
 * HELLO tells the kind (local, remote, bounce). JOB carries the message (fd 0), BOUNCE also the
 * envelope (fd 1), both to read. JOB's words: sender; arrived in seconds; octets and wire, the sizes for a
 * maildir name; head, the octets at the file's start that are for mailboxes only; flags, with
 * commas, "8bit", "utf8", "tls" (required: RFC 8689), "key=KEY" (the delivery key), "again" (a copy with it may be in the mailbox) or "-"; nexthop as router_nexthop() writes it; ret and envid as the sender gave them
 * or empty. Its body has a line a recipient, "N address orcpt notify" (words encoded; N: its number in the envelope
 * from 0; notify "-" or NEVER, SUCCESS,FAILURE,DELAY).
 *
 * REPORT's body has a line for each recipient of the job, "N outcome code enhanced text": outcome sent, relayed (sent to
 * a server that does not tell senders of success, RFC 3461), retry or failed, and the reply of host as it said it (words encoded). code 0: nobody said it, the words are the agent's
 * own; enhanced may be empty then. host: "-" when nobody was spoken to. connected: the next hop the agent keeps a connection open to, "-": none,
 * "!": no connection to the next hop could be made at all (the whole site is then left alone for a while).
 *
 * BOUNCE asks for a DSN about the recipients in its body, "N news" with the news as in agents_news; what was said
 * of them last is in the envelope. REPORT then says sent for those the DSN is durable for.
 * An agent that dies without REPORT has delivered nothing that queued may believe.
 *
 * REPORT "sent" promises that the name in the mailbox lasts as soon as the message file is synced: where names do not
 * follow their file (file_names_follow(), sync_names = always, another file system), the agent has
 * synced the directory itself.
 */
#ifndef LIB_WIRE_AGENTS_H
#define LIB_WIRE_AGENTS_H

#include "lib/wire/wire.h"

enum { AGENTS_NEW = 1, AGENTS_IDLE = 2, AGENTS_BUSY = 4 };
extern const struct wire_msg agents_messages[];

/* What a sender is told of a recipient. */
enum news { NEWS_FAILED, NEWS_EXPIRED, NEWS_DELIVERED, NEWS_RELAYED, NEWS_DELAYED, NEWS_COUNT };
extern const char *const agents_news[NEWS_COUNT];

#endif
