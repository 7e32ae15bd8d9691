/*
 * input: the message that a program hands to sendmail on standard input.
 */
#ifndef QUEUE_INPUT_H
#define QUEUE_INPUT_H

#include <stdbool.h>

#include "lib/base/buf.h"

struct input {
	int fd;
	bool ignore_dots;  /* -i: a line of one dot is text */
	struct buf text;   /* read and cleaned, not used yet */
	bool ended;        /* nothing more comes */
	bool line_start, dot, cr; /* of the cleaning: what the last octets were */
};
void input_init(struct input *, int fd, bool ignore_dots);
/* Read until there are n octets of text, or all. 0; -1 errno. n is at most INPUT_MAX. */
int input_fill(struct input *, size_t n) MUST_CHECK;
/* The cleaning alone. */
void input_feed(struct input *, const char *, size_t);
void input_end(struct input *);
void input_free(struct input *);

#define INPUT_MAX (1024 * 1024) /* octets of text held at once */

#endif
