/*
 * smtp: the client's side of SMTP with one server: open, send messages, quit.
 */
#ifndef DELIVER_SMTP_H
#define DELIVER_SMTP_H

#include "deliver/agent.h"
#include "lib/net/esmtp.h"

struct smtp_limits {
	int64_t connect_ms, command_ms; /* RFC 5321, 4.5.3.2: 5 minutes a command */
	const char *helo;
	bool no_tls;         /* remote_tls = no */
	const char *ca;      /* whose certificates are to be trusted; "": the system's */
};

enum smtp_result {
	SMTP_OK,      /* open; or: every recipient has its outcome */
	SMTP_NEXT,    /* this server takes nothing now: another one may. why and code tell */
	SMTP_REFUSED  /* it said 5yz to us as such (greeting, EHLO): another one may take it */
};

struct smtp {
	struct dialogue d;
	struct esmtp e;      /* its opening */
	char host[256];      /* the server's name, of the last smtp_open() */
	char name[256];      /* ... without brackets */
	const struct smtp_limits *limits;
	bool open;
	bool reset_due;      /* a transaction was left in the middle */
	bool owing;          /* the message is with the server, its answer is not here: SIGTERM waits */
	unsigned sent;       /* messages on this connection */
	deadline_ms born;    /* when it was opened */
	/* what EHLO offered */
	bool promised;       /* TLS with the server that it ought to be, which does REQUIRETLS as well */
	bool pipelining, eightbit, smtputf8, dsn, has_size;
	uint64_t size_limit; /* 0: not told */
	/* why the last result was not SMTP_OK: for the report */
	int code;            /* 0: no reply */
	char enhanced[12];
	struct buf why;
};
void smtp_init(struct smtp *, const struct smtp_limits *);
/* Connect, greeting, EHLO or HELO; TLS where it is offered and works. promised: as RFC 8689, 4.2.1,
 * wants it for a message with REQUIRETLS; SMTP_REFUSED, with code 0: that is not to be had there. */
enum smtp_result smtp_open(struct smtp *, const struct ip *, uint16_t port, const char *host, bool promised) MUST_CHECK;
/*
 * One transaction for the job's recipients that have no outcome yet. SMTP_OK: all have
 * one now. SMTP_NEXT: the server went away, or was not willing, before it had the message: those without an outcome may be tried elsewhere.
 * Afterwards the connection may be open (smtp.open) for another message.
 */
enum smtp_result smtp_send(struct smtp *, struct job *) MUST_CHECK;
/* Would it take mail for address? SMTP_OK: *said, and code, enhanced and why have its words. No message is sent. */
enum smtp_result smtp_probe(struct smtp *, const char *address, enum outcome *said) MUST_CHECK;
void smtp_quit(struct smtp *);  /* politely when it is open */
void smtp_free(struct smtp *);

#endif
