/*
 * replies: everything smtpd says by itself, each with its code and enhanced code, once.
 */
#ifndef SMTPD_REPLIES_H
#define SMTPD_REPLIES_H

#include "lib/mail/reply.h"

enum said {
	SAY_GREETING,        /* text given */
	SAY_HELLO,           /* text given */
	SAY_BYE,
	SAY_HELP,
	SAY_OK,
	SAY_VRFY,
	SAY_SENDER_OK,
	SAY_RCPT_OK,
	SAY_GO_AHEAD,
	SAY_START_TLS,
	SAY_CHALLENGE,       /* text given: base64 */
	SAY_AUTH_OK,
	SAY_ACCEPTED,        /* text given: ID and how */
	SAY_DISCARDED,
	SAY_CHUNK,           /* text given */
	/* the client's grammar */
	SAY_UNKNOWN,
	SAY_TOO_LONG,
	SAY_BARE_COMMAND,
	SAY_NOT_HERE,
	SAY_TLS_NONE,
	SAY_TLS_ALREADY,
	SAY_TLS_INJECTED,
	SAY_HELLO_FIRST,
	SAY_MAIL_FIRST,
	SAY_RCPT_FIRST,
	SAY_MAIL_TWICE,
	SAY_BDAT_SYNTAX,
	SAY_BDAT_EARLY,
	SAY_IN_CHUNKS,
	SAY_NO_VALID_RCPT,
	SAY_NO_ARGUMENT,
	SAY_NEEDS_ARGUMENT,
	SAY_NEEDS_NAME,
	SAY_MAIL_SYNTAX,
	SAY_RCPT_SYNTAX,
	SAY_SENDER_SYNTAX,
	SAY_RCPT_ADDRESS_SYNTAX,
	SAY_PARAMETER_SYNTAX,
	SAY_PARAMETER_VALUE,
	SAY_PARAMETER_TWICE,
	SAY_PARAMETER_UNKNOWN,
	SAY_SENDER_UTF8,
	SAY_RCPT_UTF8,
	/* policy and limits */
	SAY_REFUSED,         /* text given */
	SAY_PROXY,
	SAY_EARLY,
	SAY_SENDER_NONE,
	SAY_SENDER_LATER,
	SAY_NULL_ONE,
	SAY_LISTED,          /* text given */
	SAY_XCLIENT_NO,
	SAY_XCLIENT_SYNTAX,
	SAY_AUTH_FIRST,
	SAY_AUTH_TLS_FIRST,
	SAY_AUTH_UNKNOWN,
	SAY_AUTH_MALFORMED,
	SAY_AUTH_CANCELLED,
	SAY_AUTH_WRONG,      /* text given: authd's */
	SAY_AUTH_LATER,      /* likewise */
	SAY_AUTH_TOO_OFTEN,
	SAY_AUTH_ALREADY,
	SAY_SENDER_RIGHTS,
	SAY_RATE,
	SAY_TOO_LARGE,
	SAY_MAILBOX_FULL,
	SAY_MAILBOX_FULL_LATER,
	SAY_TOO_MANY_RCPTS,
	SAY_TOO_MANY_ERRORS,
	SAY_BARE_CR,
	SAY_BARE_LF,
	SAY_LOOP,
	SAY_FILTERED,        /* what the rule says follows */
	SAY_ATTACHMENT,      /* the mask follows */
	SAY_UNREADABLE,      /* the reason follows */
	SAY_UNREADABLE_LATER,
	SAY_HEADER_TOO_LARGE,
	SAY_MILTER_LATER,
	SAY_MILTER_DOWN,
	SAY_MILTER_SHUTDOWN,
	/* ours */
	SAY_BUSY,
	SAY_STOPPING,
	SAY_TIMEOUT,
	SAY_WRITE_FAILED,
	SAY_DISK_FULL,
	SAY_COUNT
};

/* The entry; text, if not NULL, takes its text's place. */
struct reply reply_say(enum said, const char *text);

#endif
