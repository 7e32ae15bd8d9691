/*
 * prompt: secrets that people type, or give a command on its standard input. Never on the command line, where others see
 * them.
 */
#ifndef LIB_SYS_PROMPT_H
#define LIB_SYS_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/mem.h"

/* Asked for on the terminal, without echo; with again a second time, so that it is what was meant. terminal: there must be
 * one; else standard input will do. NULL, and out is the text; else what went wrong, in a few words (errno ENOTTY: there is no terminal; else EINVAL), and
 * out is empty. */
const char *prompt_secret(const char *question, const char *again, bool terminal, char *out, size_t room) MUST_CHECK;
/* The first line of standard input, without its end (LF or CRLF); the same. */
const char *prompt_line(char *out, size_t room) MUST_CHECK;

#endif
