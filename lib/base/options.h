/*
 * options: the command line: of programs that people do not type (-C DIR, --help), and what those that they do
 * type say when it does not go on.
 */
#ifndef LIB_BASE_OPTIONS_H
#define LIB_BASE_OPTIONS_H

#include "lib/base/mem.h"

/* The DIR of -C, or NULL. --help (-h) prints usage on standard output and ends the process well; anything
 * else prints it on standard error and ends it with EX_USAGE. usage ends in LF. */
const char *options_dir(int argc, char *argv[], const char *usage);

/* Ends the process: the text (LF at its end) on standard output with code 0, else on standard error. */
void options_usage(const char *text, int code) NORETURN;
/* Ends the process: "posthouse VERB: ..." on standard error. */
void options_refuse(const char *verb, int code, const char *, ...) PRINTF_LIKE(3, 4) NORETURN;

#endif
