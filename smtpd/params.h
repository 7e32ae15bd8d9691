/*
 * params: what may follow the path in MAIL and RCPT (RFC 5321, 4.1.2: Mail-parameters), and BDAT.
 */
#ifndef SMTPD_PARAMS_H
#define SMTPD_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "smtpd/replies.h"

struct params {
	bool size_given;
	uint64_t size;    /* RFC 1870 */
	bool eightbit;    /* BODY=8BITMIME, RFC 6152 */
	bool smtputf8;    /* RFC 6531 */
	bool requiretls;  /* RFC 8689 */
	/* RFC 3461; the spans point into the line */
	const char *ret;  /* "FULL", "HDRS"; NULL */
	struct span envid; /* xtext; s NULL: not given */
	unsigned notify;
	struct span orcpt; /* type;xtext; s NULL: not given, or in a form that we cannot carry */
	unsigned seen;    /* which were given, by the table's order */
};
/* text: all that stands behind the path. SAY_OK, or what is wrong; *out is then half-made. */
enum said params_mail(struct span text, struct params *out);
enum said params_rcpt(struct span text, struct params *out);
/* "N" or "N LAST", behind BDAT (RFC 3030, 2). */
bool params_bdat(struct span text, uint64_t *octets, bool *last) MUST_CHECK;

#endif
