/*
 * addresses: lists of addresses as the sender's own programs write them (RFC 5322, 3.4): the
 * recipients of `sendmail -t`. Strict: what is not understood is an error that
 * a person reads. (What strangers write is read by mailbox.c, which guesses.)
 */
#ifndef LIB_MAIL_ADDRESSES_H
#define LIB_MAIL_ADDRESSES_H

#include <stdbool.h>

#include "lib/base/buf.h"

struct address {
	struct span text; /* local-part, "@", domain; without comments and blanks; never empty */
	const char *end;  /* behind its last octet in the value it was read from */
	bool bare;        /* without "@" and domain */
};
struct addresses {
	struct address *a;
	size_t n;
};
/*
 * The addresses in the value of a field, folded or not: display names, comments, groups and routes
 * are passed over. Whether each is an address is for path_parse_address() to tell. Memory
 * from the arena. 0; -1 with why.
 */
int addresses_parse(struct span value, struct arena *, struct addresses *out, struct buf *why) MUST_CHECK;
/* The value with "@domain" behind each bare address, into out. */
void addresses_complete(struct span value, const struct addresses *, struct span domain, struct buf *out);

#endif
