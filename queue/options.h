/* options: the command line of sendmail. */
#ifndef QUEUE_OPTIONS_H
#define QUEUE_OPTIONS_H

#include <stdbool.h>

enum options_mode { MODE_DELIVER, MODE_MAILQ, MODE_COMPILE };

struct options {
	enum options_mode mode;
	const char *dir;       /* -C */
	bool extract;          /* -t */
	bool ignore_dots;      /* -i, -oi */
	bool verbose;          /* -v */
	bool queue_run;        /* -q: nothing to be done */
	const char *sender;    /* -f, -r; NULL: whoever runs us */
	const char *full_name; /* -F; NULL: from passwd */
	unsigned notify;       /* -N */
	const char *ret;       /* -R: "FULL", "HDRS"; "" */
	const char *envid;     /* -V; "" */
	char *const *rcpts;    /* ends with NULL */
};
/* Ends the process with EX_USAGE when it cannot understand them. */
void options_read(struct options *, int argc, char *argv[]);

#endif
