/*
 * mailbox: the address lists of header fields (RFC 5322, 3.4), as people and programs really write them.
 */
#ifndef LIB_MAIL_MAILBOX_H
#define LIB_MAIL_MAILBOX_H

#include "lib/base/buf.h"
#include "lib/base/mem.h"

struct mailbox_entry {
	struct span phrase;  /* unquoted, comments removed; encoded words as they were */
	struct span comment; /* all comments of the entry, joined by blanks */
	struct span local, domain; /* unquoted; neither is empty */
	struct span extra;   /* a@b@c: "a", with local b and domain c: no address, but see the collector's shared
	                      * accounts; s NULL: none, as in every right address */
};
/*
 * The entries of a field's value (unfolded, UTF-8). An entry without @ becomes a piece of the next
 * one's phrase (Miller, Andrew <...>). Groups contribute their members; a missing ">" is supplied;
 * obsolete routes, "mailto:" and apostrophes around an address are dropped. Memory from the arena.
 */
size_t mailbox_list(struct span value, struct arena *, struct mailbox_entry **out);
/* The address in a text without phrase, such as the value of X-Original-To; 1 or 0. */
size_t mailbox_address(struct span text, struct arena *, struct mailbox_entry *out);
/* Comments taken out (nested, with escapes; not inside quoted strings). */
void mailbox_uncomment(struct span text, struct buf *out);

#endif
