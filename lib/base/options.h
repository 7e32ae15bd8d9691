/*
 * options: the command line of a program that people do not type: -C DIR, --help.
 */
#ifndef LIB_BASE_OPTIONS_H
#define LIB_BASE_OPTIONS_H

/* The DIR of -C, or NULL. --help (-h) prints usage on standard output and ends the process well; anything
 * else prints it on standard error and ends it with EX_USAGE. usage ends in LF. */
const char *options_dir(int argc, char *argv[], const char *usage);

#endif
