/*
 * command: the lines that a POP3 client sends (RFC 1939, 3; RFC 2449, 4).
 */
#ifndef POP3D_COMMAND_H
#define POP3D_COMMAND_H

#include <stdint.h>

#include "lib/base/buf.h"

enum args {
	ARGS_NONE,
	ARGS_TEXT,    /* the rest of the line as it stands: names and passwords may hold blanks */
	ARGS_WORD,    /* a word that is no number, or nothing */
	ARGS_NUMBER,
	ARGS_MAYBE,   /* a number, or nothing */
	ARGS_NUMBERS  /* two */
};
struct words_given {
	struct span text;
	size_t numbers;
	uint64_t number[2];
};
/* A dialogue is a table of these; run answers. The last entry's verb is NULL. */
struct command {
	const char *verb; /* upper case */
	enum args args;
	void (*run)(void *session, const struct words_given *);
};
enum parsed { COMMAND_OK, COMMAND_UNKNOWN, COMMAND_ARGS };
/*
 * The command in a line without its CRLF. Verbs in any case; one blank between
 * words (blanks at the end are forgiven where a command takes no text); numbers
 * are digits and nothing else, at most UINT64_MAX. With COMMAND_ARGS *out is the
 * command whose arguments are wrong.
 */
enum parsed command_parse(const struct command *table, struct span line,
    const struct command **out, struct words_given *given) MUST_CHECK;

#endif
