/*
 * answer: what both states of a POP3 session have in common: the next command, its
 * errors, numbers, CAPA.
 */
#ifndef POP3D_ANSWER_H
#define POP3D_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/sys/io.h"
#include "pop3d/command.h"

#define ERRORS_MAX 20 /* lines that are no command of ours before the connection ends */

void answer_f(struct io *, const char *, ...) PRINTF_LIKE(2, 3);
void answer_number(struct io *, uint64_t, char behind);
/* The capabilities (RFC 2449, RFC 6856). */
struct capa {
	const char *sasl;       /* USER and PASS are taken here, and these mechanisms; NULL: none of it */
	bool stls;              /* TLS can begin */
	bool inside;            /* after login */
	uint64_t login_delay_s; /* 0: none */
};
void answer_capa(struct io *, const struct capa *);
/* LANG (RFC 6856, 3): there is one language, which is the default. */
void answer_lang(struct io *, struct span tag);
/* Read one line of at most max octets. NULL: go on, with line->s NULL when there was something wrong with
 * it, which the client has been told; else why the session is over. */
const char *answer_line(struct io *, size_t max, int64_t timeout_ms, unsigned *errors, struct span *line) MUST_CHECK;
/* Run its command with arg, or say what is wrong with it. NULL: go on; else why the session is over. */
const char *answer_command(struct io *, const struct command *, void *arg, unsigned *errors, struct span line) MUST_CHECK;
/*
 * Read one line, run its command with arg, or say what is wrong with it. NULL: go on;
 * else why the session is over: the connection's end, the timeout, or too many errors.
 */
const char *answer_next(struct io *, const struct command *, void *arg, unsigned *errors,
    int64_t timeout_ms) MUST_CHECK;

#endif
