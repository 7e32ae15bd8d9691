/*
 * body: what follows DATA (RFC 5321, 4.1.1.4 and 4.5.2) or BDAT (RFC 3030).
 */
#ifndef SMTPD_BODY_H
#define SMTPD_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum body_fault {
	BODY_FINE,
	BODY_BARE_CR,
	BODY_BARE_LF,
	BODY_TOO_LARGE,
	BODY_LOOP /* too many Received fields */
};

struct body {
	/* set by body_init */
	uint64_t size_limit;     /* wire octets; 0: none */
	uint64_t received_limit; /* Received fields */
	bool normalize;          /* a bare LF inside a line ends it */
	bool lf_ends;            /* a device's: an LF alone ends every line, that of the dot, too; to be set behind body_init */
	bool counted;            /* BDAT (RFC 3030): its size ends it, and dots are but dots; to be set behind body_init */
	/* results */
	bool ended;              /* CRLF.CRLF was seen */
	enum body_fault fault;   /* the first; nothing comes out from there on */
	bool eightbit;           /* an octet above 0x7f was seen */
	uint64_t octets, lines;  /* of the text that came out; lines are its LFs */
	uint64_t received;
	/* where we are */
	enum { BODY_BOL, BODY_DOT, BODY_DOT_CR, BODY_TEXT, BODY_CR } state;
	bool in_header, blank;   /* blank: nothing in this line yet */
	unsigned match;          /* octets of "received:" that this line began with */
};

void body_init(struct body *, uint64_t size_limit, uint64_t received_limit, bool normalize);
/*
 * Take octets off the wire; dots unstuffed and lines ended by LF, the text goes to out (room
 * for n). *made: octets there. Returns how many of n were taken: all, unless the message
 * ended; what is behind belongs to the next command. After a fault everything up to the
 * true end is still taken.
 */
size_t body_feed(struct body *, const char *in, size_t n, char *out, size_t *made);
/* The last chunk is over: a line without its end gets one (room for an octet). */
void body_end(struct body *, char *out, size_t *made);
/* The size of the text with CRLF line ends (RFC 1870, 5). */
uint64_t body_wire_octets(const struct body *);

#endif
