/*
 * replies: everything smtpd says by itself, each with its code and enhanced code, once
 * (RFC 5321, 4.2; RFC 3463; RFC 5248 and its registry). What router and queued say is
 * passed on as they worded it.
 */
#include "smtpd/replies.h"

// clang-format off
static const struct reply replies[SAY_COUNT] = {
	[SAY_GREETING]            = { 220, "",      "" },
	[SAY_HELLO]               = { 250, "",      "" },
	[SAY_BYE]                 = { 221, "2.0.0", "Good bye" },
	[SAY_HELP]                = { 214, "2.0.0", "Commands: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY STARTTLS AUTH HELP QUIT" },
	[SAY_OK]                  = { 250, "2.0.0", "OK" },
	[SAY_VRFY]                = { 252, "2.5.0", "Not verified; send the message and see" },
	[SAY_SENDER_OK]           = { 250, "2.1.0", "Sender OK" },
	[SAY_RCPT_OK]             = { 250, "2.1.5", "Recipient OK" },
	[SAY_GO_AHEAD]            = { 354, "",      "Go ahead; end with a dot on a line of its own" },
	[SAY_START_TLS]           = { 220, "2.0.0", "Ready to start TLS" },
	[SAY_CHALLENGE]           = { 334, "",      "" },
	[SAY_AUTH_OK]             = { 235, "2.7.0", "Welcome" },
	[SAY_ACCEPTED]            = { 250, "2.0.0", "" },
	[SAY_DISCARDED]           = { 250, "2.0.0", "Accepted" },

	[SAY_CHUNK]               = { 250, "2.0.0", "" },
	/* RFC 1985, 5.3 */
	[SAY_ETRN_STARTED]        = { 250, "2.0.0", "Queuing started" },
	[SAY_ETRN_NONE]           = { 251, "2.0.0", "No messages are waiting" },

	[SAY_UNKNOWN]             = { 500, "5.5.2", "Unknown command" },
	[SAY_TOO_LONG]            = { 500, "5.5.2", "Line too long" },
	[SAY_BARE_COMMAND]        = { 500, "5.5.2", "A line ends with CRLF and holds no CR, LF or NUL" },
	[SAY_TLS_NONE]            = { 454, "4.7.0", "TLS not available now" }, /* RFC 3207, 4 */
	[SAY_TLS_ALREADY]         = { 503, "5.5.1", "TLS is there already" },
	[SAY_TLS_FIRST]           = { 530, "5.7.10", "REQUIRETLS goes under TLS only: say STARTTLS first" }, /* RFC 8689, 2 */
	[SAY_TLS_INJECTED]        = { 554, "5.5.1", "Nothing may follow STARTTLS before its answer" },
	[SAY_NOT_HERE]            = { 502, "5.5.1", "Command not implemented" },
	[SAY_HELLO_FIRST]         = { 503, "5.5.1", "Say EHLO or HELO first" },
	[SAY_MAIL_FIRST]          = { 503, "5.5.1", "Say MAIL first" },
	[SAY_RCPT_FIRST]          = { 503, "5.5.1", "Say RCPT first" },
	[SAY_MAIL_TWICE]          = { 503, "5.5.1", "A transaction is open: say RSET first" },
	[SAY_BDAT_SYNTAX]         = { 501, "5.5.4", "BDAT takes a size and, at the end, LAST" },
	[SAY_BDAT_EARLY]          = { 503, "5.5.1", "No transaction with recipients is open" },
	[SAY_IN_CHUNKS]           = { 503, "5.5.1", "The message is coming in chunks: go on with BDAT, or say RSET" },
	[SAY_NO_VALID_RCPT]       = { 554, "5.5.1", "No valid recipients" },
	[SAY_NO_ARGUMENT]         = { 501, "5.5.4", "This command takes no argument" },
	[SAY_NEEDS_ARGUMENT]      = { 501, "5.5.4", "This command takes an argument" },
	[SAY_NEEDS_NAME]          = { 501, "5.5.4", "Say your host's name, of at most 255 octets" },
	[SAY_MAIL_SYNTAX]         = { 501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]" },
	[SAY_RCPT_SYNTAX]         = { 501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]" },
	[SAY_SENDER_SYNTAX]       = { 501, "5.1.7", "This is no sender address" },
	[SAY_RCPT_ADDRESS_SYNTAX] = { 501, "5.1.3", "This is no recipient address" },
	[SAY_PARAMETER_SYNTAX]    = { 501, "5.5.4", "A parameter is NAME or NAME=VALUE" },
	[SAY_PARAMETER_VALUE]     = { 501, "5.5.4", "This parameter does not take this value" },
	[SAY_PARAMETER_TWICE]     = { 501, "5.5.4", "A parameter is given once" },
	[SAY_PARAMETER_UNKNOWN]   = { 555, "5.5.4", "Unknown parameter" },
	[SAY_SENDER_UTF8]         = { 553, "5.6.7", "This sender address takes SMTPUTF8 and valid UTF-8" },
	[SAY_RCPT_UTF8]           = { 553, "5.6.7", "This recipient address takes SMTPUTF8 and valid UTF-8" },

	[SAY_ETRN_SYNTAX]         = { 501, "5.5.4", "Syntax: ETRN domain, or ETRN @domain" },
	[SAY_ETRN_NOT]            = { 459, "4.7.1", "You may not ask for this domain's mail" },
	[SAY_ETRN_NOBODY]         = { 458, "4.7.1", "You may not ask for mail here" },
	[SAY_ETRN_QUEUE]          = { 459, "4.7.1", "Queues have no names here: ask for a domain" },
	[SAY_ETRN_LATER]          = { 458, "4.3.2", "" },
	[SAY_REFUSED]             = { 550, "5.7.1", "Refused by this site" },
	[SAY_PROXY]               = { 554, "5.7.1", "No PROXY header is expected from this address" },
	[SAY_EARLY]               = { 554, "5.5.1", "You spoke before the greeting" },
	[SAY_SENDER_NONE]         = { 550, "5.1.8", "Sender domain does not exist" },
	[SAY_SENDER_LATER]        = { 451, "4.4.3", "Sender domain cannot be checked now" },
	[SAY_NULL_ONE]            = { 550, "5.7.1", "The null sender writes to one recipient at a time" },
	[SAY_LISTED]              = { 550, "5.7.1", "" },
	[SAY_XCLIENT_NO]          = { 550, "5.7.0", "You may not say whom you speak for" },
	[SAY_XCLIENT_SYNTAX]      = { 501, "5.5.4", "Syntax: XCLIENT NAME=value ADDR=value ..." },
	[SAY_AUTH_FIRST]          = { 530, "5.7.0", "Authentication required" },
	/* RFC 4954, 4 and 6 */
	[SAY_AUTH_TLS_FIRST]      = { 538, "5.7.11", "Passwords are taken under TLS only: say STARTTLS first" },
	[SAY_AUTH_UNKNOWN]        = { 504, "5.5.4", "No such mechanism here" },
	[SAY_AUTH_MALFORMED]      = { 501, "5.5.2", "Not what this mechanism wants, in base64" },
	[SAY_AUTH_CANCELLED]      = { 501, "5.7.0", "Cancelled" },
	[SAY_AUTH_WRONG]          = { 535, "5.7.8", "" },
	[SAY_AUTH_LATER]          = { 454, "4.7.0", "" },
	[SAY_AUTH_TOO_OFTEN]      = { 421, "4.7.0", "Too many failed logins" },
	[SAY_AUTH_ALREADY]        = { 503, "5.5.1", "You have logged in already" },
	[SAY_SENDER_RIGHTS]       = { 553, "5.7.1", "Sender address not owned by this login" },
	[SAY_LOCAL_SENDER]        = { 550, "5.7.1", "Senders of this domain log in, at the submission port" },
	[SAY_DEVICE_RCPT]         = { 550, "5.7.1", "This device may not write to this recipient" },
	[SAY_RATE]                = { 450, "4.7.1", "Too many messages in an hour: try again later" },
	[SAY_TOO_LARGE]           = { 552, "5.3.4", "Too much mail data" },
	[SAY_RCPT_NONE]           = { 550, "5.1.1", "" },
	[SAY_RCPT_UNSURE]         = { 450, "4.1.1", "This address cannot be verified now: try again later" },
	[SAY_MAILBOX_FULL]        = { 552, "5.2.2", "The mailbox is full" },
	[SAY_MAILBOX_FULL_LATER]  = { 452, "4.2.2", "The mailbox is full: try again later" },
	[SAY_TOO_MANY_RCPTS]      = { 452, "4.5.3", "Too many recipients: send the rest in another transaction" },
	[SAY_TOO_MANY_ERRORS]     = { 421, "4.7.0", "Too many errors" },
	[SAY_BARE_CR]             = { 554, "5.6.0", "A CR without LF stood in the message; nothing was stored" },
	[SAY_BARE_LF]             = { 554, "5.6.0", "An LF without CR stood in the message; nothing was stored" },
	[SAY_HEADER_TOO_LARGE]    = { 552, "5.3.4", "Header too large for the filters that look at it" },
	[SAY_MILTER_LATER]        = { 451, "4.7.1", "Not now: try again later" },
	[SAY_MILTER_DOWN]         = { 451, "4.3.0", "A filter does not answer: try again later" },
	[SAY_MILTER_GONE]         = { 550, "5.3.0", "A filter does not answer" },
	[SAY_MILTER_SHUTDOWN]     = { 421, "4.3.0", "Not possible now: come again later" },
	[SAY_LOOP]                = { 554, "5.4.6", "Too many Received fields: a mail loop" },
	[SAY_FILTERED]            = { 550, "5.7.1", "Message could not be sent due to filtering restrictions" },
	[SAY_ATTACHMENT]          = { 550, "5.7.1", "Attachment type not accepted here: " },
	[SAY_UNREADABLE]          = { 554, "5.6.0", "The MIME parts of the message cannot be told apart: " },
	[SAY_UNREADABLE_LATER]    = { 451, "4.6.0", "The MIME parts of the message cannot be told apart: " },

	[SAY_QUEUE_FULL]          = { 421, "4.3.2", "Service Unavailable" },
	[SAY_QUEUE_FULL_RCPT]     = { 452, "4.3.1", "The queue is full: only mail for mailboxes here is taken now" },
	[SAY_BUSY]                = { 421, "4.7.0", "Too many connections: come again later" },
	[SAY_STOPPING]            = { 421, "4.3.2", "Shutting down: come again later" },
	[SAY_TIMEOUT]             = { 421, "4.4.2", "Waited too long" },
	[SAY_WRITE_FAILED]        = { 451, "4.3.0", "The message could not be stored: try again later" },
	[SAY_DISK_FULL]           = { 452, "4.3.1", "No space to store the message: try again later" },
};
// clang-format on

struct reply
reply_say(enum said said, const char *text)
{
	struct reply r = replies[said];

	if (text != NULL)
		r.text = text;
	return r;
}
