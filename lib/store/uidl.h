/*
 * uidl: the unique-ids (RFC 1939, 7) that messages had on the server before this one: the file
 * posthouse-uidl in a maildir.
 *
 * A line a message: its unique-id, a blank, and the unique part of its file's name (maildir.h). Lines may
 * come in any order; sorted by name they cost the least. Lines of messages that have gone do no harm.
 */
#ifndef LIB_STORE_UIDL_H
#define LIB_STORE_UIDL_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"

#define UIDL_FILE "posthouse-uidl"
#define UIDL_FILE_MAX (256u * 1024 * 1024) /* octets: some three million messages */

struct uidl_line {
	const char *uid, *name;
};
struct uidl {
	struct buf text; /* as it was read, cut into strings */
	struct arena *arena; /* of what was added; or NULL */
	struct uidl_line *lines; /* by name */
	size_t n, cap;
};
/* 1 to LIMIT_UIDL octets of 0x21-0x7e. */
bool uidl_valid(struct span uid);
/* Lines that are none are passed over. 0, also when there is no file; -1 errno, and it is empty. */
int uidl_read(struct uidl *, int maildir_fd) MUST_CHECK;
/* NULL: none is known. */
const char *uidl_find(const struct uidl *, struct span name);
/* To be written: both are copied. false: no unique-id or no name, and nothing was added. */
bool uidl_add(struct uidl *, struct span uid, struct span name) MUST_CHECK;
/* Replaces the file, durably. 0; -1 errno. */
int uidl_write(struct uidl *, int maildir_fd) MUST_CHECK;
void uidl_free(struct uidl *);

#endif
