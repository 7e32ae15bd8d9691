/*
 * milter_wire: the packets of the Milter protocol, version 6, as the MTA's side writes and reads them (libmilter's mfdef.h).
 *
 * A packet is a length (four octets, the highest first; the command counts, the length does not), a command, and its data.
 */
#ifndef LIB_NET_MILTER_WIRE_H
#define LIB_NET_MILTER_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"

#define MILTER_VERSION 6u
#define MILTER_VERSION_LEAST 2u
#define MILTER_CHUNK 65535u            /* octets of a piece of the body; of any packet of ours */
#define MILTER_REPLY_MAX (1024u * 1024) /* octets of a packet of theirs */
#define MILTER_WORDS_MAX 64            /* in one packet */

enum milter_command {
	MILTER_ABORT = 'A',
	MILTER_BODY = 'B',
	MILTER_CONNECT = 'C',
	MILTER_MACRO = 'D',
	MILTER_END = 'E',      /* of the message */
	MILTER_HELO = 'H',
	MILTER_HEADER = 'L',
	MILTER_MAIL = 'M',
	MILTER_EOH = 'N',
	MILTER_OPTIONS = 'O',
	MILTER_QUIT = 'Q',
	MILTER_QUIT_NC = 'K',  /* the client is gone; another one follows on this connection */
	MILTER_RCPT = 'R',
	MILTER_DATA = 'T',
	MILTER_UNKNOWN = 'U'
};

enum milter_answer {
	/* what becomes of it */
	MILTER_ACCEPT = 'a',
	MILTER_CONTINUE = 'c',
	MILTER_DISCARD = 'd',
	MILTER_CONN_FAIL = 'f',
	MILTER_REJECT = 'r',
	MILTER_SKIP = 's',     /* the rest of the body */
	MILTER_TEMPFAIL = 't',
	MILTER_REPLYCODE = 'y',
	MILTER_SHUTDOWN = '4',
	MILTER_PROGRESS = 'p', /* wait on */
	/* changes, at the message's end */
	MILTER_ADD_RCPT = '+',
	MILTER_ADD_RCPT_ARGS = '2',
	MILTER_DELETE_RCPT = '-',
	MILTER_REPLACE_BODY = 'b',
	MILTER_CHANGE_FROM = 'e',
	MILTER_ADD_HEADER = 'h',
	MILTER_INSERT_HEADER = 'i',
	MILTER_CHANGE_HEADER = 'm',
	MILTER_QUARANTINE = 'q'
};

enum milter_action { /* SMFIF_: changes that a milter says it may ask for */
	MAY_ADD_HEADERS = 0x01,
	MAY_CHANGE_BODY = 0x02,
	MAY_ADD_RCPTS = 0x04,
	MAY_DELETE_RCPTS = 0x08,
	MAY_CHANGE_HEADERS = 0x10,
	MAY_QUARANTINE = 0x20,
	MAY_CHANGE_FROM = 0x40,
	MAY_ADD_RCPT_ARGS = 0x80,
	MAY_SET_MACROS = 0x100,
	MAY_ALL = 0x1ff
};

enum milter_step { /* SMFIP_ */
	UNTOLD_CONNECT = 0x01, UNTOLD_HELO = 0x02, UNTOLD_MAIL = 0x04, UNTOLD_RCPT = 0x08, UNTOLD_BODY = 0x10, UNTOLD_HEADERS = 0x20,
	UNTOLD_EOH = 0x40, UNTOLD_UNKNOWN = 0x100, UNTOLD_DATA = 0x200,
	SKIP_KNOWN = 0x400,      /* the MTA knows MILTER_SKIP */
	RCPT_REFUSED = 0x800,    /* recipients that the MTA refuses are told, too */
	/* the milter does not answer these */
	MUTE_HEADER = 0x80, MUTE_CONNECT = 0x1000, MUTE_HELO = 0x2000, MUTE_MAIL = 0x4000, MUTE_RCPT = 0x8000,
	MUTE_DATA = 0x10000, MUTE_UNKNOWN = 0x20000, MUTE_EOH = 0x40000, MUTE_BODY = 0x80000,
	LEADING_SPACE = 0x100000, /* header values with the blank behind the colon */
	STEPS_ALL = 0x1fffff
};

/* The stages whose macros a milter may choose, as they are numbered on the wire. */
enum milter_stage { STAGE_CONNECT, STAGE_HELO, STAGE_MAIL, STAGE_RCPT, STAGE_DATA, STAGE_END, STAGE_EOH, STAGES };

struct milter_options {
	uint32_t version, actions, steps;
	struct span macros[STAGES]; /* names it wants; s NULL: the usual ones */
};

/* What a milter said, in its packet's memory. */
struct milter_said {
	char answer;          /* enum milter_answer */
	uint32_t index;       /* of headers */
	struct span name;     /* of a header; an address; a reply's text; a reason; a piece of the body */
	struct span value;    /* of a header; arguments; not given: empty */
};

/* --- writing: a packet is begun, gets its data, and is ended ---------------- */
size_t milter_begin(struct buf *out, enum milter_command); /* where it begins */
void milter_add_string(struct buf *out, struct span);      /* with its NUL; one inside becomes a blank */
void milter_add_u32(struct buf *out, uint32_t);
void milter_add_u16(struct buf *out, uint16_t);
void milter_end(struct buf *out, size_t begun);            /* its length is known now */
void milter_add_options(struct buf *out, const struct milter_options *);

/* --- reading ----------------------------------------------------------------- */
/* The packet that starts in: octets it takes, 0 while it is not whole, -1 (errno EPROTO, EMSGSIZE over
 * MILTER_REPLY_MAX). *command and *data: what is in it. */
ssize_t milter_packet(struct span in, char *command, struct span *data) MUST_CHECK;
/* The answer to our options. -1: it is none (EPROTO). */
int milter_read_options(struct span data, struct milter_options *) MUST_CHECK;
/* Any other packet of a milter. -1: none that there is, or cut short (EPROTO). */
int milter_read(char command, struct span data, struct milter_said *) MUST_CHECK;
/* "550 5.7.1 text", or with several lines "550-...": the code into *code; the enhanced code; the lines joined by LF into text,
 * control characters left out, "%%" being a "%" (sendmail takes it for a format). -1: no 4yz or 5yz reply. */
int milter_read_reply(struct span said, int *code, char enhanced[12], struct buf *text) MUST_CHECK;
/* The next macro of such a list, braces taken off; false: no more. */
bool milter_next_macro(struct span *list, struct span *name);

#endif
