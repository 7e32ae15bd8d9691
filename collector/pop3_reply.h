/*
 * pop3_reply: lines that a POP3 server says (RFC 1939, 2449, 5034).
 */
#ifndef COLLECTOR_POP3_REPLY_H
#define COLLECTOR_POP3_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"

#define POP3_UID_MAX 255 /* octets; RFC 1939, 7 says 70 */

enum pop3_status {
	POP3_ERR,
	POP3_OK,
	POP3_CHALLENGE, /* "+ base64" (RFC 5034, 4) */
	POP3_STRANGE    /* no reply at all */
};
/* *text is what stands behind it. */
enum pop3_status pop3_status(struct span line, struct span *text);
/* Is it no use to try now, while the password may well be right? (RFC 2449, 8.1; RFC 3206; what old servers say) */
bool pop3_busy(struct span text);
/* "<1896.697170952@dbc.example>" in the greeting, for APOP; empty: none that is safe to use. */
struct span pop3_timestamp(struct span greeting);

struct pop3_capa {
	bool pipelining, stls;
	struct buf sasl; /* mechanisms between blanks */
};
void pop3_capa_line(struct pop3_capa *, struct span line);

/* A line of a listing. true: its end. Else *line is without the dot that was stuffed. */
bool pop3_listing_end(struct span *line);
/* "1 120": message and octets (0: the server says no number). false: no such line. */
bool pop3_list_line(struct span line, uint32_t *number, uint64_t *octets);
/* "1 QhdPYR:00WBw1Ph7x7": message and UID, which is empty when it is none that can be used. */
bool pop3_uidl_line(struct span line, uint32_t *number, struct span *uid);

#endif
