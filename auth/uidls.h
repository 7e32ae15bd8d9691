/*
 * uidls: the unique-ids of the POP3 server that had a mailbox before, for posthouse mailbox import-uidl.
 */
#ifndef AUTH_UIDLS_H
#define AUTH_UIDLS_H

#include "lib/store/conf.h"

struct uidls_source {
	const char *from;   /* dovecot, courier, qmail; NULL: path is a list */
	const char *format; /* of Dovecot's pop3_uidl_format; NULL: its default */
	const char *path;   /* NULL: the mailbox's own maildir */
};
/* Reads them, and only if all is well writes them for pop3d. Tells people; the exit code. */
int uidls_import(const struct instance *, const struct conf *, const char *address, const struct uidls_source *);

#endif
