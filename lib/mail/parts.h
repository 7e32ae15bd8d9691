/*
 * parts: a walk through a MIME message (RFC 2045, 2046), streamed: its fields, its text decoded, the names of what is
 * attached.
 */
#ifndef LIB_MAIL_PARTS_H
#define LIB_MAIL_PARTS_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/mail/zip.h"

#define PARTS_LINE 4096         /* octets of a line looked at in one */
#define PARTS_FIELD (64 * 1024) /* octets of a field; more are left out, which is a fault */
#define PARTS_NAME 1024         /* octets of a name, decoded */
#define PARTS_BOUNDARY 200      /* octets; RFC 2046, 5.1.1 allows 70 */
#define PARTS_DEPTH 20          /* multiparts and messages inside one another */
#define PARTS_COUNT 10000       /* parts of a message, and names */
#define PARTS_TEXT 8192         /* octets of text decoded at once */

/* What is found, as it comes. Spans are valid during the call. Any function may be NULL. */
struct parts_found {
	/* A field of the message's own header (top) or of a part's; value unfolded. */
	void (*field)(void *arg, bool top, struct span name, struct span value);
	/* The name of a part as UTF-8: from Content-Disposition, Content-Type, or behind "begin 644" of uuencode; and those
	 * of the files in it, if it is a zip archive. One part may have several, for programs do not agree which counts. */
	void (*name)(void *arg, struct span name);
	/* Text of a part, base64 and quoted-printable decoded, text/... as UTF-8. */
	void (*text)(void *arg, struct span text);
	/* A header is over, and the text of a part begins. */
	void (*part)(void *arg);
};

struct parts {
	const struct parts_found *found;
	void *arg;
	const char *fault;     /* why this is no proper MIME: the first reason; NULL: it is */
	bool in_top;           /* the message's own header is not over */
	/* where we are */
	enum { PARTS_IN_HEADER, PARTS_IN_TEXT, PARTS_BETWEEN } state;
	char line[PARTS_LINE];
	size_t used;
	bool going_on;         /* line began further up */
	unsigned depth, messages, count, names;
	struct parts_level {
		char boundary[PARTS_BOUNDARY + 1];
		size_t len;
		unsigned messages; /* around it */
	} levels[PARTS_DEPTH];
	/* the header */
	struct buf raw, value; /* a field: its lines; unfolded */
	struct buf name;       /* scratch */
	bool is_text;          /* text/... */
	bool typed, encoded;   /* these fields were there */
	enum { PARTS_LEAF, PARTS_MULTIPART, PARTS_MESSAGE } kind;
	enum { PARTS_PLAIN, PARTS_BASE64, PARTS_QUOTED } encoding;
	char charset[64];
	char boundary[PARTS_BOUNDARY + 1];
	/* the text */
	unsigned bits, have;   /* base64 */
	struct zip *zip;       /* NULL: never needed */
	bool zip_named;        /* its name says that it is an archive */
	enum { PARTS_NO_ZIP, PARTS_MAY_BE_ZIP, PARTS_ZIP } archive;
	struct buf text;
};

void parts_init(struct parts *, const struct parts_found *, void *arg);
void parts_free(struct parts *);
/* The next octets of the message; lines end with LF (a CR in front of it belongs to the line end). */
void parts_feed(struct parts *, const char *, size_t);
/* The message is over. */
void parts_end(struct parts *);

#endif
